"""From a sweep at W&B to a local journal: ours as it was, somebody else's as far as it can be told."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.secrecy import Redaction
from metta_sweep.store.files import write_whole
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.runs import RunDirectories
from metta_sweep.sweep.commands import run_config
from metta_sweep.sweep.events import AttemptInterrupted, Event, SweepAsked, SweepRegistered, from_json, to_json
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.errors import RefusedError, TryLaterError
from metta_sweep.track.ranges import identity_of

if TYPE_CHECKING:
    from metta_sweep.track.foreign import ForeignSweep

_NOT_OVER = frozenset({"running", "pending"})
"""States at W&B of runs that are not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import brought."""

    runs: int
    """Runs in the journal."""
    is_ours: bool
    """Whether the sweep was one of ours, with all that our journal knows."""
    lines: tuple[str, ...]
    """All of that for a person: what came, what to look at, and what goes on with it."""


def import_sweep(path: str, paths: SweepPaths, *, environ: Mapping[str, str] = os.environ) -> ImportReport:
    """Build the journal of ``paths`` from a sweep at W&B.

    Args:
        path: ``ENTITY/PROJECT/SWEEP``.
        paths: Where the sweep is to lie; nothing of it may be there. A sweep of ours keeps its name.
        environ: The environment with the key.

    Raises:
        RequestError: The path is none, the sweep cannot be read, or something is in the way.

    Side effects:
        The journal, the run directories with config and suggestion, and the sweep file of a sweep of somebody else's.
    """
    if paths.exists():
        fix = "choose another name, or continue the sweep that is there"
        raise RequestError(Problem(key="run", message=f"there is a sweep {paths.name!r} already", fix=fix))
    fetched = _read(path, environ)
    if fetched["is_shared"]:
        fix = f"give the sweep's command here with run={fetched['name']} wandb.share=true: it takes in all that is done"
        raise RequestError(Problem(key="import", message=f"{path} is shared between machines", fix=fix))
    from metta_sweep.track.foreign import foreign_sweep

    foreign = None if fetched["journal"] else foreign_sweep(fetched, name=paths.name)
    events = foreign.events if foreign is not None else events_of(fetched, name=paths.name)
    state = SweepState.fold(events)
    journal = SqliteJournal.open(paths, create=True)
    try:
        journal.append([to_json(event) for event in events])
    finally:
        journal.close()
    _write_directories(paths, state, _configs(fetched, state))
    kind = "as far as W&B tells" if foreign else "with its journal"
    line = f"imported {len(state.runs)} runs of {path} {kind}: {len(state.observations)} rollouts to learn from"
    further = _write_file(paths, foreign) if foreign else ()
    return ImportReport(runs=len(state.runs), is_ours=foreign is None, lines=(line, *further))


def _write_file(paths: SweepPaths, foreign: ForeignSweep) -> tuple[str, ...]:
    """Write the sweep file that goes on with somebody else's sweep; return what a person is to know of it."""
    write_whole(paths.imported, foreign.file.text)
    look_at = (f"look at: {line}" for line in foreign.file.undecided)
    command = f"metta-sweep run run={paths.name} ++sweep_params={paths.imported}"
    return (f"wrote {paths.imported}", *look_at, f"to go on with it: {command}")


def read_remote(path: str, *, environ: Mapping[str, str] = os.environ) -> SweepState:
    """Return a sweep at W&B as its runs tell it, or as its journal does where it is one of ours; nothing is written.

    Args:
        path: ``ENTITY/PROJECT/SWEEP``.
        environ: The environment with the key.

    Raises:
        RequestError: It cannot be read, or it is not over.
    """
    fetched = _read(path, environ)
    running = sum(run["state"] in _NOT_OVER for run in fetched["runs"])
    if running:
        message = f"it is still running at W&B ({running} of its runs), and its runs are not all known"
        raise RequestError.of(message, key=path, fix="wait for its end, or stop it")
    if fetched["journal"]:
        return SweepState.fold(map(from_json, fetched["journal"]))
    from metta_sweep.track.foreign import foreign_sweep

    return SweepState.fold(foreign_sweep(fetched, name=path.rpartition("/")[2]).events)


