from typing import Any

import pytest

from metta_sweep.report.requested import override_lines, parameter_lines


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"min": 0.0001, "max": 0.01, "distribution": "log_normal", "mean": 0.001}, "log_normal [0.0001, 0.01]"),
        ({"min": 32, "max": 131072, "distribution": "uniform_pow2"}, "uniform_pow2 [32, 131072]"),
        ({"min": 0, "max": 1}, "uniform [0, 1]"),
        ({"values": ["adam", True, None, 0.5]}, "values [adam, true, null, 0.5]"),
        ({"values": [1, 2], "ordered": True}, "ordered values [1, 2]"),
        ({"expr": "a.b // 4"}, "= a.b // 4"),
        (
            {"min": 64, "max": 512, "distribution": "uniform_pow2", "when": {"a.lstm": True, "a.kind": ["x", "y"]}},
            "uniform_pow2 [64, 512] when a.lstm=true and a.kind=[x, y]",
        ),
    ],
)
def test_a_parameter_is_shown_as_the_sweep_file_means_it(asked: dict[str, Any], shown: str) -> None:
    assert list(parameter_lines({"a.b": asked})) == [("a.b", shown)]


def test_nested_mappings_are_dotted_paths_in_the_order_written() -> None:
    leaf = {"min": 0, "max": 1, "distribution": "uniform"}
    names = [name for name, _ in parameter_lines({"trainer": {"b": leaf, "deep": {"a": leaf}}, "env.c": leaf})]
    assert names == ["trainer.b", "trainer.deep.a", "env.c"]


def test_overrides_are_leaves_with_their_paths() -> None:
    overrides = {"game": {"max_steps": 32, "objects": {"altar": {"hp": 5}}}, "flags": [True, None], "none": {}}
    assert list(override_lines(overrides)) == [
        ("game.max_steps", "32"),
        ("game.objects.altar.hp", "5"),
        ("flags", "[true, null]"),
        ("none", "{}"),
    ]
