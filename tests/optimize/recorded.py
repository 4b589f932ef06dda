"""Suggestions that were recorded, with the histories behind them: ``python -m tests.optimize.recorded`` records anew.

Record anew only where a change of the optimizer is meant and its benchmark (``benchmarks/optimizer``) says that it is
an improvement: these points are how a constant that was tuned there is held.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metta_sweep import Protein
from metta_sweep.space import SearchSpace
from tests.optimize import spaces

FILE = Path(__file__).parent / "recorded_points.json"

STEPS = {
    "trainer.total_timesteps": spaces.between(1_000, 100_000, "log_normal"),
    "x": spaces.between(-1.0, 1.0),
    "y": spaces.between(-1.0, 1.0, mean=0.5, scale=0.3),
}
NINE = {f"p{i}": spaces.between(0.0, 1.0) for i in range(9)}
SPACES = {
    "plain": SearchSpace.parse(spaces.PLAIN),
    "everything": SearchSpace.parse(spaces.EVERYTHING, spaces.RULES),
    "steps": SearchSpace.parse(STEPS),
    "nine": SearchSpace.parse(NINE),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A history, and what is asked after it."""

    space: str
    count: int
    """Rollouts observed."""
    pending: int = 0
    goal: str = "maximize"
    fails_every: int = 0
    noise: float = 0.0
    known_noise: float | None = None
    same_cost: bool = False
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return "-".join(f"{value}" for value in asdict(self).values() if value not in (0, None, (), False))

    def suggestion(self) -> dict[str, Any]:
        """Return what Protein suggests after the history, as plain values."""
        protein = self.taught()
        pending = [protein.space.values(row) for row in protein.space.sample(self.pending, np.random.default_rng(9))]
        found = protein.suggest(pending)
        told = None if found.predicted is None else asdict(found.predicted)
        return {"params": dict(found.params), "origin": found.origin, "predicted": told}

    def taught(self) -> Protein:
        space, rng = SPACES[self.space], np.random.default_rng(self.count)
        protein = Protein(space, goal=self.goal, seed=3, settings=dict(self.settings))
        for index, codes in enumerate(space.sample(self.count, rng)):
            params = space.values(codes)
            worth = surface(codes)
            score = worth + self.noise * float(rng.standard_normal())
            cost = 10.0 if self.same_cost else 10.0 * math.exp(float(codes.mean()))
            if self.fails_every and index % self.fails_every == 1:
                protein.observe_failure(params)
            else:
                signed = score if self.goal == "maximize" else -score
                protein.observe(params, signed, cost, self.known_noise, list(curve(params, signed, cost)))
        return protein


def surface(codes: np.ndarray) -> float:
    """Return the worth of a point: one hill, steep along the first parameters, and a long bad tail."""
    ahead = np.arange(1, len(codes) + 1)
    return float(-np.expm1(((codes - 0.6) ** 2 / (0.2 * ahead)).sum()))


def curve(params: Mapping[str, Any], score: float, cost: float) -> Iterator[tuple[float, float, float]]:
    for share in (0.2, 0.4, 0.6, 0.8) if "trainer.total_timesteps" in params else ():
        yield share, score - (1.0 - share), share * cost


CASES = (
    Case(space="plain", count=3),
    Case(space="plain", count=6, goal="minimize"),
    Case(space="plain", count=10, pending=3, noise=0.3),
    Case(space="plain", count=24, noise=0.3),
    Case(space="plain", count=12, same_cost=True),
    Case(space="plain", count=9, settings=(("resample_frequency", 3),)),
    Case(space="plain", count=12, settings=(("max_suggestion_cost", 15.0),)),
    Case(space="everything", count=7),
    Case(space="everything", count=16, fails_every=4),
    Case(space="everything", count=16, fails_every=2, pending=2),
    Case(space="steps", count=8),
    Case(space="steps", count=14, known_noise=0.04, noise=0.2),
    Case(space="nine", count=5),
    Case(space="nine", count=28, noise=0.1),
    Case(space="nine", count=40, noise=0.1, settings=(("planned_rollouts", 60),)),
    Case(space="nine", count=130, noise=0.1),
    Case(space="plain", count=410, noise=0.1),
)


def main() -> None:
    FILE.write_text(json.dumps({case.name: case.suggestion() for case in CASES}, indent=1) + "\n")


if __name__ == "__main__":
    main()
