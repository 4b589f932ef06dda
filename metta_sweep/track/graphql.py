"""Single requests to W&B's GraphQL, for what the client does in several or repeats under its own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import requests
import wandb

from metta_sweep.track.client import HTTP_S, Client, RefusedError, TryLaterError, client_errors


class GraphQL:
    """Asks about one project, with the client's key and address."""

    def __init__(self, client_api: wandb.Api, entity: str, project: str) -> None:
        self.client_api = client_api
        """The client's reader; it knows the key and the address."""
        self.entity = entity
        """User or team."""
        self.project = project
        """Project."""

    @classmethod
    def of(cls, client: Client) -> Self:
        """Return the same place as the client's.

        Raises:
            RefusedError: There is no entity.
            TryLaterError: It could not be asked for.
        """
        api = client.api()
        with client_errors():
            entity = client.place.entity or api.default_entity
        if not entity:
            raise RefusedError("the key has no default entity: set wandb.entity")
        return cls(api, str(entity), client.place.project)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send one request, once; ``$entity`` and ``$project`` are the place.

        Raises:
            TryLaterError: There was no answer, or it was no answer of the service; the deed may have been done.
            RefusedError: The key or the request was not accepted.
        """
        if self.client_api.api_key is None:
            raise RefusedError("W&B needs an API key for this: set WANDB_API_KEY or run wandb login")
        place = {"entity": self.entity, "project": self.project}
        url = f"{self.client_api.settings['base_url']}/graphql"
        answer = _post(url, self.client_api.api_key, {"query": query, "variables": {**place, **variables}})
        if answer.get("errors") or not isinstance(answer.get("data"), dict):
            raise RefusedError(f"W&B does not take this: {str(answer.get('errors'))[:200]}")
        data: dict[str, Any] = answer["data"]
        return data


def _post(url: str, key: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Send one request, once.

    Raises:
        TryLaterError: There was no answer, or it was no answer of the service; the deed may have been done.
        RefusedError: The key was not accepted.
    """
    try:
        reply = requests.post(url, json=content, auth=("api", key), timeout=HTTP_S)
    except requests.RequestException as error:
        raise TryLaterError(f"no answer ({type(error).__name__})") from error
    if reply.status_code in (401, 403):
        raise RefusedError(f"W&B answered {reply.status_code}: the key is not accepted here")
    try:
        answer = reply.json()
    except ValueError as error:
        raise TryLaterError(f"W&B answered {reply.status_code}") from error
    if reply.status_code >= 500 or reply.status_code == 429 or not isinstance(answer, dict):
        raise TryLaterError(f"W&B answered {reply.status_code}")
    return answer
