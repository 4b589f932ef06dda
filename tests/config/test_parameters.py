"""The swept parameters on their way to a search space, with a training of a handful of keys."""

from __future__ import annotations

from typing import Any

import pytest

from metta_sweep.config.parameters import Swept, flat_parameters, known_fix
from metta_sweep.config.training_schema import TrainingKeys
from metta_sweep.trees import copied
from tests.config.fakes import BASE, FakeTraining

UNIFORM = {"distribution": "uniform", "min": 1, "max": 8}


def swept(declared: dict[str, Any], *, free: bool = False, **trainer: Any) -> Swept:
    training = copied(BASE)
    training["trainer"].update(trainer)
    return Swept(declared=declared, training=training, schema=None if free else FakeTraining())


def told(parameters: Swept) -> list[str]:
    return [str(problem) for problem in parameters.problems]


def test_the_root_keys_of_a_training() -> None:
    keys = TrainingKeys.of(FakeTraining())
    assert keys.roots == ("device", "env", "seed", "trainer")
    assert keys.values == {"device", "seed"}


def test_a_path_that_the_training_does_not_have_is_told_with_the_nearest() -> None:
    parameters = swept({"trainer.rte": UNIFORM, "rate": UNIFORM})
    parameters.check_paths()
    assert told(parameters) == [
        "sweep.parameters.trainer.rte: the training config has no trainer.rte\n  fix: did you mean trainer.rate?",
        "sweep.parameters.rate: the training config has no rate\n  fix: did you mean trainer.rate?",
    ]


def test_where_nothing_is_near_what_stands_beside_it_is_shown() -> None:
    assert known_fix("env.xyz", FakeTraining(), BASE) == "its neighbours are: env.size"


def test_a_command_of_ones_own_knows_its_paths_itself() -> None:
    parameters = swept({"anything": UNIFORM}, free=True)
    parameters.check_paths()
    assert told(parameters) == []


@pytest.mark.parametrize(("path", "is_integer"), [("trainer.steps", True), ("trainer.rate", False)])
@pytest.mark.parametrize("free", [True, False])
def test_whole_numbers_are_found_out(path: str, is_integer: bool, free: bool) -> None:
    parameters = swept({path: UNIFORM}, free=free)
    parameters.mark_integers()
    assert parameters.declared[path].get("integer", False) is is_integer


@pytest.mark.parametrize(
    "leaf", [{**UNIFORM, "min": 0.5}, {**UNIFORM, "integer": False}, {**UNIFORM, "max": "8"}, {"values": [1, 2]}, 3]
)
def test_other_definitions_are_left_as_they_are(leaf: Any) -> None:
    parameters = swept({"trainer.steps": leaf})
    parameters.mark_integers()
    assert parameters.declared["trainer.steps"] == leaf


def test_bounds_and_values_that_the_training_refuses_are_told() -> None:
    parameters = swept({"trainer.steps": {**UNIFORM, "min": 0.5}, "trainer.name": {"values": ["a", 3]}})
    space = parameters.space(())
    assert space is not None
    parameters.check_bounds(space)
    assert [problem.key for problem in parameters.problems] == [
        "sweep.parameters.trainer.steps.min",
        "sweep.parameters.trainer.name.values",
    ]
    assert all("the training refuses it: need" in problem.message for problem in parameters.problems)


def test_a_bound_that_only_breaks_a_rule_is_none_of_the_bounds_business() -> None:
    parameters = swept({"trainer.batch": {"distribution": "uniform_pow2", "min": 2, "max": 8}})
    space = parameters.space(())
    assert space is not None
    parameters.check_bounds(space)
    assert told(parameters) == []
    assert parameters.refused(space) == []


def test_the_rules_of_the_training_hold_in_the_space() -> None:
    space = swept({"trainer.batch": {"distribution": "uniform_pow2", "min": 2, "max": 8}}).space(())
    assert space is not None
    assert not space.is_feasible({"trainer.batch": 2})
    assert space.is_feasible({"trainer.batch": 8})


