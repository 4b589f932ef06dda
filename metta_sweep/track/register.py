"""Registering a sweep once: the client's own call makes a second sweep when a reply is lost, so the mirror looks first.

``wandb.sweep`` repeats its request under several forms of the mutation whenever one fails, and the server makes a sweep
for each that reaches it. Here the sweep's identity stands in its description: it is looked for before each attempt, an
attempt is one request, and of several found the one that was created first is it, at every start and on every machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from metta_sweep.track.client import Client, TryLaterError, client_errors
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.ranges import IDENTITY_MARK

_CREATE = """
mutation UpsertSweep($config: String, $description: String, $entity: String, $project: String) {
  upsertSweep(input: {config: $config, description: $description, entityName: $entity, projectName: $project}) {
    sweep { name }
  }
}
"""
_LIST = """
query GetSweeps($project: String!, $entity: String!, $cursor: String, $perPage: Int = 100) {
  project(name: $project, entityName: $entity) {
    sweeps(after: $cursor, first: $perPage) {
      pageInfo { endCursor hasNextPage }
      edges { node { name displayName description createdAt } }
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
    namesake: str = ""
    """The latest other sweep of ours of this name, where this one was made just now."""


def register(
    client: Client, config: Mapping[str, Any], identity: str, known_id: str | None, *, settle_s: float = 0.0
) -> Registered:
    """Return the sweep's registration, made where there is none yet.

    Args:
        client: Says where.
        config: See :func:`metta_sweep.track.ranges.registration`.
        identity: The sweep's identity.
        known_id: The id that the journal or the link holds; it is kept as long as the server knows it.
        settle_s: Seconds in which another machine that also found none will have created its own.

    Raises:
        TryLaterError: W&B is away or busy; nothing is made twice by trying again.
        RefusedError: The key is not good for it.
    """
    server = _Server.of(client)
    known = known_id or server.find(identity)
    found = server.look_up(known) if known else None
    if found is not None:
        return found
    namesake = server.namesake(str(config["name"]))
    server.create(config)
    time.sleep(settle_s)
    found = server.look_up(server.find(identity) or "")
    if found is None:
        raise TryLaterError("the sweep was registered but cannot be seen yet")
    return replace(found, namesake=namesake)


class _Server(GraphQL):
    """Sweeps of a project, each question one request."""

    def look_up(self, sweep_id: str) -> Registered | None:
        """Return the sweep of that id, or None where the server has none."""
        try:
            with client_errors():
                sweep = self.client_api.sweep(f"{self.entity}/{self.project}/{sweep_id}")  # type: ignore[no-untyped-call]
                return Registered(sweep_id=sweep_id, entity=self.entity, project=self.project, url=sweep.url)
        except TryLaterError as error:
            if "could not find sweep" in str(error).lower():
                return None
            raise

    def find(self, identity: str) -> str | None:
        """Return the id of the sweep with that identity, the first that was created where there are several."""
        found = [(node["createdAt"], node["name"]) for node in self._ours() if _identity(node) == identity]
        return min(found)[1] if found else None

    def namesake(self, name: str) -> str:
        """Return ``ENTITY/PROJECT/SWEEP`` of the latest sweep of ours with that name; empty where there is none."""
        found = [(node["createdAt"], node["name"]) for node in self._ours() if node["displayName"] == name]
        return f"{self.entity}/{self.project}/{max(found)[1]}" if found else ""

    def _ours(self) -> Iterator[Mapping[str, Any]]:
        """Yield the sweeps that this package registered."""
        cursor = None
        while True:
            page = self.ask(_LIST, cursor=cursor)["project"]
            if page is None:
                return
            yield from (edge["node"] for edge in page["sweeps"]["edges"] if _identity(edge["node"]))
            cursor = page["sweeps"]["pageInfo"]["endCursor"]
            if not page["sweeps"]["pageInfo"]["hasNextPage"]:
                return

    def create(self, config: Mapping[str, Any]) -> None:
        """Send one request to create the sweep."""
        text = yaml.safe_dump(dict(config), sort_keys=False)
        self.ask(_CREATE, config=text, description=config["description"])


def _identity(node: Mapping[str, Any]) -> str:
    """Return the identity that stands in a sweep's description; empty in somebody else's."""
    _, mark, identity = str(node["description"] or "").rpartition(IDENTITY_MARK)
    return identity.strip() if mark else ""
