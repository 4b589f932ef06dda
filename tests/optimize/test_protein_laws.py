"""Laws of suggest and observe."""

import itertools
import random
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from metta_sweep import Protein
from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import ProteinSettings, model, posterior
from metta_sweep.optimize.protein.fitting import most_probable
from metta_sweep.optimize.protein.posterior import FitError

PARAMETERS = {
    "lr": {"distribution": "log_normal", "min": 1e-5, "max": 1e-1},
    "batch": {"distribution": "uniform_pow2", "min": 32, "max": 256},
    "mini": {"distribution": "uniform_pow2", "min": 16, "max": 256},
    "layers": {"distribution": "int_uniform", "min": 1, "max": 4},
    "kind": {"values": ["a", "b", "c"]},
    "cells": {"distribution": "uniform_pow2", "min": 16, "max": 128, "when": {"kind": "b"}},
}
RULE = "batch % mini == 0"


def score_of(params):
    peak = {"a": 0.5, "b": 0.8, "c": 0.2}[params["kind"]]
    miss = (np.log10(params["lr"]) + 3) ** 2 + 0.1 * (np.log2(params["batch"]) - 7) ** 2
    return round(float(peak - 0.2 * miss + 0.05 * params["layers"]) * 1024) / 1024


def cost_of(params):
    return float(params["batch"] * params["layers"])


def told(protein, params, scale=1.0, shift=0.0):
    if params["lr"] > 0.03:
        protein.observe_failure(params)
    else:
        protein.observe(params, score=scale * score_of(params) + shift, cost=cost_of(params))


def trace(runs=12, goal="maximize", parameters=PARAMETERS, scale=1.0, shift=0.0, **more):
    """Run a search; return its suggestions."""
    protein = Protein(parameters, goal=goal, seed=3, constraints=[RULE], **more)
    suggestions = []
    for _ in range(runs):
        suggestion = protein.suggest()
        suggestions.append(suggestion)
        told(protein, suggestion.params, scale, shift)
    return suggestions


@pytest.fixture(scope="module")
def plain():
    return trace()


def params_of(suggestions):
    return [dict(suggestion.params) for suggestion in suggestions]


@pytest.mark.slow
def test_the_first_point_is_the_center_and_the_model_takes_over_after_a_space_filling_start(plain):
    origins = [suggestion.origin for suggestion in plain]
    assert origins[0] == "center"
    assert origins[1:7] == ["sobol"] * 6
    assert set(origins[7:]) == {"protein"}


@pytest.mark.slow
def test_the_same_seed_and_history_give_the_same_suggestions(plain):
    assert params_of(trace()) == params_of(plain)
    assert [each.reason for each in trace(9)] == [each.reason for each in plain[:9]]


@pytest.mark.slow
def test_another_seed_gives_other_suggestions(plain):
    assert params_of(trace(4, settings=ProteinSettings(seed=4))) != params_of(plain[:4])


@pytest.mark.slow
def test_minimize_mirrors_maximize_exactly(plain):
    mirrored = trace(goal="minimize", scale=-1.0)
    assert params_of(mirrored) == params_of(plain)
    for one, other in zip(plain, mirrored, strict=True):
        if one.predicted:
            assert other.predicted.score == -one.predicted.score
            assert other.predicted.score_low == -one.predicted.score_high


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "shift"), [(1 / 1024, 0.0), (2.0, -3.0), (1e3, 1e4)])
def test_scaling_and_shifting_the_scores_changes_no_suggestion(plain, scale, shift):
    assert params_of(trace(scale=scale, shift=shift)) == params_of(plain)


def test_the_order_of_observations_changes_nothing(plain):
    expected = None
    for seed in range(3):
        shuffled = plain[:-1].copy()
        random.Random(seed).shuffle(shuffled)
        protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
        for suggestion in shuffled:
            told(protein, suggestion.params)
        result = protein.suggest()
        expected = expected or result
        assert result == expected
    assert dict(expected.params) == dict(plain[-1].params)


