"""Very many observations: which of them the models are conditioned on."""

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.optimize.protein import history
from metta_sweep.optimize.protein.covering import worth_conditioning_on
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.search import Search
from metta_sweep.space import SearchSpace

SPACE = {"a": {"distribution": "uniform", "min": 0.0, "max": 1.0}, "b": {"values": ["x", "y"]}}
RNG = np.random.default_rng(0)


def test_few_observations_are_all_kept() -> None:
    assert worth_conditioning_on(RNG.random((5, 2)), RNG.random((5, 1)), 5).tolist() == [0, 1, 2, 3, 4]


def test_the_best_of_every_metric_are_kept() -> None:
    scores = RNG.random((200, 2))
    kept = worth_conditioning_on(RNG.random((200, 3)), scores, 20)
    assert len(set(kept.tolist())) == 20
    assert {*np.argsort(-scores[:, 0])[:4], *np.argsort(-scores[:, 1])[:4]} <= set(kept.tolist())


def test_what_lies_far_from_all_others_is_kept_though_it_is_bad() -> None:
    points = np.concatenate([0.01 * RNG.random((100, 2)), [[1.0, 1.0]]])
    assert 100 in worth_conditioning_on(points, np.append(RNG.random(100), -1.0)[:, None], 10)


def test_points_that_are_all_the_same_are_thinned_all_the_same() -> None:
    assert len(set(worth_conditioning_on(np.zeros((50, 2)), RNG.random((50, 1)), 10).tolist())) == 10


def taught(count: int, order: int = 1) -> Protein:
    protein, rng = Protein(SPACE, seed=1), np.random.default_rng(2)
    seen = [({"a": float(a), "b": "xy"[k % 2]}, float(-((a - 0.3) ** 2))) for k, a in enumerate(rng.random(count))]
    for params, score in seen[::order]:
        protein.observe(params, score=score, cost=2.0)
    protein.observe_failure({"a": 1.0, "b": "x"})
    return protein


def test_a_thinned_history_knows_how_much_there_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 20)
    whole = taught(60)._history()
    thin = whole.thinned(Geometry.of(Protein(SPACE).space))
    assert (len(thin.points), thin.scores.max()) == (20, whole.scores.max())
    assert (thin.count, thin.money, thin.spent) == (whole.count, whole.money, pytest.approx(whole.spent))


def test_order_makes_no_difference_to_what_is_kept_and_no_point_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 20)
    forwards, backwards = taught(60).suggest(), taught(60, -1).suggest()
    assert forwards == backwards
    tried = [seen.codes for seen in taught(60)._observations]
    codes = Protein(SPACE).space.encode(forwards.params)
    assert np.abs(np.array(tried) - codes).max(axis=1).min() > 0.004


def test_a_point_is_new_where_it_differs_from_every_taken_one() -> None:
    taken = np.array([[0.5, 0.0], [0.2, 1.0]])
    search = Search(space=SearchSpace.parse(SPACE), acquisition=None, taken=taken, elite=taken, rng=RNG)  # type: ignore[arg-type]
    points = np.array([[0.5, 0.0], [0.5039, 0.0], [0.5041, 0.0], [0.5, 1.0]])
    assert search._is_new(points).tolist() == [False, False, True, True]
