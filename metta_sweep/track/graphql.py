"""Single requests to W&B's GraphQL, each with a status of its own: the client hides what the service answered.

Reading, registering and the state of the sweep go this way; the client only writes runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests

from metta_sweep.track.errors import RefusedError, TryLaterError
from metta_sweep.track.settings import PUBLIC_URL, base_url, find_key

Result = TypeVar("Result")

HTTP_S = 10.0
"""Seconds for one request."""

TRIES, PAUSE_S = 3, 0.3
"""How often a question is asked before it is given up for now, and seconds before it is asked again."""

_VIEWER = """
query Viewer {
  viewer { id entity username }
}
"""


def tried(deed: Callable[[], Result]) -> Result:
    """Do what may be done twice, a few times where W&B does not take it.

    Raises:
        TryLaterError: It did not take it the last time either.
    """
    for _ in range(TRIES - 1):
        try:
            return deed()
        except TryLaterError as error:
            time.sleep(min(max(PAUSE_S, error.retry_after_s), HTTP_S))
    return deed()


class GraphQL:
    """Asks one server, with one key, about one project."""

    def __init__(self, url: str, key: str, *, entity: str | None, project: str) -> None:
        """Ask ``url``; an ``entity`` of None becomes the account's own with the first question."""
        self.url = url.rstrip("/")
        """Address of the API."""
        self.key = key
        """Never shown, never sent to another address."""
        self.entity = entity
        """User or team."""
        self.project = project
        """Project."""
        self.http = requests.Session()
        """Keeps connections open; used by one thread at a time."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str], *, entity: str | None, project: str) -> GraphQL:
        """Return what asks the server of this environment with its key.

        Raises:
            RefusedError: There is no key.
        """
        key = find_key(environ)
        if not key:
            raise RefusedError("there is no API key: set WANDB_API_KEY or run wandb login")
        return cls(base_url(environ) or PUBLIC_URL, key, entity=entity, project=project)

    def again(self) -> GraphQL:
        """Return the same with a connection of its own, for another thread."""
        return GraphQL(self.url, self.key, entity=self.entity, project=self.project)

    def check(self) -> None:
        """Have the service say that it takes the key, and learn the account's own entity where none was named.

        Raises:
            TryLaterError: It did not answer.
            RefusedError: It rejected the key, or the account has no entity.
        """
        viewer = self.ask(_VIEWER)["viewer"]
        if viewer is None:
            raise TryLaterError("W&B did not say whose the key is")
        if not self.entity and not viewer.get("entity"):
            raise RefusedError("the account has no default entity: set wandb.entity")
        self.entity = self.entity or str(viewer["entity"])

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask a question, a few times where there is no answer; ``$entity`` and ``$project`` are the place.

        Raises:
            TryLaterError: There was no answer of the service that could be used.
            RefusedError: The service rejected the credentials.
        """
        return tried(lambda: self.ask_once(query, **variables))

    def ask_once(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send one request, once: for what must not be done twice; it may have been done where this raises.

        Raises:
            TryLaterError: There was no answer of the service that could be used.
            RefusedError: The service rejected the credentials.
        """
        place = {"entity": self.entity, "project": self.project}
        content: dict[str, Any] = {"query": query, "variables": {**place, **variables}}
        try:
            reply = self.http.post(f"{self.url}/graphql", json=content, auth=("api", self.key), timeout=HTTP_S)
            reply.content  # noqa: B018  read here: a torn reply shows now
        except requests.RequestException as error:
            raise TryLaterError(f"no answer from {self.url} ({type(error).__name__})") from error
        return _data(reply)


def _data(reply: requests.Response) -> dict[str, Any]:
    """Return what was asked for, or raise what the reply means."""
    answer = _answer(reply)
    errors = str(_messages(answer))[:200] if answer is not None else ""
    if reply.status_code in (401, 403) and answer is not None:
        raise RefusedError(f"HTTP {reply.status_code}{f', {errors}' if errors else ''}")
    if reply.status_code != 200:
        raise TryLaterError(f"HTTP {reply.status_code}", retry_after_s=_retry_after_s(reply))
    if answer is None:
        raise TryLaterError("an answer that is not the service's")
    if errors or not isinstance(answer.get("data"), dict):
        raise TryLaterError(f"it answered: {errors or 'nothing'}")
    data: dict[str, Any] = answer["data"]
    return data


def _answer(reply: requests.Response) -> dict[str, Any] | None:
    """Return the reply in the service's own form; None for a proxy's page or half a reply."""
    try:
        answer = reply.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _messages(answer: Mapping[str, Any]) -> str:
    errors = answer.get("errors") or answer.get("error") or ""
    if not isinstance(errors, list):
        return str(errors)
    return "; ".join(str(error.get("message", error) if isinstance(error, dict) else error) for error in errors)


def _retry_after_s(reply: requests.Response) -> float:
    try:
        return max(0.0, float(reply.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0
