"""The search for the best candidate."""

import numpy as np
import pytest
from scipy.optimize import minimize

from metta_sweep.optimize.protein.acquisition import Acquisition
from metta_sweep.optimize.protein.history import CodedObservation, History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.search import Search
from metta_sweep.space import SearchSpace


def space_of(dim, constraints=()):
    leaves = {f"p{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0} for i in range(dim)}
    return SearchSpace.parse(leaves, constraints)


def searching(space, seed=0, runs=16):
    """Return a search after so many runs of a bowl whose parameters matter less and less."""
    rng = np.random.default_rng(7)
    points = space.sample(runs, rng)
    scores = -((points - 0.6) ** 2) @ 0.8 ** np.arange(space.dim)
    seen = [
        CodedObservation(codes=tuple(x), score=float(y), cost=1.0) for x, y in zip(points.tolist(), scores, strict=True)
    ]
    history = History.of(seen, space.dim)
    model = Model.fit(Geometry.of(space), history, np.empty((0, space.dim)), 4, np.random.default_rng(1))
    acquisition = Acquisition(
        model=model,
        breadth=0.0,
        cost_power=0.0,
        prior_center=space.center_codes,
        prior_weight=np.zeros(space.dim),
        least_chance=0.0,
        max_cost=None,
    )
    best_first = history.points[np.argsort(-history.scores)]
    return Search(
        space=space, acquisition=acquisition, taken=points, elite=best_first[:5], rng=np.random.default_rng(seed)
    )


def climbed(search, starts):
    """Return the highest value that L-BFGS reaches from the best of many points."""
    acquisition, space = search.acquisition, search.space
    pool = space.sample(2000, np.random.default_rng(3))
    tops = pool[np.argsort(-acquisition.value(pool))[:starts]]

    def loss(x):
        return -float(acquisition.value(x[None])[0]), -acquisition.gradient(x[None])[0]

    return max(-minimize(loss, x, jac=True, bounds=[(0, 1)] * space.dim, method="L-BFGS-B").fun for x in tops)


@pytest.mark.slow
@pytest.mark.parametrize("dim", [2, 5, 20])
def test_the_search_climbs_as_high_as_a_gradient_method_in_few_and_many_dimensions(dim):
    search = searching(space_of(dim))
    found = search.acquisition.value(search.best(600)[None])[0]
    assert found > climbed(search, starts=8) - 0.04


@pytest.mark.slow
def test_the_search_stays_inside_the_constraints():
    space = space_of(4, constraints=["p0 + p1 < 0.8"])
    for seed in range(4):
        found = searching(space, seed).best(100)
        assert found[0] + found[1] < 0.8


def test_the_search_comes_no_nearer_to_a_taken_point_than_a_run_could_tell():
    search = searching(space_of(2))
    best = search.best(200)
    beside = Search(
        space=search.space,
        acquisition=search.acquisition,
        taken=np.concatenate([search.taken, best[None]]),
        elite=search.elite,
        rng=np.random.default_rng(0),
    )
    again = beside.best(200)
    assert np.abs(beside.taken - again).max(axis=1).min() > 0.004
