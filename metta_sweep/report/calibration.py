"""Whether the model's intervals cover what they say: coverage per sweep, and words where they do not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Prediction
from metta_sweep.report.rows import RolloutRow, SweepRows

FEWEST = 8
"""Outcomes below which coverage says nothing."""
SURPRISE = 0.01
"""How unlikely the coverage of a calibrated model must be before the model is called wrong."""
_HALF_OF_NINETY = 0.67449 / 1.64485
"""Half width of a normal's 50% interval over that of its 90% interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How predictions of the score compare with what came out."""

    total: int
    """Outcomes that had a prediction."""
    within_50: int
    """Of these, in the 50% interval."""
    within_90: int
    """Of these, in the 90% interval."""
    better: int
    """Of these, better than the median that was predicted, as the goal sees it."""
    cost_within_90: int
    """Of these, with a cost in its 90% interval."""


def calibration(rows: SweepRows) -> Calibration:
    """Return the coverage over all rollouts that had a prediction and came out with a score."""
    known = [(row, row.mean, row.suggestion.predicted) for row in rows.rollouts]
    pairs = [(row, mean, said) for row, mean, said in known if mean is not None and said is not None]
    return Calibration(
        total=len(pairs),
        within_50=_amount(_is_within_50(mean, said) for _, mean, said in pairs),
        within_90=_amount(said.score_low <= mean <= said.score_high for _, mean, said in pairs),
        better=_amount(_is_better(mean, said, rows.spec.goal) for _, mean, said in pairs),
        cost_within_90=_amount(said.cost_low <= cost_of(row) <= said.cost_high for row, _, said in pairs),
    )


def cost_of(row: RolloutRow) -> float:
    """Return the mean cost of the rollout's runs, seconds."""
    return math.fsum(run.cost_s for run in row.runs) / len(row.runs)


def interval_50(said: Prediction) -> tuple[float, float]:
    """Return the 50% interval of the score, as a normal's on either side of the median has it."""
    below, above = said.score - said.score_low, said.score_high - said.score
    return said.score - _HALF_OF_NINETY * below, said.score + _HALF_OF_NINETY * above


def verdict(found: Calibration) -> str:
    """Return in words in what way the model is badly off, or an empty string.

    Each sentence needs evidence that a calibrated model would give in fewer than one of a hundred sweeps (one-sided
    binomial tails).
    """
    if found.total < FEWEST:
        return ""
    said = []
    if _at_most(found.within_90, found.total, 0.9) < SURPRISE:
        said.append("its intervals are too narrow (take its expectations with caution)")
    elif _at_most(found.total - found.within_50, found.total, 0.5) < SURPRISE:
        said.append("its intervals are too wide (it knows more than it says)")
    if _at_most(found.better, found.total, 0.5) < SURPRISE:
        said.append("it expects too much")
    elif _at_most(found.total - found.better, found.total, 0.5) < SURPRISE:
        said.append("it expects too little")
    return "The model is badly calibrated here: " + "; ".join(said) if said else ""


def coverage(found: Calibration) -> str:
    """Return the coverage as a sentence."""
    if not found.total:
        return "no outcome had a prediction"
    ninety = f"{found.within_90} of {found.total} outcomes ({found.within_90 / found.total:.0%}) in their 90% interval"
    fifty = f"{found.within_50} ({found.within_50 / found.total:.0%}) in their 50% interval"
    return f"{ninety}, {fifty}"


def _amount(found: Iterable[bool]) -> int:
    return sum(found)


def _is_within_50(mean: float, said: Prediction) -> bool:
    low, high = interval_50(said)
    return low <= mean <= high


def _is_better(mean: float, said: Prediction, goal: Goal) -> bool:
    return goal.score(mean) > goal.score(said.score)


def _at_most(successes: int, trials: int, chance: float) -> float:
    """Return the probability of at most that many successes (binomial)."""
    return math.fsum(math.comb(trials, k) * chance**k * (1 - chance) ** (trials - k) for k in range(successes + 1))