@pytest.mark.slow
def test_the_order_of_pending_points_changes_nothing(plain):
    protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
    for suggestion in plain[:8]:
        told(protein, suggestion.params)
    pending = params_of(plain[8:11])
    assert len({str(protein.suggest(list(each))) for each in itertools.permutations(pending)}) == 1


@pytest.mark.slow
def test_renaming_parameters_changes_nothing(plain):
    rename = {name: f"z{i}.other" for i, name in enumerate(PARAMETERS)}
    renamed = {rename[name]: leaf for name, leaf in PARAMETERS.items()}
    renamed[rename["cells"]] = {**PARAMETERS["cells"], "when": {rename["kind"]: "b"}}
    protein = Protein(renamed, seed=3, constraints=[f"{rename['batch']} % {rename['mini']} == 0"])
    for expected in plain:
        suggestion = protein.suggest()
        back = {old: suggestion.params[new] for old, new in rename.items() if new in suggestion.params}
        assert back == dict(expected.params)
        if back["lr"] > 0.03:
            protein.observe_failure(suggestion.params)
        else:
            protein.observe(suggestion.params, score=score_of(back), cost=cost_of(back))


def test_replaying_the_observations_gives_the_same_suggestion(plain):
    for count in (1, 5, 8, 10):
        protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
        for suggestion in plain[:count]:
            told(protein, suggestion.params)
        assert dict(protein.suggest().params) == dict(plain[count].params)


def test_suggesting_twice_without_news_gives_the_same_point(plain):
    protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
    for suggestion in plain[:8]:
        told(protein, suggestion.params)
    assert protein.suggest() == protein.suggest()


@pytest.mark.slow
def test_no_point_repeats_an_observed_or_a_pending_one():
    parameters = {
        "n": {"distribution": "int_uniform", "min": 1, "max": 6},
        "kind": {"values": ["a", "b"]},
    }
    protein = Protein(parameters, seed=0)
    seen, pending = [], []
    for run in range(12):
        suggestion = protein.suggest(pending)
        params = dict(suggestion.params)
        assert params not in seen + pending
        pending.append(params)
        if run % 3 == 2:
            for each in pending:
                protein.observe(each, score=each["n"] * (2 if each["kind"] == "a" else 1), cost=1.0)
            seen, pending = seen + pending, []
    assert len(seen) == 12
    again = protein.suggest()
    assert again.origin == "repeat"
    assert again.params in seen


@pytest.mark.slow
def test_several_suggestions_at_once_differ(plain):
    protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
    for suggestion in plain[:8]:
        told(protein, suggestion.params)
    pending = []
    for _ in range(4):
        pending.append(dict(protein.suggest(pending).params))
    assert len({str(params) for params in pending}) == 4


@pytest.mark.slow
def test_a_forbidden_point_never_wins():
    parameters = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}, "y": {"values": [1, 2, 3]}}
    protein = Protein(parameters, seed=1, constraints=["x < 0.6 or y == 1"])
    for _ in range(14):
        params = protein.suggest().params
        assert params["x"] < 0.6 or params["y"] == 1
        protein.observe(params, score=params["x"] + params["y"], cost=1.0)


@pytest.mark.slow
def test_failures_are_learnt_from():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=1)
    failed = []
    for _ in range(24):
        params = protein.suggest().params
        failed.append(params["x"] > 0.6)
        if failed[-1]:
            protein.observe_failure(params)
        else:
            protein.observe(params, score=params["x"] - (params["y"] - 0.3) ** 2, cost=1.0)
    assert sum(failed[:10]) <= 5
    assert sum(failed[10:]) <= 6
    assert protein.suggest().predicted.success < 1.0


def test_a_score_that_is_not_finite_is_a_failure(plain):
    one, other = (Protein(PARAMETERS, seed=3, constraints=[RULE]) for _ in range(2))
    for suggestion in plain[:8]:
        told(one, suggestion.params)
        told(other, suggestion.params)
    one.observe(plain[9].params, score=float("nan"), cost=3.0)
    other.observe(plain[9].params, score=float("-inf"), cost=3.0)
    assert one.suggest() == other.suggest()


