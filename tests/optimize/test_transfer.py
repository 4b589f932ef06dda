"""What other sweeps know: evidence that the sweep's own runs weigh, never an observation."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.optimize.port import SearchTask, Source, SourceRun
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import Model
from metta_sweep.optimize.registry import from_json, to_json
from metta_sweep.space import SearchSpace

SPACE = {
    "x": {"min": 0.0, "max": 1.0, "distribution": "uniform"},
    "lr": {"min": 1e-4, "max": 1e-1, "distribution": "log_normal"},
    "kind": {"values": ["a", "b", "c"]},
}


def value(params, *, peak=0.2):
    away = (params.get("x", peak) - peak) ** 2 + 0.1 * (np.log10(params.get("lr", 1e-3)) + 3.0) ** 2
    return -float(away) - 0.1 * (params.get("kind", "b") != "b")


def source(*names, sign=1.0, count=20, name="old", seed=0, low=0.0, high=1.0):
    rng = np.random.default_rng(seed)
    drawn = [
        {
            "x": float(rng.uniform(low, high)),
            "lr": float(10 ** rng.uniform(-4, -1)),
            "kind": str(rng.choice(["a", "b", "c"])),
            "theirs": float(rng.random()),
        }
        for _ in range(count)
    ]
    points = [{key: point[key] for key in names or SPACE} for point in drawn]
    return Source(name=name, runs=tuple(SourceRun(params=point, metric=sign * value(point)) for point in points))


def searched(sources, *, rollouts, seed=0, goal="maximize", peak=0.2):
    protein = Protein(SPACE, goal=goal, seed=seed, sources=sources)
    sign = 1.0 if goal == "maximize" else -1.0
    for _ in range(rollouts):
        point = protein.suggest().params
        protein.observe(point, sign * value(point, peak=peak))
    return protein


def best_of(sources, *, rollouts, seed=0, peak=0.2):
    protein = Protein(SPACE, seed=seed, sources=sources)
    found = []
    for _ in range(rollouts):
        point = protein.suggest().params
        found.append(value(point, peak=peak))
        protein.observe(point, found[-1])
    return max(found)


@pytest.mark.slow
def test_a_source_of_the_same_task_is_better_than_none_from_the_first_run_on():
    for rollouts in (1, 4):
        warm = np.mean([best_of([source()], rollouts=rollouts, seed=seed) for seed in range(3)])
        cold = np.mean([best_of([], rollouts=rollouts, seed=seed) for seed in range(3)])
        assert warm > cold


@pytest.mark.slow
@pytest.mark.parametrize("names", [("x",), ("lr", "kind"), ("x", "theirs")])
def test_a_source_may_share_some_of_the_parameters_only(names):
    protein = searched([source(*names)], rollouts=4)
    (worth,) = protein.worth_of_sources()
    assert worth.parameters == tuple(name for name in SPACE if name in names)
    assert protein.suggest().origin == "protein"


@pytest.mark.slow
def test_an_opposite_source_loses_its_word_and_the_best_is_found_all_the_same():
    wrong = source(sign=-1.0)
    found = [best_of([wrong], rollouts=10, seed=seed) for seed in range(3)]
    cold = [best_of([], rollouts=10, seed=seed) for seed in range(3)]
    assert np.mean(found) > np.mean(cold) - 0.02
    assert searched([wrong], rollouts=8).worth_of_sources()[0].agreed < 0.5


def test_no_run_of_a_source_is_ever_the_best_or_an_observation():
    protein = searched([source(count=30)], rollouts=3)
    history = protein._history()
    assert history.count == 3
    model = Model.fit(
        Geometry.of(protein.space), history, np.empty((0, 3)), 2, np.random.default_rng(0), protein._trend
    )
    assert any(np.allclose(model.best_point, point) for point in history.points)


@pytest.mark.slow
def test_the_order_of_a_sources_runs_changes_nothing():
    one = source()
    other = Source(name=one.name, runs=tuple(reversed(one.runs)))
    assert searched([one], rollouts=3).suggest() == searched([other], rollouts=3).suggest()


@pytest.mark.slow
def test_a_minimized_metric_is_the_same_search():
    up, down = source(), source(sign=-1.0)
    maximized, minimized = (
        searched(sources, rollouts=3, goal=goal).suggest().params
        for sources, goal in (([up], "maximize"), ([down], "minimize"))
    )
    assert maximized == minimized


def test_the_gradients_of_a_model_with_sources_are_those_of_its_values():
    protein = searched([source("x", "lr"), source("lr", sign=-1.0, name="other")], rollouts=5)
    model = Model.fit(
        Geometry.of(protein.space), protein._history(), np.empty((0, 3)), 2, np.random.default_rng(0), protein._trend
    )
    points = protein.space.sample(4, np.random.default_rng(1))
    _, _, by_mean, by_variance = model.metric.score.predict_with_gradient(points)
    for axis in (0, 1):
        step = np.eye(3)[axis] * 1e-6
        ahead, behind = model.metric.score.predict(points + step), model.metric.score.predict(points - step)
        assert np.allclose((ahead[0] - behind[0]) / 2e-6, by_mean[..., axis], atol=1e-5)
        assert np.allclose((ahead[1] - behind[1]) / 2e-6, by_variance[..., axis], atol=1e-5)


@pytest.mark.parametrize(
    "nothing",
    [
        Source(name="few", runs=source().runs[:3]),
        Source(name="flat", runs=tuple(SourceRun(params=run.params, metric=1.0) for run in source().runs)),
        Source(name="elsewhere", runs=source("theirs").runs),
        Source(name="far", runs=source("x", low=40.0, high=50.0).runs),
    ],
    ids=lambda one: one.name,
)
def test_a_source_that_says_nothing_leaves_the_search_as_it_is(nothing):
    warm, cold = searched([nothing], rollouts=5), searched([], rollouts=5)
    assert warm.suggest() == cold.suggest()
    assert warm.worth_of_sources()[0].used == 0


def test_runs_outside_the_ranges_and_of_unknown_values_do_no_harm():
    beyond = source("x", "lr", low=-0.5, high=1.5)
    strange = tuple(SourceRun(params={**run.params, "kind": "z"}, metric=run.metric) for run in source().runs[:5])
    failed = tuple(SourceRun(params=run.params, metric=None) for run in source(seed=3).runs[:5])
    protein = searched([Source(name="mixed", runs=(*beyond.runs, *strange, *failed))], rollouts=3)
    assert protein.space.is_feasible(protein.suggest().params)
    (worth,) = protein.worth_of_sources()
    assert worth.used == worth.runs - len(strange)


def test_sources_go_with_the_task_to_the_optimizers_own_process():
    task = SearchTask(space=SearchSpace.parse(SPACE), goal="maximize", seed=1, sources=(source(count=5),))
    _, told = from_json(to_json("protein", task))
    assert told.sources == task.sources


def test_every_pending_point_is_passed_over():
    protein = Protein(SPACE, sources=[source()])
    pending = []
    for _ in range(5):
        pending.append(protein.suggest(pending).params)
    assert len({repr(point) for point in pending}) == 5


def test_the_first_point_is_at_the_center_of_what_no_source_knows_and_says_who_proposed_it():
    first = Protein(SPACE, sources=[source("lr")]).suggest()
    assert first.params["x"] == 0.5
    assert first.reason == "predicted to be good by old"
    two = Protein(SPACE, sources=[source("lr"), source("x", name="other")]).suggest()
    assert two.reason.startswith("predicted to be good by 2 source sweeps, by ")
