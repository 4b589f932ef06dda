"""Laws of what a run would have cost in full."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.optimize.stopping import start_share, whole_cost

SECONDS = st.floats(0.01, 1e6)


def curve(start_s, training_s, shares):
    return [(share, 0.0, start_s + share * training_s) for share in shares]


@given(
    SECONDS, SECONDS, st.lists(st.floats(0.05, 1.0), min_size=2, max_size=9, unique_by=lambda share: round(share, 2))
)
def test_a_run_that_trains_evenly_is_told_exactly(start_s, training_s, shares):
    start = start_share([curve(start_s, training_s, shares)])
    assert start == pytest.approx(start_s / (start_s + training_s), abs=1e-3)
    whole = start_s + training_s
    assert whole_cost(start_s + 0.2 * training_s, 0.2, start_s / whole) == pytest.approx(whole)


@pytest.mark.parametrize(
    "told",
    [
        [],
        [[]],
        [[(0.2, 1.0, 5.0)]],
        [[(0.2, 1.0, 5.0), (0.2, 1.0, 6.0)]],
        [[(0.2, 1.0, 5.0), (0.4, 1.0, 5.0)]],
        [[(0.2, 1.0, float("nan")), (0.4, 1.0, 5.0)]],
        [curve(0.0, 10.0, [0.1, 0.5, 1.0])],
        [[(0.5, 1.0, 1.0), (1.0, 1.0, 9.0)]],
    ],
    ids=["no runs", "silent", "one report", "one share", "no time between", "no number", "no start", "slower later"],
)
def test_where_no_start_is_told_a_runs_pace_is_its_cost_by_its_share(told):
    assert start_share(told) == 0.0
    assert whole_cost(3.0, 0.25, 0.0) == 12.0


def test_one_odd_run_does_not_count_and_a_run_that_did_nothing_costs_what_it_cost():
    runs = [curve(10.0, 10.0, [0.1, 1.0])] * 2 + [curve(500.0, 10.0, [0.1, 1.0])]
    assert start_share(runs) == pytest.approx(0.5)
    assert whole_cost(3.0, 0.0, 0.0) == 3.0
    assert whole_cost(3.0, 0.0, 0.5) == 6.0
