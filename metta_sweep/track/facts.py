"""What W&B is to show of a run: derived from the journal and the run's directory, the same whenever it is derived."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.result import RunPaths, read_evaluations
from metta_sweep.secrecy import Redaction
from metta_sweep.sweep.records import Rollout, Run, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.claims import number_of
from metta_sweep.track.ranges import machine_of

OWN_KEY = "metta_sweep"
"""Everything of ours in a config or a summary stands under this key."""

SEAL_KEY = "seal"
"""Under our key in the summary: the digest of all that was sent, written last."""

FILE_FOLDER = "run"
"""Folder of our files at W&B; the client itself writes a ``config.yaml`` beside it."""

FILE_SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; a larger file is named in the log and not sent."""

TAG_LIMIT = 64
"""Characters; W&B takes no longer tag."""

Row = dict[str, float]
"""One row of the history: an evaluation's metrics, its ``step`` and its ``time_s``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run as W&B shows it, but for its history and files."""

    run_id: str
    """``NAME.r.K``, the name shown."""
    wandb_id: str
    """Identifies the run in its project for ever: the run id and the sweep's identity."""
    group: str
    """Runs of one rollout stand together."""
    tags: tuple[str, ...]
    """Sweep, origin of the suggestion, and the user's tags."""
    config: Mapping[str, Any]
    """The final config nested as trained, and the suggestion with its predictions under our key."""
    summary: Mapping[str, Any]
    """Outcome; complete once the run is over."""
    state: RunState
    """Where the run is."""

    @property
    def job_type(self) -> str:
        """Return what W&B calls the kind of run: fresh runs of a point are told from those of the search."""
        return "confirm" if self.config[OWN_KEY].get("confirms") else "train"

    @property
    def exit_code(self) -> int:
        """Return what W&B derives the run's state from."""
        return 0 if self.state is RunState.FINISHED else 1

    def seal(self, rows: list[Row], files: Mapping[str, str]) -> str:
        """Return the digest of everything that is to be there at the end."""
        content = [asdict(self), rows, {name: _digest(text) for name, text in files.items()}]
        return _digest(json.dumps(content, sort_keys=True, default=str))


def run_facts(
    state: SweepState, run: Run, paths: RunPaths, *, identity: str, redaction: Redaction, tags: tuple[str, ...] = ()
) -> RunFacts:
    """Return the facts of a run.

    Args:
        state: The sweep.
        run: One of its runs.
        paths: The run's directory; its ``config.yaml`` is read.
        identity: The sweep's identity.
        redaction: Keeps secrets out.
        tags: The user's tags.
    """
    rollout = state.rollouts[run.rollout]
    confirms = ("confirmation",) if run.confirms else ()
    config = {**_config(paths), OWN_KEY: _suggestion(state, rollout, run, identity)}
    return RunFacts(
        run_id=run.run_id,
        wandb_id=f"{run.run_id}-{identity}",
        group=f"{state.spec.name}.rollout.{_label(state, rollout)}",
        tags=tuple(
            dict.fromkeys(
                tag[:TAG_LIMIT] for tag in (state.spec.name, rollout.suggestion.origin, *confirms, *tags) if tag
            )
        ),
        config=redaction.of_config(config),
        summary=redaction.of_config(_summary(state, run, paths)),
        state=run.state,
    )


def history(paths: RunPaths) -> list[Row]:
    """Return the run's evaluations in the order reported; row ``k`` is W&B's step ``k``."""
    return [dict(row) for row in _rows(paths)]


def _rows(paths: RunPaths) -> Iterator[Row]:
    for evaluation in read_evaluations(paths):
        timed = {} if math.isnan(evaluation.time_s) else {"time_s": evaluation.time_s}
        yield {**evaluation.metrics, **timed, "step": evaluation.step}


def run_files(paths: RunPaths, redaction: Redaction) -> dict[str, str]:
    """Return the run's small files by the name that they get at W&B, without secrets."""
    found = {}
    for path in (paths.config, paths.suggestion, paths.result):
        try:
            if path.stat().st_size <= FILE_SIZE_LIMIT:
                found[f"{FILE_FOLDER}/{path.name}"] = redaction.of_text(path.read_text("utf-8", errors="replace"))
        except FileNotFoundError:
            continue
    return found


def last_checkpoint(paths: RunPaths) -> Path | None:
    """Return the run's last checkpoint, a file or a folder; None where it left none."""
    try:
        found = [path for path in paths.checkpoints.iterdir() if not path.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def _config(paths: RunPaths) -> dict[str, Any]:
    """Return the config that the run was started with; nothing where it has none yet."""
    try:
        content = yaml.load(paths.config.read_text("utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _suggestion(state: SweepState, rollout: Rollout, run: Run, identity: str) -> dict[str, Any]:
    suggestion = rollout.suggestion
    return {
        "sweep": state.spec.name,
        "identity": identity,
        "run": run.run_id,
        "rollout": run.rollout,
        "seed": run.seed,
        "origin": suggestion.origin,
        "reason": suggestion.reason,
        "params": dict(suggestion.params),
        "predicted": None if suggestion.predicted is None else asdict(suggestion.predicted),
        **_shared_by(state, rollout),
        **({"confirms": True} if run.confirms else {}),
    }


def _label(state: SweepState, rollout: Rollout) -> int:
    """Return what the rollout is called: its index, which differs from machine to machine, or its first number."""
    return number_of(rollout.run_ids[0]) if _is_shared(state) else rollout.index


def _is_shared(state: SweepState) -> bool:
    return state.created is not None and state.created.shared


def _shared_by(state: SweepState, rollout: Rollout) -> dict[str, Any]:
    """Return what other machines of a shared sweep need to know of a run, beside the rest."""
    if state.created is None or not state.created.shared:
        return {}
    first, samples = number_of(rollout.run_ids[0]), len(rollout.run_ids)
    return {"machine": machine_of(state.created), "first": first, "samples": samples}


def _summary(state: SweepState, run: Run, paths: RunPaths) -> dict[str, Any]:
    metrics = {name: value for name, value in (run.metrics or {}).items() if math.isfinite(value)}
    own: dict[str, Any] = {"state": str(run.state), "attempts": len(run.attempts), "rollout": run.rollout}
    own |= {"cost_s": run.cost_s, "wall_s": run.wall_s}
    own |= _outcome(state, run, paths)
    own |= {"metrics": metrics, "curve": [list(point) for point in run.curve]} if _is_shared(state) else {}
    shown = {"cost_s": run.cost_s, "steps": run.steps, "score": own.get("score")}
    return {**{name: value for name, value in shown.items() if value is not None}, **metrics, OWN_KEY: own}


def _outcome(state: SweepState, run: Run, paths: RunPaths) -> dict[str, Any]:
    """Return score and best value of a finished run, or class and message of what ended it."""
    if run.failure is not None:
        return {"failure_class": str(run.failure.kind), "failure_message": run.failure.message}
    value = (run.metrics or {}).get(state.spec.metric, math.nan)
    if not math.isfinite(value):
        return {}
    sign = state.spec.goal.score
    seen = [row[state.spec.metric] for row in _rows(paths) if math.isfinite(row.get(state.spec.metric, math.nan))]
    return {"score": sign(value), "metric": value, "best": max([value, *seen], key=sign)}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
