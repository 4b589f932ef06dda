"""What codes mean: scales, bounds, rounding, conditions, tied values."""

import numpy as np
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.space import SearchSpace
from metta_sweep.space.parameter import same_value

GUIDE = {
    "trainer.learning_rate": {"min": 1e-5, "max": 1e-2, "mean": 1e-3, "scale": 1, "distribution": "log_normal"},
    "trainer.batch_size": {"min": 32, "max": 256, "mean": 64, "scale": 1, "distribution": "uniform_pow2"},
    "trainer": {"gamma": {"min": 0.95, "max": 0.999, "mean": 0.99, "scale": 1, "distribution": "uniform"}},
}
CONDITIONAL = {
    "use_lstm": {"values": [True, False]},
    "cell": {"values": ["lstm", "gru"], "when": {"use_lstm": True}},
    "hidden": {"min": 64, "max": 512, "distribution": "uniform_pow2", "when": {"cell": ["lstm"]}},
    "rate": {"min": 0.0, "max": 1.0, "distribution": "uniform"},
}


def leaf(distribution, low, high, **more):
    return {"distribution": distribution, "min": low, "max": high, **more}


def one(distribution, low, high, **more):
    return SearchSpace.parse({"x": leaf(distribution, low, high, **more)})


def values_at(space, *codes):
    return [space.decode(np.array([code]))["x"] for code in codes]


def test_nested_mappings_mean_dotted_paths():
    assert SearchSpace.parse(GUIDE).names == ("trainer.learning_rate", "trainer.batch_size", "trainer.gamma")


@pytest.mark.parametrize(
    ("distribution", "low", "high", "middle"),
    [
        ("uniform", 0.1, 0.3, 0.2),
        ("log_normal", 1e-5, 1e-3, 1e-4),
        ("uniform_pow2", 32, 512, 128),
        ("int_uniform", 1, 9, 5),
        ("logit_normal", 0.01, 0.99, 0.5),
        ("uniform", -3.7, 1e9, 5e8),
        ("logit_normal", 0.8, 0.995, None),
    ],
)
def test_codes_are_even_in_the_scale_and_exact_at_the_bounds(distribution, low, high, middle):
    space = one(distribution, low, high)
    assert values_at(space, 0.0, 1.0, -0.1, 1.1) == [low, high, low, high]
    if middle is not None:
        assert values_at(space, 0.5)[0] == pytest.approx(middle, rel=1e-8)
    assert space.encode({"x": low})[0] == 0.0
    assert space.encode({"x": high})[0] == 1.0


def test_powers_of_two_and_integers_are_exact_and_whole():
    assert values_at(one("uniform_pow2", 1, 2**40), *np.linspace(0, 1, 41)) == [2**k for k in range(41)]
    assert values_at(one("int_uniform", 1, 4), 0.0, 0.3, 0.5, 0.7, 1.0) == [1, 2, 2, 3, 4]
    assert all(type(value) is int for value in values_at(one("int_uniform", 1, 4), 0.1, 0.9))


def test_integer_true_rounds_a_line():
    space = one("log_normal", 1000, 100_000, integer=True)
    value = values_at(space, 0.123)[0]
    assert type(value) is int
    assert space.decode(space.encode({"x": value})) == {"x": value}
    assert values_at(one("uniform", 0, 3, integer=True), 0.4) == [1]


@pytest.mark.slow
def test_every_value_of_a_short_list_is_drawn_equally_often():
    space = SearchSpace.parse({"x": leaf("int_uniform", 1, 4), "y": {"values": ["a", "b"]}})
    codes = space.sample(4000, np.random.default_rng(0))
    values = [space.decode(row) for row in codes]
    counts = [sum(value["x"] == x for value in values) for x in (1, 2, 3, 4)]
    assert min(counts) > 900
    even = space.from_unit(np.stack([np.linspace(0, 0.999, 400)] * 2, axis=1))
    assert [sum(space.decode(row)["x"] == x for row in even) for x in (1, 2, 3, 4)] == [100] * 4


def test_the_center_is_the_mean_or_the_middle_of_the_scale():
    assert SearchSpace.parse(GUIDE).center() == {
        "trainer.learning_rate": pytest.approx(1e-3),
        "trainer.batch_size": 64,
        "trainer.gamma": 0.99,
    }
    assert one("log_normal", 1e-5, 1e-3).center()["x"] == pytest.approx(1e-4)
    assert one("uniform_pow2", 32, 128, mean=100).center() == {"x": 128}
    assert one("int_uniform", 1, 9, mean=4.4).center() == {"x": 4}


