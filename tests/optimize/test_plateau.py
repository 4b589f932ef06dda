"""Where nothing that was run says where to look, Protein looks elsewhere; where something does, it does not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from metta_sweep.optimize.port import Suggestion
from metta_sweep.optimize.protein import Protein

QUICK = {"hyper_samples": 3, "candidates": 100}
START = 3
"""The center and two points that fill the space."""


def space(dim: int, center: float = 0.5) -> dict[str, dict[str, Any]]:
    return {
        f"p{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0, "mean": center if i == 0 else 0.5}
        for i in range(dim)
    }


def flat(protein: Protein, runs: int, seed: int = 0) -> list[Suggestion]:
    """Return what is suggested while every run gives nothing but noise."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(runs):
        made.append(protein.suggest())
        protein.observe(made[-1], score=float(rng.standard_normal()), cost=1.0 + 9.0 * made[-1].params["p0"])
    return made


def filling(suggestions: list[Suggestion]) -> list[Suggestion]:
    return [each for each in suggestions[START:] if each.origin == "sobol"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])
def test_a_plateau_with_a_slope_of_its_own_is_left(seed: int) -> None:
    """The start lies on a plateau that rises a little towards one corner; what is worth finding lies elsewhere."""
    protein, rng, best = Protein(space(5, center=0.35), seed=seed, settings=QUICK), np.random.default_rng(seed), -np.inf
    for _ in range(45):
        suggestion = protein.suggest()
        x = [float(value) for value in suggestion.params.values()]
        score = 0.3 * math.exp(-(((x[0] - 0.1) / 0.15) ** 2)) + 0.1 * rng.standard_normal()
        if x[0] > 0.6 and abs(x[1] - 0.6) < 0.25:
            score += 3.0 - 3.0 * abs(x[2] - 0.7)
        protein.observe(suggestion, score=score)
        best = max(best, score)
    assert best > 1.0


def test_noise_alone_sends_about_one_suggestion_of_three_over_the_whole_space() -> None:
    made = flat(Protein(space(2), settings=QUICK), 50)
    assert not filling(made[:20])
    assert 3 <= len(filling(made)) <= 18
    assert "lost in the noise" in filling(made)[0].reason
    assert filling(made)[0].predicted is not None


def test_a_slope_that_noise_does_not_hide_is_followed() -> None:
    protein, rng, made = Protein(space(4), settings=QUICK), np.random.default_rng(0), []
    for _ in range(32):
        made.append(protein.suggest())
        x = np.array(list(made[-1].params.values()))
        protein.observe(made[-1], score=-float(((x - 0.8) ** 2 * np.arange(1, 5)).sum() ** 0.5) + 1e-3 * rng.random())
    assert not filling(made[:25])


def test_what_costs_more_than_it_may_does_not_fill_the_space() -> None:
    protein = Protein(space(2), settings={**QUICK, "max_suggestion_cost": 6.0, "cost_aware": False})
    made = filling(flat(protein, 50))
    assert made
    assert all(each.predicted is not None and each.predicted.cost <= 6.0 for each in made)


def test_the_order_of_what_is_known_does_not_matter() -> None:
    known = flat(Protein(space(2), settings=QUICK), 30)
    rng = np.random.default_rng(0)
    scores = [float(rng.standard_normal()) for _ in known]
    suggested = []
    for order in (range(30), reversed(range(30))):
        protein = Protein(space(2), settings=QUICK)
        for i in order:
            protein.observe(known[i], score=scores[i], cost=1.0 + 9.0 * known[i].params["p0"])
        suggested.append([(made.origin, made.params) for made in flat(protein, 6, seed=1)])
    assert suggested[0] == suggested[1]
    assert "sobol" in [origin for origin, _ in suggested[0]]
