"""What W&B is to show of a run: derived from the journal and the run's directory, the same whenever it is derived."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from metta_sweep.result import RunPaths, read_evaluations
from metta_sweep.result.bounded import UnusableFileError, read_bytes
from metta_sweep.secrecy import Redaction
from metta_sweep.sweep.records import Rollout, Run, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.labels import BLANKS, Labels, number_of
from metta_sweep.track.ranges import machine_of

OWN_KEY = "metta_sweep"
"""Everything of ours in a config or a summary stands under this key."""

SEAL_KEY = "seal"
"""Under our key in the summary: the digest of all that was sent, written last."""

STARTED_KEY = "started_at"
"""Under our key in the summary: when the first attempt was started, which tells a run from another machine's."""

DISCARDED = "discarded"
"""Tag of runs that a person took out of what is learned, and the key of the reason under our own key."""

FILE_FOLDER = "run"
"""Folder of our files at W&B; the client itself writes a ``config.yaml`` beside it."""

FILE_SIZE_LIMIT = 16 * 1024 * 1024
"""Bytes; a larger file is named in the log and not sent."""

TAG_LIMIT = 64
"""Characters; W&B takes no longer tag."""

HistoryRow = dict[str, float]
"""One row of the history: an evaluation's metrics, its ``step``, its ``time_s``, and when it was reported."""

_log = logging.getLogger("metta_sweep.track")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a run's attempts were started and when it ended, in seconds since the epoch, as the journal has it."""

    starts: tuple[float, ...] = ()
    """One an attempt."""
    end: float | None = None
    """None while it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """One run as W&B shows it, but for its history and files."""

    run_id: str
    """``NAME.r.K``."""
    wandb_id: str
    """Identifies the run in its project for ever: the run id and the sweep's identity."""
    name: str
    """The name shown."""
    group: str
    """Runs of one rollout stand together."""
    job_type: str
    """Fresh runs of a point are told from those of the search."""
    notes: str
    """The user's notes."""
    tags: tuple[str, ...]
    """Sweep, origin of the suggestion, and the user's tags."""
    config: Mapping[str, Any]
    """The swept parameters nested as trained, and nothing else: it is what W&B's panels look at."""
    summary: Mapping[str, Any]
    """Outcome; complete once the run is over. All else that is known of the run stands under our own key."""
    times: Mapping[str, Any]
    """What W&B's own columns of time are to show once the run is over: of the training, not of the mirror."""
    metric: str
    """Name of the metric that is searched for."""
    is_maximized: bool
    """Whether more of it is better."""
    state: RunState
    """Where the run is."""
    goals: Mapping[str, bool] = field(default_factory=dict)
    """Of several goals each metric, and whether more of it is better; empty where there is one."""

    @property
    def exit_code(self) -> int:
        """Return what W&B derives the run's state from."""
        return 0 if self.state in (RunState.FINISHED, RunState.STOPPED_EARLY) else 1

    def seal(self, rows: list[HistoryRow], files: Mapping[str, str]) -> str:
        """Return the digest of everything that is to be there at the end."""
        content = [asdict(self), rows, {name: digest(text) for name, text in files.items()}]
        return digest(json.dumps(content, sort_keys=True, default=str))


def run_facts(
    state: SweepState,
    run: Run,
    paths: RunPaths,
    *,
    identity: str,
    redaction: Redaction,
    labels: Labels | None = None,
    times: Times | None = None,
) -> RunFacts:
    """Return the facts of a run.

    Args:
        state: The sweep.
        run: One of its runs.
        paths: The run's directory.
        identity: The sweep's identity.
        redaction: Keeps secrets out.
        labels: The user's names and tags.
        times: When it was started and ended.
    """
    labels, times, rollout = labels or Labels(), times or Times(), state.rollouts[run.rollout]
    fill = _filler(state, rollout, run)
    own = {**_told(state, rollout, run, identity, times), **_own_outcome(state, run, paths)}
    usual = f"{state.spec.name}.rollout.{_label(state, rollout)}"
    return RunFacts(
        run_id=run.run_id,
        wandb_id=wandb_id_of(run, identity),
        name=_name(labels.name, run, fill),
        group=fill(labels.group) or usual,
        job_type="confirm" if run.confirms else fill(labels.job_type) or "train",
        notes=redaction.of_values(fill(labels.notes)),
        tags=_tags(state.spec.name, rollout.suggestion.origin, *_standing(run), *labels.tags),
        config=redaction.of_config(nested(rollout.suggestion.params)),
        summary=redaction.of_config({**_shown(run, own), OWN_KEY: own}),
        times=times_shown(run, times),
        metric=state.spec.metric,
        is_maximized=state.spec.goal.sign > 0,
        state=run.state,
        goals={one.metric: one.goal.sign > 0 for one in state.spec.objectives},
    )


