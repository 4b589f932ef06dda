"""What runs will cost in time and disk, from runs that are like them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from metta_sweep.sweep.state import SweepState

SINGLE_RUN_FACTOR = 2.0
"""One run alone says the cost of others within about this factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A finished run that tells something about the ones to come."""

    cost_s: float
    """What it cost, seconds."""
    steps: int | None
    """Training steps, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Seconds of one quantity with an interval."""

    low_s: float
    """Lower end, seconds."""
    middle_s: float
    """Most likely, seconds."""
    high_s: float
    """Upper end, seconds."""
    basis: str
    """What it rests on, for a person."""

    def times(self, factor: float) -> Estimate:
        """Return the estimate of so many times the quantity; all of them may err in the same direction."""
        return Estimate(
            low_s=self.low_s * factor, middle_s=self.middle_s * factor, high_s=self.high_s * factor, basis=self.basis
        )


def similar_runs(state: SweepState, *, training: Mapping[str, Any], command: Sequence[str]) -> list[Sample]:
    """Return the finished runs of a sweep that trained the same environment, or ran the same command."""
    there = state.spec
    if tuple(command) != there.command or (not command and training.get("env") != there.training.get("env")):
        return []
    return [Sample(cost_s=run.cost_s, steps=run.steps) for run in state.runs.values() if run.metrics is not None]


def cost_of_a_run(samples: Iterable[Sample], *, steps: int | None, basis: str) -> Estimate | None:
    """Return what a run of so many training steps will cost; None without a sample.

    Costs are scaled by steps where both sides know them; the interval holds 90% of the samples.
    """
    costs = [sample.cost_s * (steps / sample.steps) if steps and sample.steps else sample.cost_s for sample in samples]
    if not costs:
        return None
    if len(costs) == 1:
        return Estimate(
            low_s=costs[0] / SINGLE_RUN_FACTOR, middle_s=costs[0], high_s=costs[0] * SINGLE_RUN_FACTOR, basis=basis
        )
    twentieths = quantiles(costs, n=20, method="inclusive")
    return Estimate(low_s=twentieths[0], middle_s=median(costs), high_s=twentieths[-1], basis=basis)
