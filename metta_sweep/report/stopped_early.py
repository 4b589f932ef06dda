"""What is said of runs that were ended on their way: why, and what it saved."""

from __future__ import annotations

from metta_sweep.report.rows import RunRow, SweepRows
from metta_sweep.report.wording import count, duration, printable
from metta_sweep.sweep.records import RunState


def stopped_early_in_words(run: RunRow) -> str:
    """Return how far a run came that was stopped early, why it was, and what that saved."""
    why = "" if run.judgement is None else f": {printable(run.judgement.reason)}"
    saved = f"{duration(run.cost_s)} instead of about {duration(run.whole_cost_s)}"
    return f"stopped early at {run.share:.0%}{why}; {saved}"


def saved_in_words(rows: SweepRows) -> str:
    """Return what stopping runs early saved, in one sentence; where none could be judged, why; else nothing."""
    ended, went_on = rows.ended_runs, sum(run.went_on for run in rows.runs)
    if not ended and not went_on:
        return _why_none(rows)
    cost_s = sum(run.whole_cost_s for run in ended)
    saved_s = cost_s - sum(run.cost_s for run in ended)
    again = f"; {count(went_on, 'run')} went on after all" if went_on else ""
    return f"{count(len(ended), 'run')} stopped early saved about {duration(saved_s)} of {duration(cost_s)}{again}"


def _why_none(rows: SweepRows) -> str:
    """Return why no run was judged, where enough have finished and too few of them told how they came there."""
    asked, finished = rows.spec.early_stop, sum(run.state is RunState.FINISHED for run in rows.runs if not run.confirms)
    if asked is None or finished <= asked.min_full_runs or rows.reporting >= asked.min_full_runs:
        return ""
    some = "none" if not rows.reporting else f"only {rows.reporting}"
    return f"no run was judged, as {some} of {finished} that finished reported before its end"


def in_words(state: RunState) -> str:
    """Return a run's state as a person reads it."""
    return str(state).replace("_", " ")