def _filler(state: SweepState, rollout: Rollout, run: Run) -> Callable[[str], str]:
    values = (run.run_id, state.spec.name, _label(state, rollout), number_of(run.run_id), run.seed)

    def fill(template: str) -> str:
        for blank, value in zip(BLANKS, values, strict=True):
            template = template.replace(f"{{{blank}}}", str(value))
        return template

    return fill


def _name(template: str, run: Run, fill: Callable[[str], str]) -> str:
    """Return the name shown; two runs have never the same."""
    if not template:
        return run.run_id
    filled = fill(template)
    return filled if filled != template else f"{template}.r.{number_of(run.run_id)}"


def wandb_id_of(run: Run, identity: str) -> str:
    """Return a run's id at W&B; one that was begun anew has another, as what it gave before is not written over."""
    return f"{run.run_id}-{identity}{f'.{run.anew}' if run.anew else ''}"


def _standing(run: Run) -> tuple[str, str]:
    return "confirmation" * run.confirms, DISCARDED * (run.discarded is not None)


def _tags(*tags: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag[:TAG_LIMIT] for tag in tags if tag))


def nested(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by dotted path as a tree; one that lies inside of another's value keeps its dotted name."""
    tree: dict[str, Any] = {}
    for path, value in sorted(params.items(), key=lambda item: item[0].count(".")):
        *groups, last = path.split(".")
        level: Any = tree
        for group in groups:
            level = level.setdefault(group, {}) if isinstance(level, dict) else None
        if isinstance(level, dict):
            level[last] = value
        else:
            tree[path] = value
    return tree


def times_shown(run: Run, times: Times) -> dict[str, Any]:
    """Return what W&B's own columns of time are to show of a run: nothing before it is over."""
    if not run.state.is_over:
        return {}
    stamp = {} if times.end is None else {"_timestamp": times.end}
    return {"_runtime": run.wall_s, "_wandb": {"runtime": int(run.wall_s)}, **stamp}


def history(paths: RunPaths, times: Times | None = None) -> list[HistoryRow]:
    """Return the run's evaluations in the order reported; row ``k`` is W&B's step ``k``.

    Where the starts of its attempts are known each row has the time at which it was reported.
    """
    starts, attempt, before_s = (times or Times()).starts, 0, 0.0
    rows = []
    for row in _rows(paths):
        time_s = row.get("time_s", math.nan)
        attempt += time_s < before_s  # the clock of the next attempt begins anew
        before_s = before_s if math.isnan(time_s) else time_s
        if not math.isnan(time_s) and starts:
            row["_timestamp"] = round(starts[min(attempt, len(starts) - 1)] + time_s, 3)
        rows.append(row)
    return rows


def _rows(paths: RunPaths) -> Iterator[HistoryRow]:
    for evaluation in read_evaluations(paths):
        timed = {} if math.isnan(evaluation.time_s) else {"time_s": evaluation.time_s}
        yield {**evaluation.metrics, **timed, "step": evaluation.step}


def run_files(paths: RunPaths, redaction: Redaction) -> dict[str, str]:
    """Return the run's small files by the name that they get at W&B, without secrets.

    What the suggestion's own file says stands in the run's config and summary.
    """
    found = {}
    for path in (paths.config, *paths.own_configs(), paths.result):
        try:
            content = read_bytes(path, FILE_SIZE_LIMIT)
        except FileNotFoundError:
            continue
        except (UnusableFileError, OSError) as error:
            _log.warning("%s is not sent: %s", path, error)
            continue
        found[f"{FILE_FOLDER}/{path.relative_to(paths.root).as_posix()}"] = redaction.of_text(
            content.decode("utf-8", errors="replace")
        )
    return found


def is_here(paths: RunPaths) -> bool:
    """Return whether what the run left lies on this disk: of an imported run only the journal knows."""
    return any(path.exists() for path in (paths.result, paths.metrics, paths.log))


def last_checkpoint(paths: RunPaths) -> Path | None:
    """Return the run's last checkpoint, a file or a folder of files; None where it left none that can be read."""
    try:
        named = [path for path in paths.checkpoints.iterdir() if not path.name.startswith(".")]
        found = [(path.stat().st_mtime_ns, path.name, path) for path in named if _holds_files_only(path)]
    except OSError:
        return None
    return max(found)[2] if found else None


def _holds_files_only(path: Path) -> bool:
    """Return whether there is nothing in it that the client would wait for, such as a pipe."""
    below = path.rglob("*") if path.is_dir() else (path,)
    return all(each.is_dir() or each.is_file() for each in below)


def _told(state: SweepState, rollout: Rollout, run: Run, identity: str, times: Times) -> dict[str, Any]:
    """Return what is known of a run from its start on."""
    suggestion = rollout.suggestion
    return {
        "sweep": state.spec.name,
        "identity": identity,
        "run": run.run_id,
        "rollout": run.rollout,
        "seed": run.seed,
        "origin": suggestion.origin,
        "reason": suggestion.reason,
        "predicted": None if suggestion.predicted is None else asdict(suggestion.predicted),
        **({STARTED_KEY: times.starts[0]} if times.starts else {}),
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
    params = dict(rollout.suggestion.params)
    return {"machine": machine_of(state.created), "first": first, "samples": samples, "params": params}


def _shown(run: Run, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the outcome; a metric of the user's own with one of our names is shown as reported."""
    shown = {"cost_s": run.cost_s, "steps": run.steps, "score": own.get("score"), "best": own.get("best")}
    return {**{name: value for name, value in shown.items() if value is not None}, **_finite(run)}


def _finite(run: Run) -> dict[str, float]:
    return {name: value for name, value in (run.metrics or {}).items() if math.isfinite(value)}


def _own_outcome(state: SweepState, run: Run, paths: RunPaths) -> dict[str, Any]:
    """Return what became of the run so far."""
    own: dict[str, Any] = {"state": str(run.state), "attempts": len(run.attempts)}
    own |= {"cost_s": run.cost_s, "wall_s": run.wall_s}
    own |= {} if run.discarded is None else {DISCARDED: run.discarded}
    own |= _outcome(state, run, paths)
    if run.state is RunState.STOPPED_EARLY and run.judgement is not None:
        own |= {"stopped_early": asdict(run.judgement), "share": run.share}
    return own | ({"metrics": _finite(run), "curve": [list(point) for point in run.curve]} if _is_shared(state) else {})


def _outcome(state: SweepState, run: Run, paths: RunPaths) -> dict[str, Any]:
    """Return score and best value of a finished run, or class and message of what ended it."""
    if run.failure is not None:
        return {"failure_class": str(run.failure.kind), "failure_message": run.failure.message}
    value = (run.metrics or {}).get(state.spec.metric, math.nan)
    if not math.isfinite(value):
        return {}
    sign = state.spec.goal.score
    outcome = {"score": sign(value), "metric": value}
    if not is_here(paths):
        return outcome
    told = map(state.spec.value_in, _rows(paths))
    seen = [each for each in told if each is not None and math.isfinite(each)]
    return {**outcome, "best": max([value, *seen], key=sign)}


def digest(text: str) -> str:
    """Return 16 hex digits that tell a text from any other."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
