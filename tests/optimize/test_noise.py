"""Laws of the scores that lie behind the noise: drawn as the process says, and exact where there is no noise."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep.optimize.protein import model
from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry, matern52, scaled_distances
from metta_sweep.optimize.protein.likelihood import MEAN_VARIANCE
from metta_sweep.optimize.protein.posterior import Posterior

NUMBERS = Geometry(unordered=(0, 0))
RNG = np.random.default_rng(0)
POINTS = RNG.random((24, 2))
TARGETS = np.sin(4.0 * POINTS[:, 0]) + 0.3 * RNG.standard_normal(24)


def posterior(noise: float, samples: int, count: int = 24) -> Posterior:
    theta = np.tile(np.log([0.4, 0.7, 1.0, noise]), (samples, 1))
    return Posterior.of(NUMBERS, Hypers(theta=theta), POINTS[:count], TARGETS[:count], np.zeros(count))


def test_scores_behind_the_noise_are_drawn_as_the_process_says():
    observed = posterior(0.09, samples=600)
    drawn = model._without_noise(observed, np.random.default_rng(1)).targets
    scaled = POINTS / np.array([0.4, 0.7])
    prior = matern52(scaled_distances(scaled, scaled)) + MEAN_VARIANCE
    gain = prior @ np.linalg.inv(prior + 0.09 * np.eye(24))
    mean, covariance = gain @ TARGETS, prior - gain @ prior
    assert np.abs(drawn.mean(0) - mean).max() < 5.0 * np.sqrt(covariance.max() / 600)
    assert np.abs(np.cov(drawn.T) - covariance).max() < 0.3 * covariance.max()


def test_an_exact_score_stays_what_it_is():
    exact = model._without_noise(posterior(1e-8, samples=3), np.random.default_rng(1))
    assert np.abs(exact.targets - TARGETS).max() < 1e-3


def test_improvement_is_not_over_a_lucky_run():
    lucky = TARGETS.copy()
    lucky[3] = 6.0
    theta = np.tile(np.log([0.4, 0.7, 1.0, 0.3]), (200, 1))
    observed = Posterior.of(NUMBERS, Hypers(theta=theta), POINTS, lucky, np.zeros(24))
    behind = model._without_noise(observed, np.random.default_rng(2))
    best = behind.targets.max(1)
    assert best.max() < 6.0
    assert best.std() > 0.05, "what the best may have been, a little else each time"
    assert behind.predict(POINTS)[1].max() < 1e-3, "beside a point that has been run there is nothing left to find"


@pytest.mark.parametrize("count", [model.NOISY_FROM - 1, model.FIT_POINTS + 1])
def test_few_runs_and_many_are_taken_at_their_word(count):
    points = np.random.default_rng(3).random((count, 2))
    theta = np.tile(np.log([0.4, 0.7, 1.0, 0.1]), (2, 1))
    observed = Posterior.of(NUMBERS, Hypers(theta=theta), points, points.sum(1), np.zeros(count))
    assert model._without_noise(observed, np.random.default_rng(4)) is observed
