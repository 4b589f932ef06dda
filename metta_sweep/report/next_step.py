"""Where a sweep stands and what to type next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from metta_sweep.report.confirmed import progress_of
from metta_sweep.report.place import Place
from metta_sweep.report.rows import RunRow, SweepRows
from metta_sweep.report.wording import finished_in_words, printable
from metta_sweep.result import RUN_DIR_VARIABLE, RunPaths
from metta_sweep.sweep.commands import command_of, environment_of
from metta_sweep.sweep.events import SweepStopped
from metta_sweep.sweep.records import RunState

NAMED = 8
"""Failed runs that are named, the last ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One thing worth doing now."""

    purpose: str
    """What it is for, a few words."""
    command: str
    """What to type."""


def standing(rows: SweepRows, place: Place) -> str:
    """Return in one sentence whether the sweep is over and by which rule, or which controller is running it."""
    progress = finished_in_words(rows.decided, rows.spec.rollout_count, rows.unspent)
    if rows.is_confirming and rows.verdict is not None:
        progress += f", {progress_of(rows.verdict)}"
    if place.controller:
        return f"In progress: {progress} ({printable(place.controller)})"
    is_done = rows.is_complete and not rows.is_confirming
    if rows.stopped is None:
        nobody = ", and no controller is running" if place.controller == "" else ""
        return f"Complete: {progress}" if is_done else f"Not finished: {progress}{nobody}"
    ended = ended_by(rows.stopped)
    return ended if is_done else f"{ended} ({progress})"


def ended_by(stopped: SweepStopped) -> str:
    """Return why a controller let go: ``Complete: all 3 rollouts are done``, ``Stopped by target: …``."""
    words = {"rollout_count": "Complete", "interrupted": "Interrupted", "failed": "Failed", "stopped": "Stopped"}
    words |= {"confirm": "Confirmed"}
    return f"{words.get(stopped.rule, f'Stopped by {printable(stopped.rule)}')}: {printable(stopped.message)}"


def next_step(rows: SweepRows, place: Place) -> NextStep:
    """Return what to type next: continue, look at what failed, or run the best again."""
    name = shlex.quote(rows.spec.name)
    watch = NextStep(purpose="watch it", command=f"{place.program} watch {name}")
    if place.controller:
        return watch
    if _was_cut_short(rows, place):
        return NextStep(purpose="continue where it stopped", command=_going_on(rows, place))
    if rows.stopped is None and not rows.is_complete:
        return watch
    if rows.stopped is not None and rows.stopped.rule == "failed":
        return _mend(rows, place)
    if rows.best_run is not None:
        return NextStep(purpose="run the best again", command=repeat_command(rows, rows.best_run, place))
    failed = [run for run in rows.runs if run.state is RunState.FAILED]
    if failed:
        log = place.quoted(place.paths.run(failed[-1].run_id).log)
        return NextStep(purpose="see why the last one failed", command=f"tail -n 50 {log}")
    return watch if rows.is_complete else NextStep(purpose="try again", command=_sweep_command(rows))


def _mend(rows: SweepRows, place: Place) -> NextStep:
    """Return how to go on after a sweep has failed.

    The same command does the runs again whose failure says nothing of their parameters; the others are named.
    """
    failed = [run for run in rows.runs if run.state is RunState.FAILED]
    tried = failed or [run for run in rows.runs if run.attempts]
    if not tried:
        return NextStep(purpose="try again", command=_sweep_command(rows))
    kept = [run.run_id for run in failed if run.failure is not None and run.failure.kind.blames_parameters]
    where = f"mend the cause (see {place.quoted(place.paths.run(tried[-1].run_id).log)})"
    if len(kept) < len(failed) or not kept:
        return NextStep(purpose=f"{where}; the same command does the failed runs again", command=_sweep_command(rows))
    retry = f"{place.program} retry {shlex.quote(rows.spec.name)} {' '.join(map(shlex.quote, kept[-NAMED:]))}"
    return NextStep(purpose=f"{where}, have failed runs done again", command=f"{retry} && {_sweep_command(rows)}")


def _was_cut_short(rows: SweepRows, place: Place) -> bool:
    """Return whether a controller was told to end, or died: it left without a word and nobody took its place."""
    is_done = rows.is_complete and not rows.is_confirming
    if rows.stopped is None:
        return place.controller == "" and not is_done
    return rows.stopped.rule in ("interrupted", "stopped") and not is_done


def _going_on(rows: SweepRows, place: Place) -> str:
    """Return what goes on with a sweep, or with a confirmation that was asked for beside it."""
    asked = rows.spec.confirm
    if asked is None or not rows.spec.confirms_only:
        return _sweep_command(rows)
    return f"{confirm_command(rows, place)} --top-k {asked.top_k} --seeds {asked.seeds}"


def repeat_command(rows: SweepRows, run: RunRow, place: Place) -> str:
    """Return what to type to do a run again; its own result is never touched."""
    paths = place.paths.run(run.run_id)
    if rows.spec.command:
        return _external(rows, run, paths, place)
    return f"{place.python} -m metta_sweep.train config={place.quoted(paths.config)}"


def confirm_command(rows: SweepRows, place: Place) -> str:
    """Return what to type to have the best points run again on fresh seeds."""
    return f"{place.program} confirm {shlex.quote(rows.spec.name)}"


def _external(rows: SweepRows, run: RunRow, paths: RunPaths, place: Place) -> str:
    """Return the user's own command for the run in a fresh directory: a result is never overwritten."""
    fresh = RunPaths(paths.root.with_name(f"{paths.root.name}.repeat"))
    params = rows.rollouts[run.rollout].params
    words = command_of(rows.spec, fresh, params, run.seed)
    where = place.quoted(fresh.root)
    steps = [f"mkdir -p {where}", f"cp {place.quoted(paths.config)} {where}"]
    env = environment_of(rows.spec, fresh, params, run.seed, {})
    variables = [f"{name}={shlex.quote(text)}" for name, text in env.items()]
    return " && ".join([*steps, " ".join([f"{RUN_DIR_VARIABLE}={where}", *variables, shlex.join(words)])])


def _sweep_command(rows: SweepRows) -> str:
    """Return the command that takes the sweep up again."""
    if rows.words:
        return f"./devops/sweep.sh {shlex.join(rows.words)}"
    asked = f" ++sweep_params={shlex.quote(rows.spec.sweep_file)}" if rows.spec.sweep_file else ""
    return f"./devops/sweep.sh run={shlex.quote(rows.spec.name)}{asked}"