def test_nothing_but_failures_still_gives_new_points():
    protein = Protein(PARAMETERS, seed=0, constraints=[RULE])
    seen = []
    for _ in range(8):
        params = dict(protein.suggest().params)
        assert params not in seen
        seen.append(params)
        protein.observe_failure(params)


def test_scores_that_are_all_the_same_still_give_new_points():
    protein = Protein(PARAMETERS, seed=0, constraints=[RULE])
    seen = []
    for _ in range(8):
        params = dict(protein.suggest().params)
        assert params not in seen
        seen.append(params)
        protein.observe(params, score=0.0, cost=1.0)


@pytest.mark.slow
def test_an_outlier_does_not_stop_the_search():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=0)
    best = -1e9
    for run in range(20):
        params = protein.suggest().params
        score = -1e12 if run == 1 else -((params["x"] - 0.8) ** 2) - (params["y"] - 0.2) ** 2
        best = max(best, score)
        protein.observe(params, score=score, cost=1.0)
    assert best > -0.01


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan"), float("inf"), None, "1", True])
def test_a_cost_that_is_no_positive_number_is_refused(cost):
    protein = Protein(PARAMETERS)
    with pytest.raises(RequestError, match="cost: need a finite number of seconds above 0"):
        protein.observe(protein.suggest().params, score=1.0, cost=cost)


def test_what_is_wrong_with_an_observation_is_said():
    protein = Protein(PARAMETERS)
    params = dict(protein.suggest().params)
    with pytest.raises(RequestError, match="score: need a number"):
        protein.observe(params, score="high", cost=1.0)
    with pytest.raises(RequestError, match="noise: need a finite variance"):
        protein.observe(params, score=1.0, cost=1.0, noise=-1.0)
    with pytest.raises(RequestError, match=r"lr: need a number from 1e-05 to 0\.1"):
        protein.observe({**params, "lr": 1.0}, score=1.0, cost=1.0)
    with pytest.raises(RequestError, match=r"lrr: need a parameter of the search space.*\n.*write lr"):
        protein.observe_failure({**params, "lrr": 1.0})
    with pytest.raises(RequestError, match="need maximize or minimize"):
        Protein(PARAMETERS, goal="up")
    with pytest.raises(RequestError, match="seed"):
        Protein(PARAMETERS, seed=-1)
    with pytest.raises(RequestError, match="batch"):
        protein.suggest(pending=[{"lr": 0.01}])
    with pytest.raises(RequestError, match="params: need a mapping of values by dotted path, got 'lr'"):
        protein.suggest(pending=params)
    with pytest.raises(RequestError, match="params: need a mapping of values by dotted path, got None"):
        protein.observe(None, score=1.0, cost=1.0)
    with pytest.raises(RequestError, match=r"protein\.sed: need one of .*\n.*write seed"):
        Protein(PARAMETERS, settings={"sed": 1})
    assert protein.suggest().origin == "center"


def test_an_empty_space_can_be_run_again_and_again():
    protein = Protein({})
    for _ in range(8):
        suggestion = protein.suggest()
        assert dict(suggestion.params) == {}
        protein.observe({}, score=1.0, cost=1.0)


def test_a_model_suggestion_says_what_it_expects_and_why(plain):
    last = plain[-1]
    assert last.predicted.score_low < last.predicted.score < last.predicted.score_high
    assert 0 < last.predicted.cost_low < last.predicted.cost < last.predicted.cost_high
    assert 0 <= last.predicted.success <= 1
    assert "expects " in last.reason
    assert "\n" not in last.reason


