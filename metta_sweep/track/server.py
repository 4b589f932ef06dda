"""What W&B has: the account, a sweep's runs, their files. Read in few requests, never through the client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from metta_sweep.sweep.records import Run
from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.facts import DISCARDED, OWN_KEY, SEAL_KEY, RunFacts
from metta_sweep.track.graphql import HTTP_S, GraphQL

Item = TypeVar("Item")

PAGE = 1000
"""Runs a request when a sweep is read."""

_SHOWN = "id name displayName state tags config summaryMetrics createdAt"
"""What is read of a run."""

_RUNS = f"""
query Runs($project: String!, $entity: String!, $cursor: String, $perPage: Int!, $order: String,
           $filters: JSONString) {{
  project(name: $project, entityName: $entity) {{
    runs(filters: $filters, after: $cursor, first: $perPage, order: $order) {{
      edges {{ node {{ {_SHOWN} }} }}
      pageInfo {{ endCursor hasNextPage }}
    }}
  }}
}}
"""
_FILES = """
query RunFiles($project: String!, $entity: String!, $name: String!, $fileCursor: String, $fileLimit: Int = 100) {
  project(name: $project, entityName: $entity) {
    run(name: $name) {
      files(first: $fileLimit, after: $fileCursor) {
        edges { node { name url } }
        pageInfo { endCursor hasNextPage }
      }
    }
  }
}
"""
_RUN = """
query Run($project: String!, $entity: String!, $name: String!) {
  project(name: $project, entityName: $entity) {
    run(name: $name) { id name state tags config summaryMetrics }
  }
}
"""
_RESUME = """
query RunResumeStatus($project: String, $entity: String, $name: String!) {
  model(name: $project, entityName: $entity) {
    id
    name
    bucket(name: $name, missingOk: true) { id name logLineCount }
  }
}
"""
_ANNOTATE = """
mutation UpsertBucket($project: String, $entity: String, $name: String!, $groupName: String, $jobType: String,
                      $sweep: String, $tags: [String!], $config: JSONString, $summaryMetrics: JSONString,
                      $state: String) {
  upsertBucket(input: {modelName: $project, entityName: $entity, name: $name, groupName: $groupName,
                       jobType: $jobType, sweep: $sweep, tags: $tags, config: $config,
                       summaryMetrics: $summaryMetrics, state: $state}) {
    bucket { id }
  }
}
"""
AT_ONCE = 25
"""Runs that one request asks of or changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRun:
    """What the server has of a run."""

    wandb_id: str
    """Its id."""
    name: str
    """Its shown name."""
    state: str
    """``running``, ``finished``, ``failed``, ``crashed``, …"""
    config: Mapping[str, Any]
    """Its config."""
    summary: Mapping[str, Any]
    """Its summary."""
    created_at: str = ""
    """When it was created."""
    node_id: str = ""
    """What the server itself calls it."""
    tags: tuple[str, ...] = field(default=())
    """Its tags."""
    files: frozenset[str] | None = None
    """Names of its files, a hundred at most; None where they were not asked for."""

    @property
    def run_id(self) -> str:
        """Return ``NAME.r.K``: the id without the sweep's identity."""
        return self.wandb_id.rpartition("-")[0]

    @property
    def seal(self) -> str | None:
        """Return the digest of what was sent, once everything was and the run ended."""
        return self.own.get(SEAL_KEY) if self.state in ("finished", "failed") else None

    def shows(self, run: Run) -> bool:
        """Return whether it tells of as many attempts, the same outcome, and whether the run is discarded."""
        told = (self.own.get("attempts"), self.own.get("state"), self.own.get(DISCARDED))
        return told == (len(run.attempts), str(run.state), run.discarded)

    @property
    def own(self) -> Mapping[str, Any]:
        """Return what stands under our own key: in the summary, or in the config of an earlier version's run."""
        found: dict[str, Any] = {}
        for kept in (self.config.get(OWN_KEY), self.summary.get(OWN_KEY)):
            found |= kept if isinstance(kept, Mapping) else {}
        return found


