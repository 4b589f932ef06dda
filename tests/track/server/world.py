"""What the server knows at the end: sweeps and runs as plain Python, changed only by what the client sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import yaml

ENTITY = "tester"


@dataclass(slots=True, kw_only=True)
class RemoteSweep:
    """A registered sweep."""

    sweep_id: str
    entity: str
    project: str
    config: dict[str, Any]
    config_text: str
    description: str | None
    created_at: str
    state: str = "PENDING"

    @property
    def display_name(self) -> str | None:
        return self.config.get("name")


@dataclass(slots=True, kw_only=True)
class RemoteRun:
    """A run as the dashboard would show it."""

    run_id: str
    entity: str
    project: str
    created_at: str
    display_name: str | None = None
    group: str | None = None
    job_type: str | None = None
    tags: list[str] = field(default_factory=list)
    notes: str | None = None
    sweep: str | None = None
    raw_config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[int, str]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    preempting: bool = False
    commit: str | None = None
    program: str | None = None
    stopped: bool = False
    """Whether somebody pressed Stop."""

    @property
    def config(self) -> dict[str, Any]:
        """The config as a person sees it."""
        return {name: item["value"] for name, item in self.raw_config.items() if name != "_wandb"}

    @property
    def history(self) -> list[dict[str, Any]]:
        """The logged rows without the client's own keys."""
        return [{k: v for k, v in row.items() if not k.startswith("_")} for row in self.raw_history]

    @property
    def raw_history(self) -> list[dict[str, Any]]:
        """The logged rows in order."""
        lines = self.lines.get("wandb-history.jsonl", {})
        return [json.loads(lines[offset]) for offset in sorted(lines)]

    def files_text(self) -> str:
        """Return everything that is kept of the run as one text."""
        kept = [self.raw_config, self.summary, self.lines]
        return "".join([json.dumps(kept), *(body.decode(errors="replace") for body in self.files.values())])

    def count(self, name: str) -> int:
        """Return how many lines of a stream are stored."""
        return len(self.lines.get(name, {}))

    def stream(self, content: Mapping[str, Any]) -> None:
        """Take one file_stream post: a line is stored at its offset, so that a repeated post changes nothing."""
        for name, chunk in content.get("files", {}).items():
            if name == "wandb-summary.json":
                self.summary = json.loads(chunk["content"][-1])
            else:
                stored = self.lines.setdefault(name, {})
                stored.update({chunk["offset"] + i: line for i, line in enumerate(chunk["content"])})
        self.preempting = self.preempting or bool(content.get("preempting"))
        if content.get("complete"):
            self.exit_code = content.get("exitcode")
            ended = "preempted" if self.preempting else "failed"
            self.state = "finished" if self.exit_code == 0 else ended


@dataclass(slots=True, kw_only=True)
class RemoteArtifact:
    """An artifact as the dashboard would list it."""

    artifact_id: str
    name: str
    kind: str
    run_id: str
    files: dict[str, bytes] = field(default_factory=dict)
    committed: bool = False


class World:
    """Everything that was sent."""

    def __init__(self) -> None:
        self.artifacts: dict[str, RemoteArtifact] = {}
        self.sweeps: dict[str, RemoteSweep] = {}
        self.runs: dict[tuple[str, str, str], RemoteRun] = {}
        self.alerts: list[dict[str, Any]] = []
        self._count = 0

    def run(self, name: str) -> RemoteRun:
        """Return the one run with this display name."""
        (found,) = [run for run in self.runs.values() if run.display_name == name]
        return found

    def create_artifact(self, given: Mapping[str, Any]) -> RemoteArtifact:
        """Create an artifact of a run."""
        artifact_id = f"artifact{len(self.artifacts)}"
        name, kind = given["artifactCollectionName"], given["artifactTypeName"]
        self.artifacts[artifact_id] = RemoteArtifact(
            artifact_id=artifact_id, name=name, kind=kind, run_id=given["runName"]
        )
        return self.artifacts[artifact_id]

    def models(self) -> list[RemoteArtifact]:
        """Return the artifacts that are checkpoints."""
        return [artifact for artifact in self.artifacts.values() if artifact.kind == "model"]

    def runs_of(self, sweep_id: str) -> list[RemoteRun]:
        """Return the sweep's runs in the order created."""
        return [run for run in self.runs.values() if run.sweep == sweep_id]

    def now(self) -> str:
        """Return a time stamp that grows from call to call."""
        self._count += 1
        return datetime.fromtimestamp(1_790_000_000 + self._count, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def upsert_sweep(self, given: Mapping[str, Any]) -> RemoteSweep:
        """Create a sweep: as the real server, it makes a new one for each request that brings no id."""
        if given.get("id"):
            sweep = next(s for s in self.sweeps.values() if s.sweep_id == given["id"])
            sweep.state = given.get("state") or sweep.state
            if given.get("config"):
                sweep.config, sweep.config_text = yaml.safe_load(given["config"]), given["config"]
                sweep.description = given.get("description") or sweep.description
            return sweep
        config = yaml.safe_load(given["config"])
        if not config.get("parameters") or "method" not in config:
            raise ValueError("a sweep needs a method and parameters")
        sweep_id = f"sw{len(self.sweeps):06d}"
        self.sweeps[sweep_id] = RemoteSweep(
            sweep_id=sweep_id,
            entity=given.get("entityName") or ENTITY,
            project=given.get("projectName") or "uncategorized",
            config=config,
            config_text=given["config"],
            description=given.get("description"),
            created_at=self.now(),
        )
        return self.sweeps[sweep_id]

    def upsert_run(self, given: Mapping[str, Any]) -> tuple[RemoteRun, bool]:
        """Create or change a run; returns it and whether it is new. One that is named by its id keeps its state."""
        if given.get("id") and not given.get("name"):
            run = next(run for run in self.runs.values() if run.run_id == given["id"])
            run.summary = json.loads(given["summaryMetrics"]) if given.get("summaryMetrics") else run.summary
            run.tags = given["tags"] if given.get("tags") is not None else run.tags
            return run, False
        key = (given.get("entityName") or ENTITY, given.get("modelName") or "uncategorized", given["name"])
        sweep = given.get("sweep")
        if sweep and sweep not in self.sweeps:
            raise ValueError(f"there is no sweep {sweep}")
        inserted = key not in self.runs
        if inserted:
            self.runs[key] = RemoteRun(run_id=key[2], entity=key[0], project=key[1], created_at=self.now())
        run = self.runs[key]
        for name, place in _PLACES.items():
            if given.get(name) is not None:
                setattr(run, place, given[name])
        if given.get("config") is not None:
            run.raw_config = json.loads(given["config"])
        if given.get("summaryMetrics") is not None:
            run.summary = json.loads(given["summaryMetrics"])
        if given.get("state") is None and run.state != "running":
            run.state, run.exit_code, run.preempting = "running", None, False
        return run, inserted


_PLACES = {
    "displayName": "display_name",
    "groupName": "group",
    "jobType": "job_type",
    "tags": "tags",
    "notes": "notes",
    "commit": "commit",
    "jobProgram": "program",
    "sweep": "sweep",
    "state": "state",
}
