"""Laws of runs that are not finished: nothing is known of their scores, but nothing new is to be found there."""

from __future__ import annotations

import numpy as np

from metta_sweep.optimize.protein import model
from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.posterior import Posterior

NUMBERS = Geometry(unordered=(0, 0))
RNG = np.random.default_rng(0)
POINTS, PENDING, ANYWHERE = RNG.random((12, 2)), RNG.random((4, 2)), RNG.random((50, 2))
THETA = np.log([[0.4, 0.7, 1.0, 0.01], [1.0, 0.2, 2.0, 1e-6]])
OBSERVED = Posterior.of(NUMBERS, Hypers(theta=THETA), POINTS, np.sin(4.0 * POINTS[:, 0]), np.zeros(12))


def test_a_pending_run_moves_no_expectation():
    mean, _ = OBSERVED.predict(ANYWHERE)
    np.testing.assert_allclose(model._with_pending(OBSERVED, PENDING).predict(ANYWHERE)[0], mean, atol=1e-5)


def test_a_pending_run_leaves_less_to_find_everywhere_and_nothing_but_noise_where_it_is():
    after = model._with_pending(OBSERVED, PENDING)
    _, wide = OBSERVED.predict(ANYWHERE)
    assert (after.predict(ANYWHERE)[1] <= wide + 1e-6).all()
    assert (after.predict(PENDING)[1] <= OBSERVED.hypers.noise[:, None] + 1e-6).all()


def test_without_pending_runs_nothing_changes():
    assert model._with_pending(OBSERVED, np.zeros((0, 2))) is OBSERVED
