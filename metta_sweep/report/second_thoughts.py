"""The regret of stopping: what is thought by now of runs that were ended on their way."""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import CanReconsider, Outlook, RunAction
from metta_sweep.report.rows import RunRow, SweepRows
from metta_sweep.report.surrogate import optimizer_of
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.teaching import lessons_of, teach_what_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondThought:
    """What is thought by now of a run that was ended."""

    run: RunRow
    """The run."""
    now: Outlook
    """What the model expects of its point with all that it knows by now."""

    @property
    def is_regretted(self) -> bool:
        """Whether the model would let it go on by now."""
        return self.now.action is RunAction.CONTINUE


def second_thoughts(state: SweepState, rows: SweepRows, space: SearchSpace) -> list[SecondThought]:
    """Return what is thought by now of each run that was ended, the most promising first; empty without a model."""
    ended = [run for run in rows.ended_runs if not rows.rollouts[run.rollout].outside and run.discarded is None]
    optimizer = optimizer_of(state, space, 0) if ended else None
    if not isinstance(optimizer, CanReconsider):
        return []
    teach_what_fits(optimizer, lessons_of(state))
    points = [state.placed(state.rollouts[run.rollout]).params for run in ended]
    try:
        told = optimizer.reconsider(points)
    except RequestError:
        return []
    found = [SecondThought(run=run, now=now) for run, now in zip(ended, told, strict=False)]
    return sorted(found, key=lambda one: -one.now.chance)


def regret_in_words(thoughts: list[SecondThought]) -> str:
    """Return the regret of stopping in one sentence."""
    if not thoughts:
        return "no model tells what would have become of them"
    regretted = [one.run.run_id for one in thoughts if one.is_regretted]
    if not regretted:
        best = thoughts[0]
        return f"none of them is missed: the most promising, {best.run.run_id}, has {best.now.chance:.0%} to be better"
    named = f"{', '.join(regretted[:5])}{', …' if len(regretted) > 5 else ''}"
    return f"{len(regretted)} of {len(thoughts)} would go on by what is known now: {named}"
