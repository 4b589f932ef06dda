"""What to train again once a search is over: the optimizer's choice, where it knows better than the scores."""

from __future__ import annotations

from metta_sweep.sweep.confirmation import contenders
from metta_sweep.sweep.records import Recommended
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.thinking import Thinker
from metta_sweep.sweep.verdict import verdict_of


def recommended_by(thinker: Thinker, state: SweepState) -> Recommended | None:
    """Return what the optimizer would train again instead of the best run's point; None where it knows no better.

    Nothing is recommended of several goals, nor beside what fresh seeds have confirmed.

    Args:
        thinker: Asks the optimizer.
        state: The sweep, its search over.
    """
    best, verdict, points = state.incumbent, verdict_of(state), contenders(state)
    if best is None or (verdict is not None and verdict.winner is not None):
        return None
    told = thinker.recommend([point.params for point in points])
    if told is None or told.params == told.luckiest or told.luckiest != best.params:
        return None
    if told.expected is None or told.luckiest_expected is None:
        return None
    rollout = next((point.rollout for point in points if point.params == told.params), None)
    if rollout is None:
        return None
    return Recommended(
        rollout=rollout,
        mean=told.expected.mean,
        low=told.expected.low,
        high=told.expected.high,
        chance=told.chance,
        instead_of=best.rollout,
        instead_mean=told.luckiest_expected.mean,
    )