def sent_runs(graphql: GraphQL, sweep_id: str) -> dict[str, SentRun]:
    """Return every run of the sweep by its W&B id: one request a thousand runs.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    filters = json.dumps({"sweep": sweep_id})
    found = _nodes(graphql, _RUNS, "runs", "cursor", filters=filters, order="+created_at", perPage=PAGE)
    return {node["name"]: sent_run(node) for node in found}


def change_runs(graphql: GraphQL, runs: Sequence[SentRun]) -> None:
    """Give runs that are over their summaries and tags as told; their states stay. One request for 25 of them.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    for chosen in batches(runs):
        names = range(len(chosen))
        given = ", ".join(f"$id{k}: String, $summary{k}: JSONString, $tags{k}: [String!]" for k in names)
        inputs = (f"input: {{id: $id{k}, summaryMetrics: $summary{k}, tags: $tags{k}}}" for k in names)
        asked = " ".join(f"run{k}: upsertBucket({told}) {{ bucket {{ id }} }}" for k, told in enumerate(inputs))
        values: dict[str, Any] = {}
        for k, run in enumerate(chosen):
            values |= {f"id{k}": run.node_id, f"summary{k}": as_json(run.summary), f"tags{k}": list(run.tags)}
        graphql.ask(f"mutation UpsertBucket({given}) {{ {asked} }}", **values)


def runs_there(graphql: GraphQL, wandb_ids: Sequence[str]) -> dict[str, SentRun]:
    """Return several runs with the names of their files, by W&B id; those that are not there are left out.

    One request for 25 runs.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    fields = f"{_SHOWN} files(first: 100) {{ edges {{ node {{ name }} }} }}"
    return {name: sent_run(node) for name, node in _run_nodes(graphql, "RunsThere", wandb_ids, fields)}


def ids_there(graphql: GraphQL, wandb_ids: Sequence[str]) -> set[str]:
    """Return which of these runs are in the project, in a sweep or not.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    return {name for name, _ in _run_nodes(graphql, "RunIds", wandb_ids, "name")}


