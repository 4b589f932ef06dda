"""What is wrong with a definition is said in full: key, expected, got, and how to mend it."""

from datetime import date

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.space import SearchSpace

GOOD = {"distribution": "uniform", "min": 0.0, "max": 1.0}


def problems(parameters, constraints=(), fixed=None):
    with pytest.raises(RequestError) as caught:
        SearchSpace.parse(parameters, constraints, fixed)
    return caught.value.problems


def changed(**more):
    return {"x": {key: value for key, value in {**GOOD, **more}.items() if value is not ...}}


@pytest.mark.parametrize(
    ("parameters", "key", "words"),
    [
        (changed(distribution="log_norml"), "x.distribution", "got 'log_norml'\n  fix: distribution: log_normal"),
        (changed(distribution="int"), "x.distribution", "fix: distribution: int_uniform"),
        (changed(distribution=3), "x.distribution", "need one of uniform, log_normal"),
        (changed(distribution=...), "x", "need a distribution"),
        (changed(min=1.0, max=0.0), "x", "need min < max, got min=1 max=0\n  fix: swap them: min: 0, max: 1"),
        (changed(min=1.0), "x", "take the parameter out of the space"),
        (changed(min=...), "x", "need min, got none"),
        (changed(max=None), "x.max", "need a number, got nothing"),
        (changed(min=True), "x.min", "need a number, got true"),
        (changed(min=float("nan")), "x.min", "need a finite number, got nan"),
        (changed(max=float("inf")), "x.max", "need a finite number, got inf"),
        (changed(max=10**400), "x.max", "need a finite number, got 1000"),
        (changed(min="1e-5"), "x.min", "fix: YAML reads 1e-5 as text: write min: 1.0e-5"),
        (changed(max="0.5"), "x.max", "fix: write it without quotes: max: 0.5"),
        (changed(max="high"), "x.max", "need a number, got the text 'high'"),
        (changed(max=[1]), "x.max", "need a number, got a list"),
        (changed(mean=2.0), "x.mean", "need the mean within [0, 1], got 2"),
        (changed(mean="0.5"), "x.mean", "write it without quotes"),
        (changed(mean=float("nan")), "x.mean", "need a finite number, got nan"),
        (changed(scale=0), "x.scale", "need a number above 0, auto or time, got 0"),
        (changed(scale=-1), "x.scale", "need a number above 0"),
        (changed(scale="wide"), "x.scale", "got the text 'wide'"),
        (changed(scale="time"), "x.scale", "need bounds above 0"),
        (changed(scale=float("nan")), "x.scale", "need a number above 0"),
        (changed(integer=1), "x.integer", "need true or false"),
        (changed(min=0.5, max=3.0, integer=True), "x.min", "need a whole number, got 0.5"),
        (changed(distribution="log_normal"), "x.min", "need a number above 0 for log_normal, got 0"),
        (changed(distribution="logit_normal"), "x.min", "between 0 and 1, both excluded"),
        (changed(distribution="uniform_pow2", min=48, max=256), "x.min", "need a power of two"),
        (changed(distribution="uniform_pow2", min=32, max=100), "x.max", "fix: write 64 or 128"),
        (changed(distribution="uniform_pow2", min=0.25, max=2), "x.min", "fix: write 1"),
        (changed(distribution="int_uniform", min=0, max=2.5), "x.max", "need a whole number, got 2.5"),
        (changed(distribution="int_uniform", min=0, max=1e17), "x.max", "at most 2**53"),
        (changed(maxx=3), "x.maxx", "unknown key 'maxx'\n  fix: write max"),
        (changed(values=[1]), "x.min", "need no min beside values"),
        (changed(ordered=True), "x.ordered", "need no ordered beside min and max"),
        ({"x": 0.1}, "x", "need a mapping such as {distribution, min, max} or {values}, got 0.1"),
        ({"x": "${ss:log, 1e-5, 1e-2}"}, "x", "got the text '${ss:log"),
        ({"x": {}}, "x", "need a distribution"),
        ({"x": None}, "x", "got nothing"),
        ({3: GOOD}, "3", "need a dotted config path as key, got 3"),
        ({"a..b": GOOD}, "a..b", "need a dotted config path"),
        ({"a b": GOOD}, "a b", "need a dotted config path"),
        ({"a.b": GOOD, "a": {"b": GOOD}}, "a.b", "need one definition, got two"),
        ({"a": GOOD, "a.b": GOOD}, "a.b", "inside the swept a"),
        ([], "parameters", "need a mapping of parameters"),
        (None, "parameters", "need a mapping of parameters, got nothing"),
        ({"x": {"values": []}}, "x.values", "need a list of at least one value, got an empty list"),
        ({"x": {"values": "ab"}}, "x.values", "got the text 'ab'"),
        ({"x": {"values": [1, [{2}]]}}, "x.values", "need numbers, text, true, false, null, or lists and mappings"),
        ({"x": {"values": [[64, 64], [64.0, 64]]}}, "x.values", "need each value once, got [64, 64] twice"),
        (changed(step=0.3), "x.step", "write max: 0.9"),
        (changed(step=2), "x.step", "need a step above 0 and at most max - min = 1, got 2"),
        (changed(step=0), "x.step", "need a step above 0"),
        (changed(step="0.1"), "x.step", "write it without quotes"),
        (changed(step=0.5, integer=True), "x.step", "need a whole step for whole numbers, got 0.5"),
        (changed(distribution="uniform_pow2", min=1, max=8, step=1), "x.step", "remove step"),
        (changed(distribution="q_uniform"), "x.distribution", "fix: distribution: uniform"),
        ({"x": {"values": [date(2020, 1, 1)]}}, "x.values", "got a date"),
        ({"x": {"values": [1.0, float("inf")]}}, "x.values", "need finite numbers"),
        ({"x": {"values": [1, 2, 1.0]}}, "x.values", "need each value once, got 1 twice"),
        ({"x": {"values": list(range(2000))}}, "x.values", "at most 1000 values"),
        ({"x": {"values": [1, 2], "ordered": "yes"}}, "x.ordered", "need true or false"),
        ({"x": {"values": ["a", "b"], "mean": "c"}}, "x.mean", "need one of a, b, got 'c'"),
        ({"x": {"expr": "1 +"}}, "x.expr", "is not an expression"),
        ({"x": {"expr": "__import__('os')"}}, "x.expr", "can be called"),
        ({"x": {"expr": "y + 1"}}, "x.expr", "the unknown y"),
        ({"x": {"expr": 3}}, "x.expr", "need an expression as text"),
        ({"x": {"expr": "1", "min": 2}}, "x.min", "need no min beside expr"),
        ({"x": {"expr": "y"}, "y": {"expr": "x"}}, "x.expr", "need no cycle, got one through x, y"),
        (changed(when={"y": 1}), "x.when.y", "the unknown y"),
        (changed(when={}), "x.when", "need a mapping of paths to values"),
        (changed(when="y == 1"), "x.when", "need a mapping of paths to values, got the text"),
        ({**changed(when={"y": []}), "y": {"values": [1]}}, "x.when.y", "need a value or a list"),
        ({**changed(when={"y": 3}), "y": {"values": [1, 2]}}, "x.when.y", "need one of 1, 2, got 3"),
        ({**changed(when={"y": 0.5}), "y": GOOD}, "x.when.y", "need a parameter with separate values"),
        (changed(when={"x": 1}), "x.when", "without a cycle, got x -> x"),
        (
            {"a": {"values": [1], "when": {"b": 1}}, "b": {"values": [1], "when": {"a": 1}}},
            "a.when",
            "without a cycle, got a -> b -> a",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key_and_how_to_mend_it(parameters, key, words):
    found = problems(parameters)
    assert any(problem.key == key and words in str(problem) for problem in found), [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("constraints", "key", "words"),
    [
        (["x % z == 0"], "constraints", "the unknown z"),
        (["trainer.batch_sise > 0"], "constraints", "fix: write trainer.batch_size"),
        (["x = 1"], "constraints.0", "a comparison is written =="),
        (["x > 0", "import os"], "constraints.1", "is not an expression"),
        ("x > 0", "constraints", "need a list of expressions"),
        ([3], "constraints.0", "need an expression as text, got 3"),
    ],
)
def test_a_mistake_in_a_constraint_is_named(constraints, key, words):
    found = problems({"x": GOOD}, constraints, {"trainer.batch_size": 3})
    assert any(problem.key == key and words in str(problem) for problem in found), [str(problem) for problem in found]


def test_all_problems_are_listed_together():
    found = problems(
        {"a": {**GOOD, "min": 2.0}, "b": {"values": []}, "c": 3, "d": {**GOOD, "scael": 1, "mean": 7}}, ["1 +"]
    )
    assert {problem.key for problem in found} == {"a", "b.values", "c", "d.scael", "d.mean", "constraints.0"}


def test_a_config_group_is_a_parameter_beside_keys_inside_of_it():
    width = {**GOOD, "when": {"model": "mlp"}}
    space = SearchSpace.parse({"model": {"values": ["mlp", "cnn"]}, "model.width": width})
    assert {parameter.name for parameter in space.parameters} == {"model", "model.width"}
    (problem,) = problems({"model": {"values": [1, 2]}, "model.width": GOOD})
    assert "a config group is searched by its names" in problem.fix
