"""Who proposes points and who ends runs, by the names in the results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from benchmarks.early_stopping.contenders import Random, Rungs
from benchmarks.sweeps.peers import WandbBayes, gp_halving, tpe_hyperband
from benchmarks.sweeps.tasks import Task
from benchmarks.sweeps.training import Report
from metta_sweep.optimize.port import Prediction
from metta_sweep.optimize.protein import Protein


class Contender(Protocol):
    """What searches; a run is told by its number. No report of a run that is over is its final score but the last."""

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the point of the next run."""

    def ends(self, run: int, params: dict[str, Any], reports: list[Report]) -> bool:
        """Return whether a run ends after its last report."""

    def finished(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        """Learn of a run that trained to its end."""

    def ended(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        """Learn of a run that was ended."""

    def failed(self, run: int, params: dict[str, Any]) -> None:
        """Learn of a run that diverged."""


class RandomSearch(Random):
    """Random points after the shipped settings."""

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return super().ask(run, pending) if run else self.problem.center

    def failed(self, run: int, params: dict[str, Any]) -> None:
        pass


class OurProtein:
    """Protein with its defaults, told of costs; ``ends_early`` is ``early_stop: auto``."""

    def __init__(self, task: Task, seed: int, *, ends_early: bool) -> None:
        self.protein, self.ends_early = (
            Protein(task.space, seed=seed, settings={"planned_cost": task.budget_s}),
            ends_early,
        )
        self.predicted: dict[int, Prediction] = {}
        """What it expected of its own suggestions, by run."""

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        suggestion = self.protein.suggest(pending=pending)
        if suggestion.predicted is not None:
            self.predicted[run] = suggestion.predicted
        return dict(suggestion.params)

    def ends(self, run: int, params: dict[str, Any], reports: list[Report]) -> bool:
        return self.ends_early and self.protein.outlook(params, self._curve(reports)).action == "stop"

    def finished(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        curve = self._curve(reports) if self.ends_early else []
        self.protein.observe(params, score=reports[-1][1], cost=reports[-1][2], curve=curve)

    def ended(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        self.protein.observe_partial(params, self._curve(reports))

    def failed(self, run: int, params: dict[str, Any]) -> None:
        self.protein.observe_failure(params)

    def most_promising(
        self, points: Mapping[int, dict[str, Any]], scores: Mapping[int, float], count: int
    ) -> list[int]:
        """Return the runs whose points are worth confirming, as ``confirm`` chooses them."""
        expected = self.protein.expect(list(points.values()))
        worth = dict(zip(points, [one.mean for one in expected], strict=True)) if expected else scores
        return sorted(points, key=lambda run: -worth[run])[:count]

    @staticmethod
    def _curve(reports: list[Report]) -> list[tuple[float, float, float]]:
        return [(share, reward, cost) for share, reward, cost in reports]


CONTENDERS: dict[str, Callable[[Task, int], Any]] = {
    "protein_early": lambda task, seed: OurProtein(task, seed, ends_early=True),
    "tpe_hyperband": tpe_hyperband,
    "gp_halving": gp_halving,
    "random_asha": lambda task, seed: RandomSearch(
        problem=task, rng=np.random.default_rng([seed, 7]), rule=Rungs(keep=1 / 3, shares=(0.2, 0.6))
    ),
    "wandb_bayes": WandbBayes,
    "protein": lambda task, seed: OurProtein(task, seed, ends_early=False),
    "random": lambda task, seed: RandomSearch(problem=task, rng=np.random.default_rng([seed, 7])),
}
"""Each made for a task with a seed; in the order in which they are run."""
