"""Tuned constants by what they are for: intervals that cover, priors that predict, caution that grows with failures."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.optimize.protein import ProteinSettings, likelihood, proposal
from metta_sweep.optimize.protein.curves import RunCurve
from metta_sweep.optimize.protein.fitting import Hypers, most_probable
from metta_sweep.optimize.protein.history import CodedObservation, History
from metta_sweep.optimize.protein.kernel import Geometry, matern52, scaled_distances
from metta_sweep.optimize.protein.likelihood import Evidence, Priors
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.posterior import Posterior
from metta_sweep.space import SearchSpace
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
            differences=geometry.pair_differences(points),
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


@pytest.mark.slow
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


def acquisition_after(failures, successes=10):
    """Return what the model weighs after so many failures along one side of a square."""
    space = SearchSpace.parse({"a": between(0.0, 1.0), "b": between(0.0, 1.0)})
    rng = np.random.default_rng(0)
    seen = [CodedObservation(codes=(0.5 * a, b), score=a, cost=1.0) for a, b in rng.random((successes, 2)).tolist()]
    seen += [
        CodedObservation(codes=(0.8 + 0.2 * a, b), score=None, cost=None) for a, b in rng.random((failures, 2)).tolist()
    ]
    history = History.of(seen, 2)
    model = Model.fit(Geometry.of(space), history, np.empty((0, 2)), 2, rng)
    return proposal._acquisition(space, ProteinSettings(), history, model)


@pytest.mark.parametrize(("failures", "chance"), [(0, 0.25), (1, 0.477), (2, 0.667), (3, 0.75), (10, 0.75)])
def test_the_more_runs_have_failed_the_surer_the_next_must_be(failures, chance):
    assert acquisition_after(failures).least_chance == pytest.approx(chance, abs=1e-3)


def thrift_after(rollouts, **settings):
    """Return the power of the cost after so many rollouts of two seconds each, one of them failed."""
    seen = [CodedObservation(codes=(k / 100,), score=k / 100, cost=2.0) for k in range(rollouts - 1)]
    history = History.of([*seen, CodedObservation(codes=(1.0,), score=None, cost=None)], 1)
    return proposal._thrift(ProteinSettings(**settings), history)[1]


def test_money_that_ends_a_search_before_its_rollouts_is_looked_after_as_long_as_some_is_left():
    powers = [thrift_after(count, planned_rollouts=50, planned_cost=40.0) for count in (5, 10, 15, 20, 25)]
    assert powers == pytest.approx([0.75, 0.5, 0.25, 0.0, 0.0])


def test_money_that_reaches_further_than_the_rollouts_changes_nothing():
    enough, unknown = ({"planned_rollouts": 10, "planned_cost": 20.0}, {"planned_rollouts": 10})
    assert [thrift_after(count, **enough) for count in (3, 5, 8)] == [
        thrift_after(count, **unknown) for count in (3, 5, 8)
    ]


def test_a_run_that_was_ended_early_has_cost_what_it_did():
    ended = RunCurve(codes=(0.5,), reports=((0.5, 1.0),), cost=3.0, ended=True)
    assert History.of([CodedObservation(codes=(0.1,), score=0.0, cost=2.0)], 1, [ended]).spent == pytest.approx(5.0)


def test_no_improvement_outweighs_a_chance_that_is_too_small():
    weighed = acquisition_after(4)
    points = np.random.default_rng(1).random((200, 2))
    chance, value = weighed.model.chance_of_success(points), weighed.value(points)
    risky, safe = chance < weighed.least_chance - 0.1, chance > weighed.least_chance
    assert risky.any()
    assert safe.any()
    assert value[risky].max() < value[safe].max() - 50.0


def test_a_model_of_fewer_than_four_rollouts_expects_nothing():
    protein = Protein({"a": between(0.0, 1.0)})
    for count in range(1, 5):
        protein.tell(protein.ask(), score=float(count))
        assert (protein.expect([{"a": 0.5}]) is None) == (count < 4)


@pytest.mark.slow
def test_asking_and_telling_are_suggesting_and_observing_with_suggestions_or_plain_values():
    by_suggestion, by_values = (Protein({"a": between(0.0, 1.0)}, seed=1) for _ in range(2))
    for count in range(6):
        asked, suggested = by_suggestion.ask(), by_values.suggest()
        assert asked == suggested
        assert by_suggestion.ask(pending=[asked]) == by_values.suggest(pending=[dict(suggested.params)])
        if count == 2:
            by_suggestion.observe_failure(asked)
            by_values.observe_failure(suggested.params)
        else:
            by_suggestion.tell(asked, float(count))
            by_values.observe(suggested.params, score=float(count), cost=1.0)
    assert by_suggestion.expect([asked]) == by_values.expect([asked.params])
