"""Registering a sweep once: the client's own call makes a second sweep when a reply is lost, so the mirror looks first.

``wandb.sweep`` repeats its request under several forms of the mutation whenever one fails, and the server makes a sweep
for each that reaches it. Here the sweep's identity stands in its description: it is looked for before each attempt, an
attempt is one request, and of several found the one that was created first is it, at every start and on every machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.ranges import IDENTITY_MARK
from metta_sweep.track.settings import page_url

_CREATE = """
mutation UpsertSweep($config: String, $description: String, $entity: String, $project: String) {
  upsertSweep(input: {config: $config, description: $description, entityName: $entity, projectName: $project}) {
    sweep { name }
  }
}
"""
_UPDATE = """
mutation UpsertSweep($id: ID, $config: String, $description: String, $entity: String, $project: String) {
  upsertSweep(input: {id: $id, config: $config, description: $description, entityName: $entity,
                      projectName: $project}) {
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
_GET = """
query GetSweep($name: String!, $project: String, $entity: String) {
  project(name: $project, entityName: $entity) {
    sweep(sweepName: $name) { id name state description config }
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
    is_new: bool = False
    """Whether it was made just now and by nobody else: it has no runs."""


def register(
    graphql: GraphQL, config: Mapping[str, Any], identity: str, known_id: str | None, *, settle_s: float = 0.0
) -> Registered:
    """Return the sweep's registration, made where there is none yet and brought up to the space as it is now.

    Args:
        graphql: Asks about the project.
        config: See :func:`metta_sweep.track.ranges.registration`.
        identity: The sweep's identity.
        known_id: The id that the journal or the link holds; it is kept as long as the server knows it.
        settle_s: Seconds in which another machine that also found none will have created its own.

    Raises:
        TryLaterError: W&B is unreachable or busy; nothing is made twice by trying again.
        RefusedError: The credentials were rejected.
    """
    ours = [] if known_id else list(_ours(graphql))
    known = known_id or _find(ours, identity)
    text = yaml.safe_dump(dict(config), sort_keys=False)
    if known and (there := sweep_at(graphql, known)) is not None:
        if _is_outdated(there, config):
            graphql.ask(_UPDATE, id=there["id"], config=text, description=config["description"])
        return _registered(graphql, known)
    ours = list(_ours(graphql)) if known_id else ours
    namesake = _namesake(ours, graphql, str(config["name"]))
    reply = graphql.ask_once(_CREATE, config=text, description=config["description"])
    if not settle_s:
        return replace(_registered(graphql, _name_of(reply)), namesake=namesake, is_new=True)
    time.sleep(settle_s)
    made = _find(_ours(graphql), identity)
    if made is None:
        raise TryLaterError("the sweep was registered but cannot be seen yet")
    return replace(_registered(graphql, made), namesake=namesake)


def sweep_at(graphql: GraphQL, sweep_id: str) -> Mapping[str, Any] | None:
    """Return id, name, state, description and config of a sweep, or None where the server has none of that id.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    project = graphql.ask(_GET, name=sweep_id)["project"]
    found: Mapping[str, Any] | None = project["sweep"] if project is not None else None
    return found


def _registered(graphql: GraphQL, sweep_id: str) -> Registered:
    page = f"{page_url(graphql.url, os.environ)}/{graphql.entity}/{graphql.project}/sweeps/{sweep_id}"
    return Registered(sweep_id=sweep_id, entity=str(graphql.entity), project=graphql.project, url=page)


def _name_of(reply: Mapping[str, Any]) -> str:
    """Return the id of the sweep that was made just now; what has another form is looked for at the next try."""
    try:
        return str(reply["upsertSweep"]["sweep"]["name"])
    except (KeyError, TypeError) as error:
        raise TryLaterError("the sweep was registered but cannot be seen yet") from error


def _is_outdated(there: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Return whether the sweep there has another space or metric than the sweep has now."""
    try:
        kept = yaml.safe_load(there["config"])
    except yaml.YAMLError:
        return True
    return not isinstance(kept, Mapping) or any(kept.get(name) != config[name] for name in ("parameters", "metric"))


def _find(ours: Iterable[Mapping[str, Any]], identity: str) -> str | None:
    """Return the id of the sweep with that identity, the first that was created where there are several."""
    found = [(node["createdAt"], node["name"]) for node in ours if _identity(node) == identity]
    return min(found)[1] if found else None


def _namesake(ours: Iterable[Mapping[str, Any]], graphql: GraphQL, name: str) -> str:
    """Return ``ENTITY/PROJECT/SWEEP`` of the latest sweep of ours with that name; empty where there is none."""
    found = [(node["createdAt"], node["name"]) for node in ours if node["displayName"] == name]
    return f"{graphql.entity}/{graphql.project}/{max(found)[1]}" if found else ""


def _ours(graphql: GraphQL) -> Iterator[Mapping[str, Any]]:
    """Yield the sweeps that this package registered."""
    cursor = None
    while True:
        page = graphql.ask(_LIST, cursor=cursor)["project"]
        if page is None:
            return
        yield from (edge["node"] for edge in page["sweeps"]["edges"] if _identity(edge["node"]))
        cursor = page["sweeps"]["pageInfo"]["endCursor"]
        if not page["sweeps"]["pageInfo"]["hasNextPage"]:
            return


def _identity(node: Mapping[str, Any]) -> str:
    """Return the identity that stands in a sweep's description; empty in somebody else's."""
    _, mark, identity = str(node["description"] or "").rpartition(IDENTITY_MARK)
    return identity.strip() if mark else ""