@pytest.mark.parametrize("mean", [0.001, 0.003, 0.00025, 0.0071])
def test_a_center_comes_back_as_it_was_written(mean):
    space = SearchSpace.parse({"lr": {"min": 1e-5, "max": 1e-2, "mean": mean, "distribution": "log_normal"}})
    assert space.decode(space.center_codes) == {"lr": mean}


def test_the_center_of_values_is_the_mean_the_base_value_or_the_first():
    values = {"x": {"values": ["a", "b", "c"]}}
    assert SearchSpace.parse(values).center() == {"x": "a"}
    assert SearchSpace.parse(values, fixed={"x": "c"}).center() == {"x": "c"}
    assert SearchSpace.parse({"x": {**values["x"], "mean": "b"}}, fixed={"x": "c"}).center() == {"x": "b"}
    assert SearchSpace.parse({"x": {"values": [1, 2, 4], "ordered": True}}).center() == {"x": 2}


def test_scale_is_a_share_of_the_range():
    assert one("uniform", 0.0, 1.0).parameters[0].radius == 1.0
    assert one("uniform", 0.0, 1.0, scale="auto").parameters[0].radius == 1.0
    assert one("log_normal", 1.0, 16.0, scale="time").parameters[0].radius == 0.25


def test_values_keep_their_yaml_types():
    options = [True, 1, 1.5, "1", None, "true", False, 0]
    space = SearchSpace.parse({"x": {"values": options}})
    for option in options:
        back = space.decode(space.encode({"x": option}))["x"]
        assert back == option
        assert type(back) is type(option)


def test_unordered_codes_are_indices_and_ordered_codes_are_steps():
    unordered = SearchSpace.parse({"x": {"values": ["a", "b", "c"]}})
    ordered = SearchSpace.parse({"x": {"values": ["a", "b", "c"], "ordered": True}})
    assert [unordered.encode({"x": x})[0] for x in "abc"] == [0, 1, 2]
    assert [ordered.encode({"x": x})[0] for x in "abc"] == [0, 0.5, 1]


def test_an_inactive_parameter_is_absent_and_sits_at_its_center():
    space = SearchSpace.parse(CONDITIONAL)
    params = {"use_lstm": False, "rate": 0.3}
    codes = space.encode(params)
    assert space.decode(codes) == params
    assert np.array_equal(codes, space.encode({**params, "cell": "gru", "hidden": 64}))
    assert space.active(codes).tolist() == [True, False, False, True]
    assert codes[2] == space.center_codes[2]


def test_conditions_form_chains():
    space = SearchSpace.parse(CONDITIONAL)
    assert set(space.decode(space.encode({"use_lstm": True, "cell": "gru", "rate": 0.3}))) == {
        "use_lstm",
        "cell",
        "rate",
    }
    whole = {"use_lstm": True, "cell": "lstm", "hidden": 128, "rate": 0.3}
    assert space.decode(space.encode(whole)) == whole


def test_conditions_may_be_written_before_their_parents_and_on_the_base_config():
    backwards = dict(reversed(CONDITIONAL.items()))
    space = SearchSpace.parse(backwards)
    assert space.decode(space.encode({"use_lstm": False, "rate": 0.5})) == {"use_lstm": False, "rate": 0.5}
    child = {"x": leaf("uniform", 0, 1, when={"env": {"name": "pong"}}), "y": leaf("uniform", 0, 1, when={"x2": 3})}
    on = SearchSpace.parse(child, fixed={"env.name": "pong", "x2": 3})
    off = SearchSpace.parse(child, fixed={"env.name": "altar", "x2": 3})
    assert on.names == ("x", "y")
    assert off.names == ("y",)
    assert off.decode(off.encode({"y": 0.5, "x": 0.1})) == {"y": 0.5}


def test_tied_values_follow_and_may_follow_each_other():
    space = SearchSpace.parse(
        {
            "batch": leaf("uniform_pow2", 32, 256),
            "tiny": {"expr": "${mini} // 2"},
            "mini": {"expr": "batch // factor"},
        },
        fixed={"factor": 4},
    )
    assert space.names == ("batch",)
    assert space.decode(np.array([1.0])) == {"batch": 256, "mini": 64, "tiny": 32}
    assert space.encode({"batch": 256, "mini": 64, "tiny": 32})[0] == 1.0
    with pytest.raises(RequestError, match="mini: need 64"):
        space.encode({"batch": 256, "mini": 65})