@pytest.mark.slow
def test_where_the_model_cannot_be_fitted_the_origin_says_so_and_the_search_goes_on(plain, monkeypatch):
    protein = Protein(PARAMETERS, seed=3, constraints=[RULE])
    for suggestion in plain[:8]:
        told(protein, suggestion.params)

    def singular(covariance):
        raise FitError(f"a covariance of {len(covariance)} observations is not positive definite")

    with monkeypatch.context() as broken:
        broken.setattr(posterior, "_inverse", singular)
        pending = [dict(protein.suggest().params)]
        fallback = protein.suggest(pending)
        assert protein.suggest(pending) == fallback
        assert protein.expect(pending) is None
    assert fallback.origin == "gp_fit_failed"
    assert "not positive definite" in fallback.reason
    assert fallback.predicted is None
    assert dict(fallback.params) not in pending + params_of(plain[:8])
    assert fallback.params["batch"] % fallback.params["mini"] == 0
    assert protein.suggest().origin == "protein"


def test_the_explanation_names_what_moved_from_the_best_point():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=0)
    for x in np.linspace(0.0, 1.0, 7):
        protein.observe({"x": float(x), "y": 0.5}, score=-((x - 0.4) ** 2), cost=1.0)
    suggestion = protein.suggest()
    moves = suggestion.reason.split("from the best so far: ")[1]
    best = min((abs(x - 0.4), x) for x in np.linspace(0.0, 1.0, 7))[1]
    for name, before in (("x", best), ("y", 0.5)):
        after = suggestion.params[name]
        assert (f"{name} {before:.4g} -> {after:.4g}" in moves) == (abs(after - before) > 1e-9)


def test_pending_runs_take_the_novelty_from_where_they_are():
    parameters = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}
    protein = Protein(parameters, seed=0)
    for x in (0.0, 0.1, 0.2, 0.8, 0.9, 1.0):
        protein.observe({"x": x}, score=-((x - 0.5) ** 2), cost=1.0)
    alone = protein.suggest()
    beside = protein.suggest([alone.params])
    assert beside.origin == "protein"
    assert abs(beside.params["x"] - alone.params["x"]) > 0.02
    assert protein.suggest() == alone, "a pending run leaves nothing behind"


