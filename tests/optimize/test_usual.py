"""The search begins around what is usual, where a person gave no mean, and says so."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep.optimize.protein import Protein

PPO = {
    "lr": {"distribution": "log_normal", "min": 1e-6, "max": 0.1},
    "gae_lambda": {"distribution": "uniform", "min": 0.8, "max": 1.0},
    "norm_adv": {"values": [False, True]},
    "depth": {"distribution": "int_uniform", "min": 1, "max": 9},
}


def first(count, parameters=PPO, **more):
    protein, made = Protein(parameters, **more), []
    for i in range(count):
        made.append(protein.suggest(made[i:]))
        protein.observe(made[-1], score=float(i % 3))
    return made


def test_it_is_the_second_point_and_says_where_it_is_from():
    center, usual = first(2)
    assert center.origin == "center"
    assert usual.origin == "usual"
    assert usual.params == {"lr": 3e-4, "gae_lambda": 0.95, "norm_adv": True, "depth": 5}
    assert (
        usual.reason == "what is usual in the field (lr 0.0003, gae_lambda 0.95, norm_adv true); the rest at the center"
    )


def test_what_the_base_config_has_is_told_apart_from_what_the_field_takes():
    _, usual = first(2, fixed={"depth": 3, "lr": 0.01, "gae_lambda": 0.2})
    assert usual.params == {"lr": 0.01, "gae_lambda": 0.95, "norm_adv": True, "depth": 3}
    assert usual.reason == (
        "what is usual in your config (lr 0.01, depth 3) and in the field (gae_lambda 0.95, norm_adv true)"
    )


def test_two_slots_do_not_run_it_twice():
    protein = Protein(PPO)
    center = protein.suggest()
    usual = protein.suggest([center])
    assert [usual.origin, protein.suggest([center, usual]).origin] == ["usual", "sobol"]


@pytest.mark.parametrize(
    "more",
    [
        {"settings": {"usual_values": False}},
        {"constraints": ["gae_lambda >= 0.97"]},
        {"parameters": {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}},
        {"parameters": {name: {**leaf, "mean": leaf.get("min", True)} for name, leaf in PPO.items()}},
        {"parameters": {"lr": {"distribution": "log_normal", "min": 1e-6, "max": 0.1}}},  # which has its middle there
        {"parameters": {"lr": PPO["lr"] | {"max": 0.01}, **{f"x{i}": PPO["depth"] for i in range(3)}}},
    ],
    ids=["turned off", "against a rule", "unknown", "a mean", "next to the center", "known of one in four"],
)
def test_no_point_of_its_own(more):
    assert "usual" not in [each.origin for each in first(3, **more)]


def test_the_points_that_fill_the_space_lie_around_it():
    def spread(**settings):
        made = first(30, settings={"num_random_samples": 30, **settings}, fixed={"depth": 2})[2:]
        depths, rates = ([each.params[name] for each in made] for name in ("depth", "lr"))
        return np.mean(depths), np.log10(rates).std()

    depth, rates = spread()
    wide_depth, _ = spread(usual_values=False)
    assert depth < 4.5 < wide_depth
    assert 0.5 < rates < 1.5  # of five powers of ten: they still fill the space


def test_a_switch_is_mostly_as_usual_and_a_list_is_tried_evenly():
    kinds = {"norm_adv": {"values": [False, True]}, "kind": {"values": ["a", "b"]}}
    made = first(42, {**PPO, **kinds}, settings={"num_random_samples": 42}, fixed={"kind": "a"})[2:]
    assert 0.65 < np.mean([each.params["norm_adv"] for each in made]) < 0.95
    assert 0.4 < np.mean([each.params["kind"] == "a" for each in made]) < 0.6


def test_without_it_nothing_has_changed():
    narrow = {f"x{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0} for i in range(3)}
    assert first(6, narrow) == first(6, narrow, settings={"usual_values": False})
