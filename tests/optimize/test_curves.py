"""Learning curves: one run stands for shorter ones too."""

import math

import pytest

from metta_sweep import Protein
from metta_sweep.optimize.protein import ProteinSettings
from metta_sweep.optimize.protein.history import read_curve
from metta_sweep.space import SearchSpace

PARAMETERS = {
    "trainer.total_timesteps": {"distribution": "log_normal", "min": 1000, "max": 100_000, "integer": True},
    "lr": {"distribution": "uniform", "min": 0.0, "max": 1.0},
}


def curve_of(steps, lr):
    """What a run of so many steps reports on its way: share of its length, score, seconds."""
    return [(at / steps, score_of(at, lr), at / 100) for at in range(steps // 8, steps + 1, steps // 8)]


def score_of(steps, lr):
    return (1 - (lr - 0.6) ** 2) * math.log10(steps)


def test_a_curve_gives_points_at_a_quarter_and_a_half_of_the_length():
    space = SearchSpace.parse(PARAMETERS)
    codes = tuple(space.encode({"trainer.total_timesteps": 80_000, "lr": 0.5}).tolist())
    found = read_curve(space, codes, "trainer.total_timesteps", curve_of(80_000, 0.5), 1.0)
    assert [space.decode(each.codes)["trainer.total_timesteps"] for each in found] == [20_000, 40_000]
    assert [each.score for each in found] == [score_of(20_000, 0.5), score_of(40_000, 0.5)]
    assert [each.cost for each in found] == [200.0, 400.0]
    assert all(each.partial for each in found)


@pytest.mark.parametrize(
    "curve",
    [
        [(0.125, math.nan, 1.0)],
        [(0.125, 1.0, 0.0)],
        [(0.00125, 1.0, 1.0)],
        [(1.0, 1.0, 1.0)],
    ],
)
def test_what_stands_for_no_shorter_run_of_the_space_is_passed_over(curve):
    space = SearchSpace.parse(PARAMETERS)
    codes = tuple(space.encode({"trainer.total_timesteps": 80_000, "lr": 0.5}).tolist())
    assert read_curve(space, codes, "trainer.total_timesteps", curve, 1.0) == []
    assert read_curve(space, codes, "unknown", curve_of(80_000, 0.5), 1.0) == []


def test_points_of_curves_are_no_rollouts():
    protein = Protein(PARAMETERS, seed=0)
    params = dict(protein.suggest().params)
    protein.observe(params, score=1.0, cost=1.0, curve=curve_of(params["trainer.total_timesteps"], params["lr"]))
    history = protein._history()
    assert history.count == history.rollouts == 1
    assert len(history.points) == 3
    assert len(history.all_points) == 1
    assert protein.suggest().origin == "sobol"


@pytest.mark.slow
def test_a_curve_narrows_what_is_expected_of_shorter_runs():
    spread = []
    for curved in (False, True):
        protein = Protein(PARAMETERS, seed=0, settings=ProteinSettings(num_random_samples=0))
        for lr in (0.1, 0.35, 0.6, 0.85):
            params = {"trainer.total_timesteps": 80_000, "lr": lr}
            curve = curve_of(80_000, lr) if curved else ()
            protein.observe(params, score=score_of(80_000, lr), cost=800.0, curve=curve)
        told = protein.suggest().predicted
        spread.append((told.score_high - told.score_low) / max(1e-9, abs(told.score)))
        assert protein.suggest() == protein.suggest()
    assert spread[1] < spread[0]


def test_a_curve_is_left_alone_where_the_length_is_not_swept():
    protein = Protein({"lr": PARAMETERS["lr"]}, seed=0)
    protein.observe({"lr": 0.5}, score=1.0, cost=1.0, curve=[(0.5, 1.0, 1.0)])
    assert len(protein._observations) == 1


def test_failures_beside_curves_of_a_swept_length_do_not_confuse_the_chance_of_success():
    protein = Protein(PARAMETERS, seed=0, settings=ProteinSettings(num_random_samples=0))
    for lr in (0.1, 0.35, 0.6):
        params = {"trainer.total_timesteps": 80_000, "lr": lr}
        protein.observe(params, score=score_of(80_000, lr), cost=800.0, curve=curve_of(80_000, lr))
    protein.observe_failure({"trainer.total_timesteps": 80_000, "lr": 0.95})
    assert 0.0 < protein.suggest().predicted.success < 1.0
