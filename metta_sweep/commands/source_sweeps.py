"""The sweeps under ``from``: what each of them knows, read once before anything is started."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from metta_sweep.config.asked import Asked
from metta_sweep.errors import MettaSweepError, Problem, RequestError
from metta_sweep.invocation import invoked
from metta_sweep.optimize.port import FEWEST_RUNS, Source, SourceRun
from metta_sweep.report.reading import state_of
from metta_sweep.report.wording import count
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths, sweep_names
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.importing import read_remote

MOST_RUNS = 500
"""Rollouts of one source that are kept, the last ones: a journal stays a file that is quick to read."""


def sources_of(asked: Asked, state: SweepState | None) -> tuple[Source, ...]:
    """Return what the sweeps under ``from`` know that is not in the sweep's journal yet.

    Args:
        asked: The request.
        state: The sweep as it is kept; None where there is none.

    Raises:
        RequestError: With a message for each source that cannot be evidence.
    """
    known = {} if state is None else state.kept_sources
    found, problems, folders = [], [], dict[Path, str]()
    for place, name in enumerate(asked.sources):
        try:
            _check_once(name, asked, folders)
            if name not in known:
                found.append(_source(name, asked))
        except MettaSweepError as error:
            problems.append(_problem(place, name, asked, error))
    if problems:
        raise RequestError(*problems)
    return tuple(found)


def _problem(place: int, name: str, asked: Asked, error: MettaSweepError) -> Problem:
    told = error.problems[0] if isinstance(error, RequestError) else Problem(message=str(error))
    message = told.message if told.message.startswith(name) else f"{name}: {told.message}"
    return Problem(key=f"sweep.from.{place}", message=message, file=asked.sweep_file, fix=told.fix)


def _check_once(name: str, asked: Asked, folders: dict[Path, str]) -> None:
    """Note the folder of a source.

    Raises:
        RequestError: It is the sweep itself, or another source by another name: it would count twice.
    """
    if _is_remote(name):
        return
    folder = _paths(name, asked).root.resolve()
    if folder == SweepPaths(asked.data_dir, asked.name).root.resolve():
        raise RequestError.of("is this sweep itself, whose own runs count anyway", fix="leave it out")
    if folder in folders:
        raise RequestError.of(f"is the same sweep as {folders[folder]}, and would count twice", fix="leave it out")
    folders[folder] = name


def all_sources(asked: Asked, state: SweepState | None) -> tuple[Source, ...]:
    """Return what every sweep under ``from`` knows, as the journal keeps it or else as it is now.

    Raises:
        RequestError: See :func:`sources_of`.
    """
    kept = () if state is None else state.kept_sources.values()
    every = {source.name: source for source in (*kept, *sources_of(asked, state))}
    return tuple(every[name] for name in asked.sources)


def _source(name: str, asked: Asked) -> Source:
    """Return what one sweep knows.

    Raises:
        MettaSweepError: There is none, it cannot be read, it is still running, or it says nothing about this search.
    """
    state = _state(name, asked)
    source = Source(name=name, runs=tuple(_runs(state))[-MOST_RUNS:])
    problem = _unlike(state.spec, asked) or _unusable(source, state.spec, asked)
    if problem is not None:
        raise RequestError(problem)
    return source


def _state(name: str, asked: Asked) -> SweepState:
    """Return the sweep of a name, of a folder, or of a path at W&B."""
    if _is_remote(name):
        return read_remote(name)
    paths = _paths(name, asked)
    if not paths.journal.exists():
        raise RequestError(_missing(name, asked))
    by = holder(paths)
    if by is not None:
        fix = f"wait for its end, or stop it: {invoked('stop', paths.name, data_dir=paths.data_dir)}"
        raise RequestError.of(f"is still running ({by}), and its runs are not all known", fix=fix)
    return state_of(paths)


def _is_remote(name: str) -> bool:
    """Return whether a source is ``ENTITY/PROJECT/SWEEP``: where the folder it would be in exists it is a path."""
    return name.count("/") == 2 and not name.startswith(("/", ".", "~")) and not Path(name).parent.is_dir()


def _paths(name: str, asked: Asked) -> SweepPaths:
    """Return the paths of a sweep by its name, or by its own folder ``DATA_DIR/sweep/NAME``.

    Raises:
        RequestError: It cannot be either.
    """
    if "/" not in name:
        return SweepPaths(asked.data_dir, name)
    paths = SweepPaths.of_folder(Path(name))
    if paths is None:
        raise RequestError(_missing(name, asked))
    return paths


def _missing(name: str, asked: Asked) -> Problem:
    if "/" in name:
        fix = "write the folder of a sweep (DATA_DIR/sweep/NAME), its name, or ENTITY/PROJECT/SWEEP for one at W&B"
        return Problem(message="there is no sweep in this folder", fix=fix)
    there = [each for each in sweep_names(asked.data_dir) if each != asked.name]
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.4)
    listed = f"; there: {', '.join(there[:10])}" if there else ""
    fix = f"did you mean {near[0]}?" if near else "write its name, its folder, or ENTITY/PROJECT/SWEEP; or leave it out"
    return Problem(message=f"there is no such sweep under {asked.data_dir / 'sweep'}{listed}", fix=fix)


def _runs(state: SweepState) -> Iterator[SourceRun]:
    """Yield what each rollout of a source says, whatever version of its space it is of."""
    for rollout in state.decided_rollouts:
        lesson = state.lesson_of(rollout) or state.observations.get(rollout.index)
        if lesson is not None and not lesson.is_stopped_early:
            yield SourceRun(params=dict(lesson.params), metric=lesson.metric)


def _unlike(theirs: SweepSpec, asked: Asked) -> Problem | None:
    if theirs.metric != asked.metric:
        message = f"its metric is {theirs.metric!r}, and this sweep's is {asked.metric!r}"
        return Problem(message=message, fix="name a sweep with the same metric, or leave it out")
    if theirs.goal != asked.goal:
        message = f"its goal is to {theirs.goal}, and this sweep's is to {asked.goal}"
        return Problem(message=message, fix="name a sweep with the same goal, or leave it out")
    return None


def _unusable(source: Source, theirs: SweepSpec, asked: Asked) -> Problem | None:
    own = asked.space.names
    if source.runs and not any(name in run.params for run in source.runs for name in own):
        message = f"it shares no parameter with this sweep; it has {', '.join(theirs.parameters)}"
        return Problem(message=message, fix=f"name a sweep over one of {', '.join(own)}, or leave it out")
    scored = sum(run.metric is not None for run in source.runs)
    if scored < FEWEST_RUNS:
        message = f"it has {count(scored, 'rollout')} with a {theirs.metric}, and less than {FEWEST_RUNS} say nothing"
        return Problem(message=message, fix="leave it out")
    return None
