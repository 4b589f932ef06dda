"""What a confirmation says: which point is the best, how good it is, and how certain that is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from metta_sweep.optimize.shown import Metric, Shown
from metta_sweep.result.values import as_metric
from metta_sweep.sweep.confirmation import Candidate, candidates_of
from metta_sweep.sweep.luck import draw_truths
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.state import SweepState

TAIL = 0.05
"""Share of the draws on either side of an interval: it covers 90%."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What is known of one point that was run again; metrics are raw."""

    rollout: int
    """The rollout whose point it is."""
    runs: tuple[str, ...]
    """The fresh runs that were claimed for it."""
    scored: int
    """Of these, how many have a score."""
    failed: bool
    """Whether one failed for good: the point is not taken for the best."""
    searched: float
    """Its mean in the search, by which it was found."""
    expected: float | None
    """What the model expected of it when it was chosen."""
    mean: float | None
    """Mean of the fresh runs; None before the first."""
    corrected: float | None = None
    """That mean less the luck that being the best of several brings; None where the spread of runs is not known."""
    interval: tuple[float, float] | None = None
    """90% interval of the corrected mean; neither leaves what the metric can be."""
    breaks: str = ""
    """The bounds that its fresh runs break on average; such a point is not taken for the best."""
    chance_best: float | None = None
    """Chance that no other of the points is better, 0 to 1."""

    @property
    def counts(self) -> bool:
        """Whether it may be taken for the best."""
        return not self.failed and not self.breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a confirmation says so far."""

    points: tuple[Confirmed, ...]
    """The chosen points, the best first."""
    planned: int
    """Fresh runs that were claimed."""
    earlier: int
    """Of these, how many an earlier confirmation had claimed: they count, and the choice knew of them."""
    budget: int
    """Fresh runs that were asked for."""
    is_over: bool
    """Whether no run is left of it, or the sweep has ended."""
    is_stale: bool
    """Whether the search has gone on since: newer points had no part in it."""

    @property
    def best(self) -> Confirmed | None:
        """The best point that has a fresh score and did not fail; None while there is none."""
        return next((one for one in self.points if one.mean is not None and one.counts), None)

    @property
    def winner(self) -> Confirmed | None:
        """The confirmed best of the sweep; None while the confirmation goes on, or where it says nothing any more."""
        return self.best if self.is_over and not self.is_stale else None


def verdict_of(state: SweepState, *, seed: int = 0) -> Verdict | None:
    """Return what the confirmation says, the same for the same state and seed.

    None where none was begun, and where every run of it was discarded.
    """
    found = candidates_of(state)
    begun = [run for one in found for run in state.confirmations_of(one.rollout)]
    runs = counted(begun)
    if not found or state.confirmation is None or (begun and not runs):
        return None
    known = [one for one in found if one.scores and not (one.failed or one.broken)]
    drawn = draw_truths([one.scores for one in known], random.Random(seed))
    truths = {one.rollout: draws for one, draws in zip(known, drawn, strict=False)}
    expected = dict(zip(state.confirmation.rollouts, state.confirmation.expected, strict=True))
    score, ends = state.spec.goal.score, ends_of(state)
    points = [_confirmed(state, one, expected[one.rollout], truths, ends) for one in found]
    asked = state.spec.confirm
    budget = len(runs) if asked is None else asked.seeds * len(found)
    return Verdict(
        points=tuple(
            sorted(points, key=lambda one: (one.failed or bool(one.breaks), one.mean is None, -score(_told(one))))
        ),
        planned=len(runs),
        earlier=min(len(runs), sum(state.known_when_chosen(one.rollout) for one in found)),
        budget=budget,
        is_over=bool(runs)
        and all(run.state.is_over for run in runs)
        and (len(runs) >= budget or state.stopped is not None),
        is_stale=state.confirmation.decided != len(state.decided_rollouts),
    )


def _told(one: Confirmed) -> float:
    """Return what is told of a point first."""
    return one.corrected if one.corrected is not None else one.mean or 0.0


def ends_of(state: SweepState) -> Shown:
    """Return where a score ends, by what is declared of the metric and by every run that counts and reported it."""
    spec = state.spec
    told = [(run.rollout, as_metric((run.metrics or {}).get(spec.metric))) for run in counted(state.runs.values())]
    seen = [(rollout, spec.goal.score(value)) for rollout, value in told if value is not None]
    points, scores = np.array([[rollout] for rollout, _ in seen]), np.array([value for _, value in seen])
    metric = Metric.declared(spec.metric, spec.protein.get("metric_range"))
    return Shown.of(scores, points, spec.goal.score(1.0), metric)


def _confirmed(
    state: SweepState, one: Candidate, expected: float | None, truths: dict[int, list[float]], ends: Shown
) -> Confirmed:
    score, drawn = state.spec.goal.score, truths.get(one.rollout)
    draws = None if drawn is None else ends.within(np.array(drawn)).tolist()
    interval = None if draws is None else sorted((score(_quantile(draws, TAIL)), score(_quantile(draws, 1 - TAIL))))
    return Confirmed(
        rollout=one.rollout,
        runs=tuple(run.run_id for run in counted(state.confirmations_of(one.rollout))),
        scored=len(one.scores),
        failed=one.failed,
        breaks=" and ".join(map(str, one.broken)),
        searched=state.observations[one.rollout].metric or 0.0,
        expected=expected,
        mean=score(fmean(one.scores)) if one.scores else None,
        corrected=None if draws is None else score(fmean(draws)),
        interval=None if interval is None else (interval[0], interval[1]),
        chance_best=None if draws is None else chance_best(one.rollout, truths),
    )


def chance_best(rollout: int, truths: dict[int, list[float]]) -> float:
    """Return in what share of the draws the rollout's point is the best."""
    best = [max(column) for column in zip(*truths.values(), strict=True)]
    return fmean(own >= most for own, most in zip(truths[rollout], best, strict=True))


def _quantile(draws: Sequence[float], share: float) -> float:
    ordered = sorted(draws)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