def events_of(fetched: Mapping[str, Any], *, name: str) -> list[Event]:
    """Return the events of a sweep of ours that was read.

    Args:
        fetched: What :func:`metta_sweep.track.fetch.fetch` returns.
        name: The sweep's local name.

    Raises:
        RequestError: It has another name.
    """
    events = [from_json(stored) for stored in fetched["journal"]]
    state = SweepState.fold(events)
    if state.spec.name != name:
        fix = f"import it as {state.spec.name}: its runs carry that name"
        raise RequestError(Problem(key="run", message=f"the sweep is named {state.spec.name!r}", fix=fix))
    events += [
        AttemptInterrupted(
            at=events[-1].at,
            elapsed_s=state.elapsed_s,
            run_id=run.run_id,
            attempt=run.attempts[-1].number,
            wall_s=0.0,
        )
        for run in state.live_runs
    ]
    return events if _is_up_to_date(state, fetched["runs"]) else _apart(events)


def _is_up_to_date(state: SweepState, runs: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the journal that was kept at W&B knows of every run there."""
    identity = identity_of(state.created) if state.created is not None else ""
    known = {f"{run.run_id}-{identity}" for run in state.runs.values() if run.attempts}
    return all(run["id"] in known for run in runs if run["id"].endswith(f"-{identity}"))


def _apart(events: Sequence[Event]) -> list[Event]:
    """Return the events with an identity of their own: runs of the same number must not be written into each other."""
    kept = [event for event in events if not isinstance(event, SweepRegistered)]
    return [replace(e, host=f"{e.host} (imported)") if isinstance(e, SweepAsked) else e for e in kept]


def _configs(fetched: Mapping[str, Any], state: SweepState) -> dict[str, Mapping[str, Any]]:
    """Return each run's config by its local id."""
    if not fetched["journal"]:
        from metta_sweep.track.foreign import runs_that_are_over

        names = (f"{state.spec.name}.r.{number}" for number in itertools.count())
        return {name: run["config"] for name, run in zip(names, runs_that_are_over(fetched), strict=False)}
    found: dict[str, Mapping[str, Any]] = {}
    for run in state.runs.values():
        start = state.start_of(run)
        training = start.spec.training if start is not None else state.spec.training
        params = state.rollouts[run.rollout].suggestion.params
        found[run.run_id] = run_config(training, params, run_id=run.run_id, seed=run.seed)
    return found


def _write_directories(paths: SweepPaths, state: SweepState, configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Write config and suggestion of every run, so that each can be repeated from here."""
    directories = RunDirectories(paths)
    for run_id, config in configs.items():
        if run_id in state.runs:
            rollout = state.rollouts[state.runs[run_id].rollout]
            shown = {"run": run_id, "rollout": rollout.index, "origin": rollout.suggestion.origin}
            directories.prepare(run_id, config=config, suggestion={**shown, "params": dict(rollout.suggestion.params)})


def _read(path: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the sweep at W&B; what reads it is loaded when it is needed."""
    if path.count("/") != 2 or not all(path.split("/")):
        raise RequestError(Problem(key="import", message=f"need ENTITY/PROJECT/SWEEP, got {path!r}"))
    from metta_sweep.track.fetch import fetch
    from metta_sweep.track.graphql import GraphQL

    entity, project, sweep_id = path.split("/")
    try:
        return fetch(GraphQL.of_environment(environ, entity=entity, project=project), sweep_id)
    except RefusedError as error:
        raise _unreadable(path, error, environ, "set WANDB_API_KEY or run wandb login") from None
    except TryLaterError as error:
        raise _unreadable(path, error, environ, "look at the path, or try again") from None


def _unreadable(path: str, error: Exception, environ: Mapping[str, str], fix: str) -> RequestError:
    said = Redaction.of_environment(environ).of_values(str(error))
    return RequestError(Problem(key="import", message=f"{path} cannot be read: {said}", fix=fix))