def test_a_rule_that_holds_nowhere_is_told_where_it_can_be_mended() -> None:
    parameters = swept({"trainer.batch": {"distribution": "uniform_pow2", "min": 2, "max": 8}}, part=3)
    assert parameters.space(()) is None
    problem = parameters.problems[0]
    assert problem.key == "trainer.part"
    assert problem.message.startswith("batch must be a multiple of part, and no point of the space does that with")
    assert problem.fix == "change trainer.part or widen the range of trainer.batch"


def test_a_rule_that_no_parameter_can_mend_is_the_base_configs_mistake() -> None:
    parameters = swept({"trainer.rate": {"distribution": "uniform", "min": 0.1, "max": 1}}, part=3)
    assert parameters.refused(None) == [("trainer.part", "batch must be a multiple of part, got some")]


def test_what_the_training_refuses_about_a_swept_key_is_not_told_twice() -> None:
    parameters = swept({"trainer.steps": UNIFORM}, steps="many", rate="slow")
    assert [key for key, _ in parameters.refused(None)] == ["trainer.rate"]


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        (["[64,64]", "[128]"], True),
        (["{a: 1}", "[]"], True),
        (["[64,64]", "none"], False),
        ([[64, 64], [128]], False),
        (["a", "b"], False),
        (["[", "[" * 5000], False),
        ([], False),
    ],
)
def test_lists_in_quotes_are_told_to_arrive_as_text(values, is_told) -> None:
    notes = swept({"net.layers": {"values": values}}).quoted_lists()
    assert [note.startswith("net.layers: ") and "text" in note for note in notes] == [True] * is_told


def test_a_value_that_is_another_follows_it() -> None:
    parameters = swept({"trainer.batch": {"distribution": "uniform_pow2", "min": 4, "max": 8}})
    notes = parameters.follow({"trainer": {"part": "${trainer.batch}", "steps": 3, "batch": "${trainer.part}"}})
    assert parameters.declared["trainer.part"] == {"expr": "trainer.batch"}
    assert notes == ["trainer.part follows trainer.batch, as the config says"]


def test_a_value_that_cannot_follow_is_told() -> None:
    parameters = swept({"trainer.batch": UNIFORM})
    parameters.follow({"trainer": {"name": "b${trainer.batch}"}})
    assert [problem.key for problem in parameters.problems] == ["trainer.name"]


def test_definitions_of_older_files_are_taken_out_and_told() -> None:
    old = {"space": "log", "min": 0.1, "max": 1, "search_center": 0.5}
    parameters = swept({"trainer.rate": old, "trainer.steps": UNIFORM})
    parameters.check_forms()
    assert list(parameters.declared) == ["trainer.steps"]
    assert "trainer.rate: {distribution: log_normal, min: 0.1, max: 1, mean: 0.5}" in parameters.problems[0].fix


@pytest.mark.parametrize("path", ["seed", "run"])
def test_what_the_sweep_sets_cannot_be_swept(path: str) -> None:
    parameters = swept({path: UNIFORM})
    parameters.check_paths()
    assert "is set by the sweep" in told(parameters)[0]


@pytest.mark.parametrize(
    ("parameters", "flat"),
    [
        ({}, {}),
        ({"a.b": {"min": 1}}, {"a.b": {"min": 1}}),
        ({"a": {"b": {"min": 1}, "c": {"d": {"min": 2}}}}, {"a.b": {"min": 1}, "a.c.d": {"min": 2}}),
        ({"a": {"values": [1], "when": {"b": 2}}}, {"a": {"values": [1], "when": {"b": 2}}}),
        ({"a": 3, "b": {}}, {"a": 3, "b": {}}),
    ],
)
def test_nested_mappings_mean_dotted_paths(parameters: dict[str, Any], flat: dict[str, Any]) -> None:
    assert dict(flat_parameters(parameters)) == flat
