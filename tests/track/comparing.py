"""The comparison that every test of the mirror ends with."""

from __future__ import annotations

import math
from typing import Any, Protocol

from metta_sweep.result import read_evaluations
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.ranges import identity_of
from tests.track.server import LoopbackServer, RemoteRun


class Mirrored(Protocol):
    """A sweep on disk."""

    @property
    def paths(self) -> SweepPaths: ...

    @property
    def state(self) -> SweepState: ...


STATES = {
    RunState.FINISHED: ("finished",),
    RunState.FAILED: ("failed",),
    RunState.WAITING: ("preempted",),
    RunState.RUNNING: ("preempted", "running"),
}


def assert_mirrored(server: LoopbackServer, sweep: Mirrored) -> None:
    """The one registered sweep and its runs are what the journal and the run directories say, no more and no less."""
    (remote,) = server.world.sweeps.values()
    state = sweep.state
    assert remote.config["name"] == state.spec.name
    assert remote.config["method"] == "custom"
    assert remote.config["metric"] == {"name": state.spec.metric, "goal": str(state.spec.goal)}
    assert set(leaves(remote.config["parameters"])) == set(state.spec.parameters)
    started = {run.run_id: run for run in state.runs.values() if run.attempts}
    kinds = ("train", "confirm")
    runs = {run.display_name: run for run in server.world.runs.values() if run.job_type in kinds}
    assert runs.keys() == started.keys()
    assert len([run for run in server.world.runs.values() if run.job_type in kinds]) == len(started)
    for run_id in started:
        assert_run(runs[run_id], run_id, sweep, remote.sweep_id)


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves by their dotted paths, so that a difference is seen at once."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {path: leaf for name, below in tree.items() for path, leaf in flat(below, f"{prefix}.{name}").items()}


def leaves(parameters: dict, prefix: str = "") -> list[str]:
    """Return the dotted paths of W&B's nested parameters."""
    found = []
    for name, below in parameters.items():
        path = f"{prefix}{name}"
        found += leaves(below["parameters"], f"{path}.") if "parameters" in below else [path]
    return found


def assert_run(remote: RemoteRun, run_id: str, sweep: Mirrored, sweep_id: str, *, group: int | None = None) -> None:
    state, paths = sweep.state, sweep.paths.run(run_id)
    run = state.runs[run_id]
    suggestion = state.rollouts[run.rollout].suggestion
    assert remote.run_id == f"{run_id}-{identity_of(state.created)}"
    assert remote.sweep == sweep_id
    assert remote.group == f"{state.spec.name}.rollout.{run.rollout if group is None else group}"
    assert {state.spec.name, suggestion.origin} <= set(remote.tags)
    assert remote.state in STATES[run.state], run_id
    assert flat(remote.config) == {f".{path}": value for path, value in suggestion.params.items()}
    own = remote.summary["metta_sweep"]
    assert (own["run"], own["rollout"], own["seed"], own["origin"]) == (
        run_id,
        run.rollout,
        run.seed,
        suggestion.origin,
    )
    if suggestion.predicted is not None:
        assert own["predicted"]["score_low"] == suggestion.predicted.score_low
    expected = [{**row.metrics, "step": row.step} for row in read_evaluations(paths)]
    assert [{k: v for k, v in row.items() if k != "time_s"} for row in remote.history] == expected
    assert [row["_step"] for row in remote.raw_history] == list(range(len(expected)))
    if run.state.is_over:
        assert_outcome(remote, run_id, sweep)


def assert_outcome(remote: RemoteRun, run_id: str, sweep: Mirrored) -> None:
    state, paths = sweep.state, sweep.paths.run(run_id)
    run, metric = state.runs[run_id], state.spec.metric
    own = remote.summary["metta_sweep"]
    assert own["state"] == str(run.state)
    assert own["attempts"] == len(run.attempts)
    assert own["cost_s"] == run.cost_s == remote.summary["cost_s"]
    if run.metrics is not None:
        assert remote.summary[metric] == own["metric"] == run.metrics[metric]
        assert remote.summary["score"] == own["score"] == state.spec.goal.score(run.metrics[metric])
        seen = [row.metrics[metric] for row in read_evaluations(paths) if metric in row.metrics]
        better = max if state.spec.goal.sign > 0 else min
        assert own["best"] == better([run.metrics[metric], *seen])
        assert math.isfinite(own["best"])
        assert remote.summary["best"] == own["best"]
    else:
        assert (own["failure_class"], own["failure_message"]) == (str(run.failure.kind), run.failure.message)
        assert "score" not in own
    if not (remote.program or "").startswith("-m wandb"):  # what `wandb sync` sends has the client's own times
        assert remote.summary["_runtime"] == run.wall_s
        assert remote.summary["_wandb"] == {"runtime": int(run.wall_s)}
    assert remote.exit_code == (0 if run.metrics is not None else 1)
    for path in (paths.config, paths.result):
        if path.exists():
            assert remote.files[f"run/{path.name}"].decode() == path.read_text(), path.name
