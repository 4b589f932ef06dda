from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.results.reduction import Reduction

NUMBERS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30)


def reduced(how, values):
    series = Reduction(how)
    for at, value in enumerate(values):
        series.add(value, float(at))
    return series.value()


@given(NUMBERS)
def test_a_series_is_reduced_to_what_its_name_says(values):
    assert reduced("last", values) == values[-1]
    assert reduced("first", values) == values[0]
    assert reduced("max", values) == max(values)
    assert reduced("min", values) == min(values)
    assert reduced("mean:3", values) == pytest.approx(math.fsum(values[-3:]) / len(values[-3:]), abs=1e-6)


@pytest.mark.parametrize(("how", "is_nan"), [("last", True), ("mean:2", True), ("first", False), ("max", False)])
def test_a_metric_that_ends_as_nan_is_nan_wherever_its_end_counts(how, is_nan):
    assert math.isnan(reduced(how, [1.0, 2.0, math.nan])) is is_nan


def test_the_extreme_of_nothing_but_nan_is_nan():
    assert math.isnan(reduced("max", [math.nan, math.inf]))


def test_the_first_step_that_goes_back_is_kept():
    series = Reduction("last")
    for step in (1.0, 5.0, 2.0, 1.0):
        series.add(0.0, step)
    assert series.steps_back == (5.0, 2.0)