def test_a_tied_value_may_be_conditional():
    space = SearchSpace.parse(
        {"lstm": {"values": [True, False]}, "hidden": {"expr": "2 * 8", "when": {"lstm": True}}}, fixed={"hidden": 3}
    )
    assert space.decode(space.encode({"lstm": True})) == {"lstm": True, "hidden": 16}
    assert space.decode(space.encode({"lstm": False})) == {"lstm": False}


def test_a_pinned_parameter_leaves_the_space_and_still_counts():
    space = SearchSpace.parse(CONDITIONAL, ["hidden > 100"]).without({"cell": "gru"})
    assert space.names == ("use_lstm", "rate")
    assert space.fixed["cell"] == "gru"
    tied = SearchSpace.parse({"a": leaf("uniform", 0, 1), "b": {"expr": "a * 2"}})
    assert tied.without({"a": 3}).decode(np.zeros(0)) == {"b": 6}
    with pytest.raises(RequestError, match="unknown"):
        tied.without({"c": 3})


def test_an_empty_space_has_one_point():
    space = SearchSpace.parse({})
    assert space.center() == {}
    assert space.sample(3, np.random.default_rng(0)).shape == (3, 0)
    assert space.encode({}).shape == (0,)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"x": 2.0, "n": 3}, "x: need a number from 0 to 1, got 2.0"),
        ({"x": -0.001, "n": 3}, "x: need a number from 0 to 1"),
        ({"x": float("nan"), "n": 3}, "got nan"),
        ({"x": True, "n": 3}, "got True"),
        ({"x": "0.5", "n": 3}, "got '0.5'"),
        ({"x": 0.5}, "n: need a whole number from 1 to 8, got none"),
        ({"x": 0.5, "n": 2.5}, "n: need a whole number from 1 to 8, got 2.5"),
        ({"x": 0.5, "n": 3, "m": 1}, "m: need a parameter of the search space"),
    ],
)
def test_a_point_outside_the_space_is_refused_with_its_name(params, words):
    space = SearchSpace.parse({"x": leaf("uniform", 0, 1), "n": leaf("int_uniform", 1, 8)})
    with pytest.raises(RequestError) as caught:
        space.encode(params)
    assert words in str(caught.value)


def test_parameters_describe_themselves_as_the_summary_shows_them():
    space = SearchSpace.parse(
        {**GUIDE, "n": leaf("int_uniform", 1, 1_000_000), "v": {"values": [True, None, "a", 0.5]}}
    )
    assert [parameter.describe() for parameter in space.parameters] == [
        "log_normal [1e-05, 0.01]",
        "uniform_pow2 [32, 256]",
        "uniform [0.95, 0.999]",
        "int_uniform [1, 1000000]",
        "values [true, null, a, 0.5]",
    ]


def values_of(space, count=400):
    return [space.decode(row)["x"] for row in space.sample(count, np.random.default_rng(0))]


def test_a_step_gives_values_without_rounding_noise():
    space = SearchSpace.parse({"x": {"distribution": "uniform", "min": 0.55, "max": 0.95, "step": 0.01}})
    assert sorted(set(values_of(space, 2000))) == [round(0.55 + 0.01 * k, 2) for k in range(41)]
    assert space.parameters[0].describe() == "uniform [0.55, 0.95] in steps of 0.01"
    assert space.encode({"x": 0.56}) is not None
    with pytest.raises(RequestError, match=r"in steps of 0\.01, got 0\.555"):
        space.encode({"x": 0.555})


def test_a_whole_step_counts_from_the_smallest_value():
    space = SearchSpace.parse({"x": {"distribution": "uniform", "min": 20, "max": 52, "step": 8}})
    assert sorted(set(values_of(space))) == [20, 28, 36, 44, 52]
    assert all(isinstance(value, int) for value in values_of(space, 5))


def test_a_step_on_a_log_range_stays_on_its_grid():
    space = SearchSpace.parse({"x": {"distribution": "log_normal", "min": 0.5, "max": 64.0, "step": 0.5}})
    assert all(value % 0.5 == 0 and 0.5 <= value <= 64 for value in values_of(space))


def test_lists_and_mappings_are_choices_like_any_other():
    options = [[64, 64], [256, 256], [128], {"kind": "conv", "depth": 2}, "[64, 64]"]
    space = SearchSpace.parse({"x": {"values": options}})
    assert [space.decode(np.array([float(code)]))["x"] for code in range(5)] == options
    assert [float(space.encode({"x": option})[0]) for option in options] == [0, 1, 2, 3, 4]
    assert space.parameters[0].describe() == "values [[64, 64], [256, 256], [128], {kind: conv, depth: 2}, [64, 64]]"
    assert not same_value([1, 2], [True, 2])
    assert not same_value({"a": 1}, {"a": 1, "b": 2})
