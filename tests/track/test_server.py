"""What is written to the service is JSON that any reader takes."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.track.server import as_json

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3),
)


def refuse(constant):
    raise AssertionError(constant)


@pytest.mark.slow
@given(values)
def test_any_summary_is_json_without_constants_of_its_own(value):
    json.loads(as_json(value), parse_constant=refuse)


def test_what_is_not_finite_is_named_and_the_rest_stays():
    told = {"a": math.nan, "b": [math.inf, {"c": -math.inf}], "d": 1.5, "e": "x"}
    assert json.loads(as_json(told)) == {"a": "NaN", "b": ["Infinity", {"c": "-Infinity"}], "d": 1.5, "e": "x"}
