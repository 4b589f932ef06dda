"""Registering a sweep once: the client's own call makes a second sweep when a reply is lost, so the mirror looks first.

``wandb.sweep`` repeats its request under several forms of the mutation whenever one fails, and the server makes a sweep
for each that reaches it. Here the sweep's identity stands in its description: it is looked for before each attempt, an
attempt is one request, and of several found the one that was created first is it, at every start and on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
import wandb
import yaml

from metta_sweep.track.client import HTTP_S, Client, RefusedError, TryLaterError, client_errors
from metta_sweep.track.ranges import IDENTITY_MARK

_CREATE = """
mutation UpsertSweep($config: String, $description: String, $entityName: String, $projectName: String) {
  upsertSweep(input: {config: $config, description: $description, entityName: $entityName, projectName: $projectName}) {
    sweep { name }
  }
}
"""
_LIST = """
query GetSweeps($project: String!, $entity: String!, $cursor: String, $perPage: Int = 100) {
  project(name: $project, entityName: $entity) {
    sweeps(after: $cursor, first: $perPage) {
      pageInfo { endCursor hasNextPage }
      edges { node { name description createdAt } }
    }
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A sweep that W&B knows."""

    sweep_id: str
    """Its id at W&B."""
    entity: str
    """Its user or team."""
    project: str
    """Its project."""
    url: str
    """Its page."""


def register(client: Client, config: Mapping[str, Any], identity: str, known_id: str | None) -> Registered:
    """Return the sweep's registration, made where there is none yet.

    Args:
        client: Says where.
        config: See :func:`metta_sweep.track.ranges.registration`.
        identity: The sweep's identity.
        known_id: The id that the journal or the link holds; it is kept as long as the server knows it.

    Raises:
        TryLaterError: W&B is away or busy; nothing is made twice by trying again.
        RefusedError: The key is not good for it.
    """
    server = _Server.of(client)
    known = known_id or server.find(identity)
    found = server.look_up(known) if known else None
    if found is None:
        server.create(config)
        found = server.look_up(server.find(identity) or "")
    if found is None:
        raise TryLaterError("the sweep was registered but cannot be seen yet")
    return found


@dataclass(frozen=True, slots=True)
class _Server:
    """The two requests that the client does not offer as one request each, with its own key and address."""

    api: wandb.Api
    entity: str
    project: str

    @classmethod
    def of(cls, client: Client) -> _Server:
        api = client.api()
        with client_errors():
            entity = client.place.entity or api.default_entity
        if not entity:
            raise RefusedError("the key has no default entity: set wandb.entity")
        return cls(api, str(entity), client.place.project)

    def look_up(self, sweep_id: str) -> Registered | None:
        """Return the sweep of that id, or None where the server has none."""
        try:
            with client_errors():
                sweep = self.api.sweep(f"{self.entity}/{self.project}/{sweep_id}")  # type: ignore[no-untyped-call]
                return Registered(sweep_id=sweep_id, entity=self.entity, project=self.project, url=sweep.url)
        except TryLaterError as error:
            if "could not find sweep" in str(error).lower():
                return None
            raise

    def find(self, identity: str) -> str | None:
        """Return the id of the sweep with that identity, the first that was created where there are several."""
        mark, cursor, found = IDENTITY_MARK + identity, None, []
        while True:
            page = self._request(_LIST, cursor=cursor)["project"]
            if page is None:
                return None
            nodes = [edge["node"] for edge in page["sweeps"]["edges"]]
            found += [(node["createdAt"], node["name"]) for node in nodes if mark in (node["description"] or "")]
            cursor = page["sweeps"]["pageInfo"]["endCursor"]
            if not page["sweeps"]["pageInfo"]["hasNextPage"]:
                return min(found)[1] if found else None

    def create(self, config: Mapping[str, Any]) -> None:
        """Send one request to create the sweep."""
        text = yaml.safe_dump(dict(config), sort_keys=False)
        self._request(_CREATE, config=text, description=config["description"])

    def _request(self, query: str, **variables: Any) -> dict[str, Any]:
        if self.api.api_key is None:
            raise RefusedError("registering a sweep needs an API key: set WANDB_API_KEY or run wandb login")
        place = {"entity": self.entity, "project": self.project}
        named = {"entityName": self.entity, "projectName": self.project} if query is _CREATE else place
        url = f"{self.api.settings['base_url']}/graphql"
        answer = _post(url, self.api.api_key, {"query": query, "variables": {**named, **variables}})
        if answer.get("errors") or not isinstance(answer.get("data"), dict):
            raise RefusedError(f"W&B does not take the sweep: {str(answer.get('errors'))[:200]}")
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
        raise TryLaterError(f"no answer about the sweep ({type(error).__name__})") from error
    if reply.status_code in (401, 403):
        raise RefusedError(f"W&B answered {reply.status_code}: the key is not accepted here")
    try:
        answer = reply.json()
    except ValueError as error:
        raise TryLaterError(f"W&B answered {reply.status_code} about the sweep") from error
    if reply.status_code >= 500 or reply.status_code == 429 or not isinstance(answer, dict):
        raise TryLaterError(f"W&B answered {reply.status_code} about the sweep")
    return answer
