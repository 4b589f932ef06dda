"""Tuned constants by what they are for: intervals that cover, priors that predict."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.optimize.protein import likelihood
from metta_sweep.optimize.protein.fitting import Hypers, most_probable
from metta_sweep.optimize.protein.kernel import Geometry, matern52, scaled_distances
from metta_sweep.optimize.protein.likelihood import Evidence, Priors
from metta_sweep.optimize.protein.posterior import Posterior
from tests.optimize.spaces import between


def smooth(rng, dim):
    """Return a function on the unit cube as training scores look: a hill or two, steeper along some parameters."""
    weights = rng.exponential(1.0, dim)
    tops = rng.random((2, dim))

    def worth(points):
        hills = [np.exp(-(((points - top) ** 2) * weights * 4.0).sum(-1)) for top in tops]
        return hills[0] + 0.5 * hills[1]

    return worth


def log_density(shift, dim, monkeypatch):
    """Return how well a model of few points predicts others near the best, for lengthscales shorter by ``shift``."""
    monkeypatch.setattr(likelihood, "LENGTH_SHIFT", shift)
    geometry, total = Geometry(unordered=(0,) * dim), []
    for seed in range(20):
        rng = np.random.default_rng([dim, seed])
        worth = smooth(rng, dim)
        points = rng.random((10, dim))
        values = worth(points)
        best = points[values.argmax()]
        fresh = np.clip(best + 0.2 * rng.standard_normal((20, dim)), 0.0, 1.0)
        center, spread = values.mean(), values.std()
        targets, none = (values - center) / spread, np.zeros(10)
        evidence = Evidence(
            differences=geometry.squared_differences(points),
            targets=targets,
            known_noise=none,
            priors=Priors.of(geometry),
        )
        hypers = Hypers(theta=most_probable(evidence)[None])
        mean, variance = (each[0] for each in Posterior.of(geometry, hypers, points, targets, none).predict(fresh))
        variance = variance + hypers.noise
        errors = (worth(fresh) - center) / spread - mean
        total.append(float((-0.5 * np.log(variance) - 0.5 * errors**2 / variance).mean()))
    return float(np.mean(total))


def test_neither_shorter_nor_longer_lengthscales_predict_better_near_the_best(monkeypatch):
    tuned = likelihood.LENGTH_SHIFT
    shorter, here, longer = (log_density(tuned + move, 2, monkeypatch) for move in (1.2, 0.0, -1.2))
    assert here > shorter
    assert here > longer


@pytest.mark.parametrize(("dim", "length"), [(1, 0.373), (4, 0.746), (16, 1.492)])
def test_a_lengthscale_is_expected_to_grow_with_the_root_of_the_dimension(dim, length):
    priors = Priors.of(Geometry(unordered=(0,) * dim))
    assert np.exp(priors.mean[:dim]) == pytest.approx(length, abs=1e-3)
    assert priors.deviation[:dim] == pytest.approx(1.0)


def test_a_category_says_less_about_another_one_than_one_end_of_a_range_about_the_other():
    priors = Priors.of(Geometry(unordered=(3, 0, 0, 0)))
    assert np.exp(priors.mean[0]) == pytest.approx(0.607, abs=1e-3)
    assert priors.mean[0] < priors.mean[1]


def draw_of_the_prior(rng, dim):
    """Return a function drawn from the model's own prior."""
    priors = Priors.of(Geometry(unordered=(0,) * dim))
    lengths = np.exp(priors.mean[:dim] + priors.deviation[:dim] * 0.5 * rng.standard_normal(dim))
    anchors = rng.random((60, dim))
    factor = np.linalg.cholesky(matern52(scaled_distances(anchors / lengths, anchors / lengths)) + 1e-6 * np.eye(60))
    weights = np.linalg.solve(factor.T, rng.standard_normal(60))
    return lambda point: float(matern52(scaled_distances(point[None] / lengths, anchors / lengths))[0] @ weights)


@pytest.mark.slow
def test_intervals_of_suggestions_cover_what_they_say():
    """Nine in ten outcomes lie in the 90% interval of a suggestion, though it is where the model hopes most."""
    inside = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        worth = draw_of_the_prior(rng, 3)
        settings = {"hyper_samples": 3, "candidates": 100}
        protein = Protein({f"p{i}": between(0.0, 1.0) for i in range(3)}, seed=seed, settings=settings)
        for _ in range(12):
            suggestion = protein.suggest()
            score = worth(np.array(list(suggestion.params.values()))) + 0.1 * float(rng.standard_normal())
            if suggestion.predicted is not None:
                inside.append(suggestion.predicted.score_low <= score <= suggestion.predicted.score_high)
            protein.observe(suggestion, score)
    assert 0.84 <= np.mean(inside) <= 0.97