def _run_nodes(
    graphql: GraphQL, operation: str, wandb_ids: Sequence[str], fields: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield fields of those runs that are there: one request for 25 runs."""
    for chosen in batches(wandb_ids):
        given = "".join(f", $name{k}: String!" for k in range(len(chosen)))
        asked = " ".join(f"run{k}: run(name: $name{k}) {{ {fields} }}" for k in range(len(chosen)))
        query = f"query {operation}($project: String!, $entity: String!{given}) {{ {_PROJECT} {{ {asked} }} }}"
        project = graphql.ask(query, **{f"name{k}": wandb_id for k, wandb_id in enumerate(chosen)})["project"] or {}
        found = ((wandb_id, project.get(f"run{k}")) for k, wandb_id in enumerate(chosen))
        yield from ((wandb_id, node) for wandb_id, node in found if node)


_PROJECT = "project(name: $project, entityName: $entity)"


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield as many at a time as one request asks of or changes."""
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def annotate(graphql: GraphQL, facts: RunFacts, seal: str, *, sweep_id: str, creates: bool) -> bool:
    """Add what is known here to a run that its trainer writes: one question and one request.

    Args:
        graphql: Asks about the project.
        facts: What is known.
        seal: The digest of it.
        sweep_id: The sweep that the run belongs to.
        creates: Whether a run that is not there is created; otherwise nothing is done.

    Returns:
        Whether the run is there now.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    project = graphql.ask(_RUN, name=facts.wandb_id)["project"]
    node = (project or {}).get("run") or {}
    if not node and not creates:
        return False
    config, summary = json.loads(node.get("config") or "{}"), json.loads(node.get("summaryMetrics") or "{}")
    for name, value in facts.config.items():
        config[name] = {"value": _with(config.get(name, {}).get("value"), value)}
    own = {OWN_KEY: {**facts.summary[OWN_KEY], SEAL_KEY: seal}}
    graphql.ask(
        _ANNOTATE,
        name=facts.wandb_id,
        groupName=facts.group,
        jobType=facts.job_type,
        sweep=sweep_id,
        tags=list(dict.fromkeys([*(node.get("tags") or ()), *facts.tags])),
        config=as_json(config),
        summaryMetrics=as_json({**facts.summary, **summary, **own}),
        state="finished" if facts.exit_code == 0 else "failed",
    )
    return True


def as_json(value: Any) -> str:
    """Return a value as JSON; what is not finite is named, as the service itself keeps it."""
    return json.dumps(_named(value), allow_nan=False)


def _named(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {name: _named(below) for name, below in value.items()}
    return [_named(below) for below in value] if isinstance(value, list | tuple) else value


def _with(theirs: Any, ours: Any) -> Any:
    """Return a config's value with ours added where the trainer has none."""
    if not (isinstance(theirs, Mapping) and isinstance(ours, Mapping)):
        return ours if theirs is None else theirs
    return {**ours, **theirs, **{name: _with(theirs[name], ours[name]) for name in ours if name in theirs}}


def sent_run(node: Mapping[str, Any]) -> SentRun:
    """Return the run of a reply.

    Raises:
        TryLaterError: The reply has another form than the service's.
    """
    try:
        return SentRun(
            wandb_id=node["name"],
            name=node.get("displayName") or "",
            state=node["state"],
            config=config_values(node["config"]),
            summary=json.loads(node["summaryMetrics"] or "{}"),
            created_at=node.get("createdAt") or "",
            node_id=node.get("id") or "",
            tags=tuple(node.get("tags") or ()),
            files=None if "files" not in node else frozenset(edge["node"]["name"] for edge in node["files"]["edges"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TryLaterError(f"an answer that is not the service's ({type(error).__name__})") from error


def config_values(text: str | None) -> dict[str, Any]:
    """Return a config as a person wrote it, from the form in which W&B keeps it."""
    kept = json.loads(text or "{}")
    return {name: item["value"] for name, item in kept.items() if isinstance(item, Mapping) and name != "_wandb"}


def files_of(graphql: GraphQL, wandb_id: str) -> dict[str, str]:
    """Return the addresses of a run's files by name; one request a hundred files.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    return {node["name"]: node["url"] for node in _nodes(graphql, _FILES, "files", "fileCursor", name=wandb_id)}


def log_lines(graphql: GraphQL, wandb_id: str) -> int:
    """Return how many lines of a run's log the server has, as the client asks for it.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """
    model = graphql.ask(_RESUME, name=wandb_id)["model"]
    bucket = (model or {}).get("bucket") or {}
    return int(bucket.get("logLineCount") or 0)


def download(graphql: GraphQL, address: str) -> str:
    """Return a file's text; the key is shown to the API's own address only.

    Raises:
        TryLaterError: It could not be had.
    """
    auth = ("api", graphql.key) if address.startswith(f"{graphql.url}/") else None
    try:
        reply = graphql.http.get(address, auth=auth, timeout=HTTP_S)
        reply.raise_for_status()
        return reply.content.decode("utf-8")
    except (requests.RequestException, ValueError) as error:
        raise TryLaterError(f"a file could not be read ({type(error).__name__})") from error


def _nodes(graphql: GraphQL, query: str, field_name: str, cursor: str, **variables: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what a paged question finds."""
    after = None
    while True:
        project = graphql.ask(query, **{cursor: after}, **variables)["project"]
        holder = project if project is None or field_name in project else project["run"]
        if holder is None:
            return
        page = holder[field_name]
        yield from (edge["node"] for edge in page["edges"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return
