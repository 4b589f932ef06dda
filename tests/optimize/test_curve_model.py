"""The joint process of curves: its sums are those of the textbook."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from metta_sweep.optimize.protein.curve_likelihood import CurveEvidence, CurveHypers
from metta_sweep.optimize.protein.curve_model import CurveModel
from metta_sweep.optimize.protein.curves import RunCurve, Stages, read_reports
from metta_sweep.optimize.protein.kernel import Geometry

GEOMETRY = Geometry(unordered=(0, 0, 3))
SHARES = np.arange(1, 11) / 10


def codes(count, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.random((count, 2)), rng.integers(0, 3, count)])


def runs(lengths=(10, 10, 3, 4, 10, 1, 10, 6, 10), seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for point, length in zip(codes(len(lengths)), lengths, strict=True):
        scores = SHARES[:length] * (1.0 - point[0]) + 0.1 * rng.standard_normal(length)
        reports = tuple(zip(SHARES[:length].tolist(), scores.tolist(), strict=True))
        made.append(RunCurve(codes=tuple(point.tolist()), reports=reports, ended=length < 10))
    return made


def evidence():
    points = codes(7)
    points[3] = points[4]
    rng = np.random.default_rng(1)
    stages = Stages.of([(SHARES[:k], rng.standard_normal(k)) for k in (10, 10, 3, 4, 10, 1, 6)])
    return CurveEvidence(geometry=GEOMETRY, differences=GEOMETRY.squared_differences(points), stages=stages)


def test_the_gradient_of_the_evidence_is_its_slope():
    told = evidence()
    for shift in (0.0, 0.3, -0.4):
        theta = told.priors.mean + shift
        slope = approx_fprime(theta, lambda at: told.log_posterior_gradient(at)[0], 1e-6)
        assert told.log_posterior_gradient(theta)[1] == pytest.approx(slope, abs=1e-4)


def test_the_evidence_is_the_density_of_the_covariance():
    told = evidence()
    theta = told.priors.mean + 0.1
    covariance, y = told.covariance(CurveHypers(theta=theta)), told.stages.value
    _, volume = np.linalg.slogdet(covariance)
    density = -0.5 * (y @ np.linalg.solve(covariance, y) + volume) + told.priors.log_density(theta)
    assert told.log_posterior_gradient(theta)[0] == pytest.approx(density)


def test_a_forecast_is_what_the_model_would_say_had_it_been_conditioned_on_the_run():
    known, asked = runs()[:-1], runs()[-1]
    model = CurveModel.fit(GEOMETRY, known)
    point = np.array(asked.codes)
    forecast = model.forecast(point, asked.reports[:4])
    told = _conditioned(model, [*known, RunCurve(codes=asked.codes, reports=asked.reports[:4], ended=True)])
    mean, variance = told.finals()
    assert (forecast.mean, forecast.variance) == pytest.approx((mean[-1], variance[-1]))
    assert forecast.run_variance > forecast.variance


def test_what_stands_for_an_ended_run_is_what_all_curves_say_of_its_point():
    model, ended = CurveModel.fit(GEOMETRY, runs()), np.array([run.ended for run in runs()])
    means, noises = model.stand_ins(ended)
    finals, spreads = model.finals()
    assert means == pytest.approx(finals[ended])
    assert (noises >= spreads[ended]).all()


def test_what_close_runs_that_were_ended_say_counts_about_once():
    made = [*runs(), *[RunCurve(codes=(0.5, 0.5, 1.0), reports=((0.1, -1.0),), ended=True)] * 4]
    model, ended = CurveModel.fit(GEOMETRY, made), np.array([run.ended for run in made])
    _, noises = model.stand_ins(ended)
    assert noises[-4:] == pytest.approx(4.0 * model.finals()[1][-4:], rel=0.25)


def _conditioned(model, known):
    """The same process, hyperparameters and units, conditioned on other runs."""
    shares = [np.array([share for share, _ in run.reports]) for run in known]
    scores = [model.score_map.forward(np.array([score for _, score in run.reports])) for run in known]
    points = np.array([run.codes for run in known])
    curves = tuple(zip(shares, scores, strict=True))
    return CurveModel._conditioned(model.geometry, model.score_map, model.hypers, points, curves, model.cuts)


def test_fresh_seeds_of_a_point_share_what_the_point_has_of_its_own():
    """A second run of a point is told of by the first far better than a neighbour is."""
    model = CurveModel.fit(GEOMETRY, runs())
    seen = np.array(runs()[0].codes)
    near = seen + np.array([0.01, 0.01, 0.0])
    assert model.forecast(seen).variance < model.forecast(near).variance


def test_reports_are_thinned_to_their_means_and_the_end_stays_alone():
    stages = Stages.of([(SHARES, SHARES * 10.0)])
    assert stages.value.tolist() == pytest.approx([1.5, 4.0, 7.5, 10.0])
    assert stages.count.tolist() == [2.0, 3.0, 4.0, 1.0]
    assert stages.time[-1] == 0.0


def test_a_report_that_came_twice_counts_as_it_came_last():
    reports, cost = read_reports([(0.1, 1.0, 1.0), (0.2, 2.0, 2.0), (0.2, 3.0, 2.5), (0.3, np.nan, 3.0)], -1.0)
    assert reports == ((0.1, -1.0), (0.2, -3.0))
    assert cost == 3.0


def test_a_share_beyond_the_end_by_rounding_is_the_end():
    assert read_reports([(1.0 + 1e-9, 1.0, 1.0)], 1.0)[0] == ((1.0, 1.0),)


def test_for_a_run_on_its_way_other_curves_are_cut_where_it_ends():
    """What good runs did after a late jump is not held against one that has not come there yet."""
    flat = np.where(SHARES > 0.6, 1.0, 0.0)
    whole = Stages.of([(SHARES, flat)], (0.3 * (1 + 1e-9), 0.6 * (1 + 1e-9)))
    begun = Stages.of([(SHARES[:6], flat[:6])], (0.3 * (1 + 1e-9), 0.6 * (1 + 1e-9)))
    assert whole.value[:2].tolist() == begun.value.tolist() == [0.0, 0.0]
    assert whole.time[:2].tolist() == begun.time.tolist()
