import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.report.wording import count, duration, name_of, number, plain, printable, short_names


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (2.45, "2.45"),
        (0.0023, "0.0023"),
        (0.73319283, "0.7332"),
        (131072, "131072"),
        (12345.678, "12346"),
        (0.99987, "0.99987"),
        (0.995, "0.995"),
        (1e-5, "1e-05"),
        (-3.0, "-3"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_a_number_is_short_and_true(value: float, spelled: str) -> None:
    assert number(value) == spelled


@given(st.floats(-1e300, 1e300))
def test_a_spelled_number_is_within_a_thousandth_of_the_value(value: float) -> None:
    assert math.isclose(float(number(value)), value, rel_tol=1e-3)


@given(st.floats(min_value=0.9, max_value=1, exclude_max=True))
def test_a_discount_is_never_spelled_as_one(value: float) -> None:
    if 1 - value > 1e-11:
        assert math.isclose(1 - float(number(value)), 1 - value, rel_tol=0.06)


def test_values_are_spelled_as_yaml_has_them() -> None:
    assert [plain(v) for v in (True, None, 64, 0.5, "adam")] == ["true", "null", "64", "0.5", "adam"]


def test_a_name_is_short_unless_two_paths_end_the_same() -> None:
    names = ["trainer.learning_rate", "env.size", "agent.size"]
    assert short_names(names) == {
        "trainer.learning_rate": "learning_rate",
        "env.size": "env.size",
        "agent.size": "agent.size",
    }


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.42, "0.4 s"), (42, "42 s"), (59.7, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273600, "3 d 4 h")],
)
def test_a_duration_is_said_in_at_most_two_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_one_is_singular_and_everything_else_plural() -> None:
    assert [count(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


def test_a_plain_metric_begins_with_a_capital_and_a_dotted_one_stays() -> None:
    assert [name_of(name) for name in ("reward", "heart.get", "MSE")] == ["Reward", "heart.get", "MSE"]


@given(st.text())
def test_printable_text_holds_nothing_that_steers_a_terminal(text: str) -> None:
    assert not any(
        ord(c) < 32 or ord(c) == 127 or 0x80 <= ord(c) < 0xA0 or c in "\u202e\u2066" for c in printable(text)
    )