def test_a_suggestion_uses_one_thread_and_leaves_the_process_as_it_was(monkeypatch):
    def threads():
        return {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}

    seen, explained = [], most_probable

    def watched(*args):
        seen.append(set(threads().values()))
        return explained(*args)

    monkeypatch.setattr(model, "most_probable", watched)
    protein = Protein({"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}, seed=0)
    for x in (0.0, 0.3, 0.6, 1.0):
        protein.observe({"x": x}, score=-((x - 0.5) ** 2), cost=1.0)
    protein.suggest()  # loads what has thread pools
    with threadpool_limits(2):
        before = threads()
        protein.suggest()
        protein.expect([{"x": 0.5}])
        assert threads() == before
        assert set(before.values()) == {2}
    assert len(seen) >= 3
    assert all(each == {1} for each in seen[1:])


@pytest.mark.slow
def test_a_suggestion_is_the_same_with_any_number_of_threads():
    parameters = {f"p{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0} for i in range(4)}
    protein, rng = Protein(parameters, seed=0), np.random.default_rng(0)
    for x in rng.random((130, 4)):
        protein.observe(dict(zip(parameters, x.tolist(), strict=True)), score=-float(((x - 0.4) ** 2).sum()), cost=1.0)
    with threadpool_limits(1):
        alone = protein.suggest()
    with threadpool_limits(2):
        assert protein.suggest() == alone


def test_the_seed_of_the_settings_wins():
    def third(**more):
        protein = Protein(PARAMETERS, constraints=[RULE], **more)
        told(protein, protein.suggest().params)
        return protein.suggest().params

    assert third(seed=1, settings={"seed": 7}) == third(seed=7) != third(seed=1)


def test_global_random_numbers_are_never_touched():
    np.random.seed(1)
    random.seed(1)
    before = (np.random.get_state()[1].tolist(), random.getstate())
    trace(7)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


@pytest.mark.slow
def test_importing_protein_and_its_first_points_load_neither_hydra_nor_wandb_nor_torch():
    code = (
        "import sys; from metta_sweep import Protein; "
        "p = Protein({'x': {'distribution': 'uniform', 'min': 0.0, 'max': 1.0}}); s = p.suggest(); "
        "p.observe(s.params, score=1.0, cost=1.0); p.suggest(); "
        "print([m for m in ('torch', 'gpytorch', 'hydra', 'wandb', 'omegaconf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_say_what_is_wrong_with_them():
    assert ProteinSettings.parse(None) == ProteinSettings()
    assert ProteinSettings.parse({"max_suggestion_cost": 300}).max_suggestion_cost == 300
    with pytest.raises(RequestError) as caught:
        ProteinSettings.parse({"num_random_sample": 3, "max_suggestion_cost": -1, "cost_aware": "yes", "seed": True})
    text = str(caught.value)
    assert "protein.num_random_sample" in text
    assert "write num_random_samples" in text
    assert "protein.max_suggestion_cost: need a number of seconds above 0, got -1" in text
    assert "protein.cost_aware: need true or false" in text
    assert "protein.seed: need a whole number" in text
    with pytest.raises(RequestError, match="need a mapping of settings"):
        ProteinSettings.parse([1])


@pytest.mark.slow
def test_the_number_of_random_samples_is_settable():
    suggestions = trace(9, settings=ProteinSettings(num_random_samples=1))
    assert [each.origin for each in suggestions[:4]] == ["center", "sobol", "protein", "protein"]


@pytest.mark.slow
def test_expensive_points_are_not_suggested_beyond_the_cap():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=0, settings=ProteinSettings(max_suggestion_cost=20.0))
    late = []
    for run in range(18):
        params = protein.suggest().params
        cost = 100.0 ** params["x"]
        if run >= 10:
            late.append(cost)
        protein.observe(params, score=params["x"] - (params["y"] - 0.4) ** 2, cost=cost)
    assert max(late) < 25.0
    assert max(late) > 15.0


def test_where_everything_costs_more_than_the_cap_the_cheapest_is_suggested():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=0, settings=ProteinSettings(max_suggestion_cost=2.0))
    for x in (0.2, 0.5, 0.8, 0.95):
        protein.observe({"x": x, "y": x}, score=x, cost=10.0 * 100.0**x)
    suggestion = protein.suggest()
    assert suggestion.origin == "protein"
    assert suggestion.params["x"] < 0.2
    assert suggestion.predicted.cost > 2.0


@pytest.mark.slow
def test_the_best_point_is_run_again_at_every_so_many_suggestions():
    parameters = {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in "xy"}
    protein = Protein(parameters, seed=0, settings=ProteinSettings(resample_frequency=4))
    seen = []
    for run in range(13):
        suggestion = protein.suggest()
        if run in (4, 8, 12):
            assert suggestion.origin == "resample"
            assert dict(suggestion.params) in seen
        elif run > 3:
            assert suggestion.origin == "protein"
        seen.append(dict(suggestion.params))
        protein.observe(suggestion.params, score=-sum(suggestion.params.values()), cost=1.0)


def test_known_noise_makes_a_score_count_less():
    parameters = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}
    lucky = []
    for noise in (1e-6, 4.0):
        protein = Protein(parameters, seed=0)
        for x in (0.1, 0.3, 0.5, 0.7, 0.9):
            protein.observe({"x": x}, score=-x, cost=1.0, noise=1e-6)
        protein.observe({"x": 0.95}, score=1.0, cost=1.0, noise=noise)
        lucky.append(protein.suggest().params["x"])
    assert lucky[0] > 0.8
    assert lucky[1] < 0.6


def test_a_repeated_point_counts_as_its_mean():
    parameters = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}
    protein = Protein(parameters, seed=0)
    for x in np.linspace(0.0, 1.0, 8):
        for wobble in (-0.5, 0.5):
            protein.observe({"x": float(x)}, score=2.0 * float(x) + wobble, cost=1.0)
    suggestion = protein.suggest()
    assert suggestion.predicted.score == pytest.approx(2.0 * suggestion.params["x"], abs=0.4)
