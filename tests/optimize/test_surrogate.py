"""The Cholesky core computes what gpytorch computes, and its gradients are the slopes of its values."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from metta_sweep.optimize.protein.acquisition import Acquisition, log_improvement
from metta_sweep.optimize.protein.fitting import Hypers, most_probable, samples
from metta_sweep.optimize.protein.history import CodedObservation, History
from metta_sweep.optimize.protein.kernel import Geometry, matern52, pairs, scaled_distances
from metta_sweep.optimize.protein.likelihood import Evidence, Priors
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.protein.posterior import FitError, Posterior
from metta_sweep.space import SearchSpace

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # gpytorch's own use of torch.jit, at import
    from metta_sweep.optimize.protein.surrogate import ReferenceProcess

SPACE = SearchSpace.parse(
    {
        "lr": {"distribution": "log_normal", "min": 1e-5, "max": 1e-1},
        "kind": {"values": ["a", "b", "c"]},
        "cells": {"distribution": "uniform_pow2", "min": 16, "max": 128, "when": {"kind": "b"}},
        "rate": {"distribution": "uniform", "min": 0.0, "max": 1.0},
    }
)
GEOMETRY = Geometry.of(SPACE)


def data(count=20, seed=0):
    rng = np.random.default_rng(seed)
    points = SPACE.sample(count, rng)
    targets = np.sin(5 * points[:, 0]) + 0.3 * points[:, 1] + 0.1 * rng.standard_normal(count)
    return points, targets - targets.mean(), 0.01 * rng.random(count)


def some_hypers(count=3, seed=1):
    return Hypers(theta=np.random.default_rng(seed).normal(-0.5, 0.7, size=(count, GEOMETRY.dim + 2)))


def evidence_of(points, targets, noise):
    return Evidence(
        differences=GEOMETRY.pair_differences(points),
        targets=targets,
        known_noise=noise,
        priors=Priors.of(GEOMETRY),
    )


@pytest.mark.slow
def test_the_posterior_is_gpytorchs():
    points, targets, noise = data()
    fresh, hypers = SPACE.sample(30, np.random.default_rng(5)), some_hypers()
    mean, variance = Posterior.of(GEOMETRY, hypers, points, targets, noise).predict(fresh)
    expected_mean, expected_variance = ReferenceProcess(GEOMETRY, hypers, points, targets, noise).posterior(fresh)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(variance, expected_variance, rtol=1e-5, atol=1e-7)


def test_the_log_posterior_is_gpytorchs():
    points, targets, noise = data()
    evidence, hypers = evidence_of(points, targets, noise), some_hypers(5)
    expected = ReferenceProcess(GEOMETRY, hypers, points, targets, noise).log_posterior(evidence.priors, hypers.theta)
    np.testing.assert_allclose([evidence.log_posterior(each) for each in hypers.theta], expected, rtol=1e-8)


def test_using_gpytorch_leaves_torchs_generator_alone():
    points, targets, noise = data()
    before = torch.get_rng_state()
    ReferenceProcess(GEOMETRY, some_hypers(), points, targets, noise).posterior(
        SPACE.sample(4, np.random.default_rng(0))
    )
    assert torch.equal(before, torch.get_rng_state())


class Wave:
    """A mean of two basis functions."""

    variance = 0.7

    def basis(self, points):
        return np.stack([np.sin(3.0 * points[:, 0]), points[:, 3] ** 2])

    def offset(self, basis):
        return basis.mean(0)


@pytest.mark.parametrize("has_trend", [False, True])
def test_the_gradient_of_the_log_posterior_is_its_slope(has_trend):
    points, targets, noise = data()
    evidence = evidence_of(points, targets, noise)
    if has_trend:
        evidence = replace(evidence, mean_covariance=1.0 + Wave().basis(points).T @ Wave().basis(points))
    theta = some_hypers().theta[0]
    value, gradient = evidence.log_posterior_gradient(theta)
    assert value == pytest.approx(evidence.log_posterior(theta), rel=1e-10)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        slope = (evidence.log_posterior(theta + step) - evidence.log_posterior(theta - step)) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("trend", [None, Wave()], ids=["constant", "trend"])
def test_the_mean_alone_is_that_of_a_prediction_however_many_points_are_asked_for(trend):
    points, targets, noise = data()
    posterior = Posterior.of(GEOMETRY, some_hypers(), points, targets, noise, trend)
    at = SPACE.sample(600, np.random.default_rng(7))
    mean, variance = posterior.predict(at)
    np.testing.assert_allclose(posterior.mean(at), mean, atol=1e-12)
    few = np.concatenate([np.stack(posterior.predict(part)) for part in np.array_split(at, 7)], axis=2)
    np.testing.assert_allclose(few, [mean, variance], atol=1e-12)
    assert posterior.mean(at[:0]).shape == (3, 0)


def test_the_gradient_of_the_posterior_is_its_slope():
    points, targets, noise = data()
    posterior = Posterior.of(GEOMETRY, some_hypers(), points, targets, noise)
    at = SPACE.sample(6, np.random.default_rng(7))
    mean, variance, by_mean, by_variance = posterior.predict_with_gradient(at)
    np.testing.assert_allclose(mean, posterior.predict(at)[0])
    np.testing.assert_allclose(variance, posterior.predict(at)[1])
    for i in GEOMETRY.numeric:
        step = np.zeros(GEOMETRY.dim)
        step[i] = 1e-5
        above, below = posterior.predict(at + step), posterior.predict(at - step)
        np.testing.assert_allclose(by_mean[..., i], (above[0] - below[0]) / 2e-5, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(by_variance[..., i], (above[1] - below[1]) / 2e-5, rtol=1e-3, atol=1e-5)
    assert not by_mean[..., 1].any()


def model_with_failures():
    points, targets, _ = data(15)
    good = [
        CodedObservation(codes=tuple(row), score=float(score), cost=float(np.exp(row[3])))
        for row, score in zip(points, targets, strict=True)
    ]
    bad = [CodedObservation(codes=tuple(row), score=None, cost=None) for row in data(4, seed=9)[0]]
    history = History.of([*good, *bad], SPACE.dim)
    return Model.fit(GEOMETRY, history, SPACE.sample(2, np.random.default_rng(3)), 4, np.random.default_rng(0))


@pytest.mark.parametrize("breadth", [0.0, 0.9])
def test_the_gradient_of_the_acquisition_is_its_slope(breadth):
    acquisition = Acquisition(
        model=model_with_failures(),
        breadth=breadth,
        cost_power=0.7,
        prior_center=SPACE.center_codes,
        prior_weight=np.full(SPACE.dim, 0.1) * (np.array(GEOMETRY.unordered) == 0),
        least_chance=0.0,
        max_cost=None,
    )
    at = SPACE.sample(6, np.random.default_rng(7))
    gradient = acquisition.gradient(at)
    for i in GEOMETRY.numeric:
        step = np.zeros(GEOMETRY.dim)
        step[i] = 1e-6
        slope = (acquisition.value(at + step) - acquisition.value(at - step)) / 2e-6
        np.testing.assert_allclose(gradient[:, i], slope, rtol=1e-3, atol=1e-4)


def test_a_cost_cap_forbids_what_is_expected_to_cost_more():
    model = model_with_failures()
    acquisition = Acquisition(
        model=model,
        breadth=0.0,
        cost_power=0.0,
        prior_center=SPACE.center_codes,
        prior_weight=np.zeros(SPACE.dim),
        least_chance=0.0,
        max_cost=float(model.cost_map.forward(np.array([1.5]))[0]),
    )
    at = SPACE.sample(200, np.random.default_rng(7))
    costs = model.cost_map.inverse(model.cost.predict(at)[0][0])
    assert np.isneginf(acquisition.value(at)[costs > 1.51]).all()
    assert np.isfinite(acquisition.value(at)[costs < 1.49]).all()


@pytest.mark.slow
def test_log_improvement_is_right_near_0_and_finite_far_away():
    from scipy.integrate import quad
    from scipy.stats import norm

    for z in (-6.0, -1.5, -1.0, -0.5, 0.0, 2.0):
        expected = quad(lambda u, z=z: max(0.0, z + u) * norm.pdf(u), -10, 10, points=[-z])[0]
        assert float(log_improvement(np.array(z))) == pytest.approx(np.log(expected), rel=1e-6)
    far = log_improvement(np.array([-1e6, -1e4, -1e3, -100.0, -30.0]))
    assert np.isfinite(far).all()
    assert (np.diff(far) > 0).all()


def test_distances_by_parameter_add_up_to_distances_by_feature():
    points, _, _ = data()
    hypers = some_hypers(1)
    features = GEOMETRY.features(points) / hypers.lengthscales[0, GEOMETRY.owner]
    summed = np.tensordot(hypers.lengthscales[0] ** -2.0, GEOMETRY.squared_differences(points), axes=1)
    np.testing.assert_allclose(scaled_distances(features, features), summed, atol=1e-12)


def test_pairs_differ_as_they_do_in_the_whole_table():
    points, _, _ = data(7)
    table = GEOMETRY.squared_differences(points)
    np.testing.assert_allclose(GEOMETRY.pair_differences(points), table[:, *pairs(7)])


def test_two_categories_are_one_apart_whichever_they_are():
    points = np.array([[0.5, kind, 0.5, 0.5] for kind in (0.0, 1.0, 2.0)])
    apart = GEOMETRY.squared_differences(points)[1]
    np.testing.assert_allclose(apart, 1.0 - np.eye(3))


def test_the_kernel_is_1_at_0_and_falls():
    values = matern52(np.linspace(0.0, 9.0, 50))
    assert values[0] == 1.0
    assert (np.diff(values) < 0).all()


def test_the_mode_is_no_worse_than_the_prior_mean_and_samples_scatter_around_it():
    evidence = evidence_of(*data(40))
    mode = most_probable(evidence)
    assert evidence.log_posterior(mode) > evidence.log_posterior(evidence.priors.mean)
    kept = samples(evidence, mode, 30, np.random.default_rng(0))
    levels = [evidence.log_posterior(each) for each in kept]
    assert max(levels) <= evidence.log_posterior(mode) + 1e-3
    assert np.mean(levels) > evidence.log_posterior(mode) - 3 * len(mode)
    assert len(np.unique(kept[:, 0])) > 15


@pytest.mark.slow
def test_without_data_samples_follow_the_prior():
    evidence = evidence_of(np.zeros((0, GEOMETRY.dim)), np.zeros(0), np.zeros(0))
    priors = evidence.priors
    kept = samples(evidence, priors.mean.copy(), 600, np.random.default_rng(0))
    np.testing.assert_allclose(kept.mean(0), priors.mean, atol=0.4)
    np.testing.assert_allclose(kept.std(0), priors.deviation, rtol=0.2)


def test_a_covariance_that_cannot_be_factored_is_a_fit_error():
    points, targets, _ = data()
    broken = Hypers(theta=np.full((1, GEOMETRY.dim + 2), np.nan))
    with pytest.raises(FitError, match="not positive definite"):
        Posterior.of(GEOMETRY, broken, points, targets, np.zeros(len(points)))
