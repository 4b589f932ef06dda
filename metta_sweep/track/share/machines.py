"""A shared sweep at W&B: the machines' records, and runs that are claimed by being created. One request each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metta_sweep.track.facts import OWN_KEY
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.server import SentRun, config_values, sent_run
from metta_sweep.track.share.claims import Machine

MACHINE_JOB = "machine"
"""Job type of the machines' records; they stand beside the sweep, not in it."""

RUNS_A_PAGE = 50
"""Runs that one look reads; pages of which nothing will change are not read again."""

_LOOK = """
query SharedSweep($project: String!, $entity: String!, $runs: JSONString, $machines: JSONString, $after: String,
                  $first: Int!) {
  project(name: $project, entityName: $entity) {
    runs(filters: $runs, first: $first, after: $after, order: "+created_at") {
      edges { node { name displayName state config summaryMetrics } }
      pageInfo { endCursor hasNextPage }
    }
    machines: runs(filters: $machines, first: 100, order: "+created_at") { edges { node { name config } } }
  }
}
"""
_UPSERT = """
mutation UpsertBucket($project: String, $entity: String, $name: String!, $displayName: String, $groupName: String,
                      $jobType: String, $sweep: String, $config: JSONString, $summaryMetrics: JSONString,
                      $state: String) {
  upsertBucket(input: {modelName: $project, entityName: $entity, name: $name, displayName: $displayName,
                       groupName: $groupName, jobType: $jobType, sweep: $sweep, config: $config,
                       summaryMetrics: $summaryMetrics, state: $state}) {
    bucket { id name }
    inserted
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One look."""

    runs: list[SentRun]
    """The sweep's runs from the cursor on, in the order created, as many as fit."""
    machines: list[Machine]
    """Every machine's record."""
    next_page: str | None
    """Cursor behind the last run where there are more."""


class SharedServer:
    """The requests about one shared sweep.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
    """

    def __init__(self, graphql: GraphQL, sweep_id: str, *, name: str, identity: str) -> None:
        """Ask about the sweep ``name``, which W&B knows as ``sweep_id``."""
        self._graphql = graphql
        self._sweep_id = sweep_id
        self._name = name
        self._identity = identity

    def look(self, after: str | None) -> Page:
        """Return what is there, runs from the cursor ``after`` on."""
        wanted = {
            "runs": json.dumps({"sweep": self._sweep_id}),
            "machines": json.dumps({"jobType": MACHINE_JOB, "group": self._group}),
        }
        project = self._graphql.ask(_LOOK, after=after, first=RUNS_A_PAGE, **wanted)["project"]
        if project is None:
            return Page(runs=[], machines=[], next_page=None)
        found, info = project["runs"], project["runs"]["pageInfo"]
        return Page(
            runs=[sent_run(edge["node"]) for edge in found["edges"]],
            machines=[_machine(config_values(edge["node"]["config"])) for edge in project["machines"]["edges"]],
            next_page=info["endCursor"] if info["hasNextPage"] else None,
        )

    def create(self, number: int) -> bool:
        """Create the run of that number and return whether nobody had; all machines send the same fields."""
        run_id = f"{self._name}.r.{number}"
        return self._upsert(self._wandb_id(run_id), displayName=run_id, jobType="train", sweep=self._sweep_id)

    def sign(self, number: int, machine: str) -> None:
        """Say whose the created run is."""
        run_id = f"{self._name}.r.{number}"
        own = {"machine": machine, "run": run_id, "identity": self._identity}
        self._upsert(self._wandb_id(run_id), summaryMetrics=json.dumps({OWN_KEY: own}))

    def post(self, record: Machine) -> None:
        """Replace this machine's record."""
        content = {
            "machine": record.machine,
            "host": record.host,
            "beat": record.beat,
            "left": record.left,
            "points": {str(number): point for number, point in record.points.items()},
            "given_up": sorted(record.given_up),
        }
        self._upsert(
            self._wandb_id(f"{self._name}.{MACHINE_JOB}.{record.machine}"),
            displayName=f"{self._name} on {record.host}",
            groupName=self._group,
            jobType=MACHINE_JOB,
            config=json.dumps({OWN_KEY: {"value": content}}),
            state="finished" if record.left else "running",
        )

    @property
    def _group(self) -> str:
        return f"{self._name}.{MACHINE_JOB}-{self._identity}"

    def _wandb_id(self, name: str) -> str:
        return f"{name}-{self._identity}"

    def _upsert(self, wandb_id: str, **fields: Any) -> bool:
        given = {"name": wandb_id, **fields}
        return bool(self._graphql.ask_once(_UPSERT, **given)["upsertBucket"]["inserted"])


def _machine(config: Mapping[str, Any]) -> Machine:
    own = config[OWN_KEY]
    return Machine(
        machine=own["machine"],
        host=own["host"],
        beat=own["beat"],
        left=own["left"],
        points={int(number): point for number, point in own.get("points", {}).items()},
        given_up=frozenset(own.get("given_up", ())),
    )
