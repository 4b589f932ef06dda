"""Where a sweep stands and what to type next."""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.report.confirmed import progress_of
from metta_sweep.report.place import Place
from metta_sweep.report.rows import RunRow, SweepRows
from metta_sweep.report.wording import finished_in_words, printable
from metta_sweep.sweep.events import SweepStopped
from metta_sweep.sweep.records import RunState

SEEDS_OF_A_RERUN = 5
"""Fresh runs of one point that are proposed where there is no one best to confirm."""
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
    """Return what to type next: continue, look at what failed, confirm the best, or train it again and keep that."""
    watch = NextStep(purpose="watch it", command=place.command("watch", rows.spec.name))
    if place.controller:
        return watch
    if _was_cut_short(rows, place):
        return NextStep(purpose="continue where it stopped", command=_going_on(rows, place))
    if rows.stopped is None and not rows.is_complete:
        return watch
    if rows.stopped is not None and rows.stopped.rule == "failed":
        return _mend(rows, place)
    if rows.best_run is not None:
        return _with_the_best(rows, rows.best_run, place)
    if rows.front:
        command = place.command("best", rows.spec.name, "--metric", rows.spec.objectives[0].metric)
        return NextStep(purpose="see one of the front, the best by one goal", command=command)
    if any(row.broken for row in rows.rollouts):
        return NextStep(
            purpose="see which points come near to the bounds", command=place.command("report", rows.spec.name)
        )
    failed = [run for run in rows.runs if run.state is RunState.FAILED]
    if failed:
        log = place.quoted(place.paths.run(failed[-1].run_id).log)
        return NextStep(purpose="see why the last one failed", command=f"tail -n 50 {log}")
    return watch if rows.is_complete else NextStep(purpose="try again", command=_again(rows, place))


def _with_the_best(rows: SweepRows, best: RunRow, place: Place) -> NextStep:
    """Return what to do with the best of a sweep that is over."""
    if rows.spec.reruns:
        folder = place.quoted(place.paths.run(best.run_id).root)
        return NextStep(purpose="see what it kept", command=f"ls {folder}")
    if not rows.words:  # nothing tells how to start its runs: they were imported
        return NextStep(purpose="see how the best differs", command=place.command("best", rows.spec.name))
    if rows.winner is None and not _is_confirmed_in_vain(rows):
        return NextStep(purpose="run the best again, to tell luck from merit", command=confirm_command(rows, place))
    return NextStep(purpose="train the best again and keep it", command=rerun_command(rows.spec.name, place))


def _is_confirmed_in_vain(rows: SweepRows) -> bool:
    """Return whether every point that was run again has failed."""
    return rows.verdict is not None and rows.verdict.is_over and not rows.verdict.is_stale


def _mend(rows: SweepRows, place: Place) -> NextStep:
    """Return how to go on after a sweep has failed.

    The same command does the runs again whose failure says nothing of their parameters; the others are named.
    """
    failed = [run for run in rows.runs if run.state is RunState.FAILED]
    tried = failed or [run for run in rows.runs if run.attempts]
    if not tried:
        return NextStep(purpose="try again", command=_again(rows, place))
    kept = [run.run_id for run in failed if run.failure is not None and run.failure.kind.blames_parameters]
    where = f"mend the cause (see {place.quoted(place.paths.run(tried[-1].run_id).log)})"
    if len(kept) < len(failed) or not kept:
        return NextStep(purpose=f"{where}; the same command does the failed runs again", command=_again(rows, place))
    retry = place.command("retry", rows.spec.name, *kept[-NAMED:])
    again = f"{where}, have failed runs done again"
    if rows.spec.called:
        return NextStep(purpose=f"{again}, then call it again", command=retry)
    return NextStep(purpose=again, command=f"{retry} && {_again(rows, place)}")


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
        return _again(rows, place, "resume")
    return confirm_command(rows, place, "--top-k", str(asked.top_k), "--seeds", str(asked.seeds))


def confirm_command(rows: SweepRows, place: Place, *words: str) -> str:
    """Return what to type to have the best points run again on fresh seeds; of a front, one of its points."""
    of_front = rows.rollouts[rows.front[0]].runs[0] if rows.front else rows.best_run if rows.chosen else None
    if of_front is not None and not rows.spec.called:
        return place.command("rerun", of_front.run_id, "--seeds", str(SEEDS_OF_A_RERUN))
    if rows.spec.called:
        return f'metta_sweep.run({rows.spec.called}, …, name="{rows.spec.name}", confirm={{"top_k": 3, "seeds": 5}})'
    return place.command("confirm", rows.spec.name, *words)


def rerun_command(which: str, place: Place) -> str:
    """Return what to type to have a run, or the best of the sweep, trained again with all that it leaves kept."""
    return place.command("rerun", which)


def _again(rows: SweepRows, place: Place, command: str = "run") -> str:
    """Return the command that takes the sweep up again; the call, where it is one over a Python function."""
    if rows.spec.called:
        return f'metta_sweep.run({rows.spec.called}, …, name="{rows.spec.name}")'
    if rows.spec.reruns:
        return place.command("rerun", *rows.words)
    if rows.words:
        return place.command(command, rows.spec.name)
    asked = [f"++sweep_params={rows.spec.sweep_file}"] if rows.spec.sweep_file else []
    return place.command("run", f"run={rows.spec.name}", *asked)
