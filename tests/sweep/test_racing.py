"""Racing: laws of one step, and that it finds the best more often than an even share of the same cost."""

from __future__ import annotations

import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.sweep.confirmation import Candidate
from metta_sweep.sweep.racing import next_candidate


def candidate(rollout, scores, planned=None, failed=False):
    return Candidate(
        rollout=rollout, scores=tuple(scores), planned=len(scores) if planned is None else planned, failed=failed
    )


def race(truths, seeds, rng, choose):
    """Return the scores after ``seeds`` runs a point on average, each going where ``choose`` says."""
    scores = [[] for _ in truths]
    for _ in range(seeds * len(truths)):
        place = choose([candidate(i, own) for i, own in enumerate(scores)])
        scores[place].append(rng.gauss(truths[place], 1.0))
    return scores


def by_racing(seeds):
    return lambda found: next_candidate(found, seeds=seeds).rollout


def evenly(found):
    return min(found, key=lambda one: one.planned).rollout


def share_found(choose, *, points, seeds, sweeps):
    """Return how often the point with the best mean is the best one, over simulated sweeps."""
    found = 0
    for sweep in range(sweeps):
        rng = random.Random(sweep)
        truths = [rng.gauss(0.0, 1.0) for _ in range(points)]
        means = [fmean(own) for own in race(truths, seeds, rng, choose)]
        found += truths[means.index(max(means))] == max(truths)
    return found / sweeps


@pytest.mark.slow
def test_racing_finds_the_best_more_often_than_equal_shares_of_the_same_cost():
    # 0.783 against 0.740 over 20,000 sweeps; a standard error here is 0.012, and the sweeps are the same for both.
    given_ = {"points": 5, "seeds": 5, "sweeps": 1200}
    assert share_found(by_racing(5), **given_) > share_found(evenly, **given_) + 0.01


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
def test_every_run_of_the_budget_is_given_and_every_point_has_its_first_ones(points, seeds, seed):
    rng = random.Random(seed)
    scores = race([rng.gauss(0, 1) for _ in range(points)], seeds, rng, by_racing(seeds))
    assert sum(map(len, scores)) == points * seeds
    assert all(len(own) >= min(2, seeds) for own in scores)


def test_runs_go_where_the_best_is_in_doubt():
    scores = race([1.0, 0.9, -5.0], 20, random.Random(0), by_racing(20))
    assert len(scores[2]) <= 4
    assert min(len(scores[0]), len(scores[1])) >= 15


def test_two_runs_of_each_are_enough_to_leave_a_bad_point_alone():
    found = [candidate(0, [0.0, 0.1]), candidate(1, [5.0, 5.1]), candidate(2, [4.9, 5.2])]
    assert next_candidate(found, seeds=4).rollout in (1, 2)


def test_a_point_that_failed_gets_no_more():
    found = [candidate(0, [1.0, 2.0], failed=True), candidate(1, [0.0, 0.1]), candidate(2, [0.1, 0.0])]
    assert next_candidate(found, seeds=5).rollout in (1, 2)
    assert next_candidate(found[:1], seeds=5) is None


def test_runs_that_are_not_over_count_as_had():
    found = [candidate(0, [1.0, 1.2], planned=9), candidate(1, [0.9, 1.1], planned=2)]
    assert next_candidate(found, seeds=9).rollout == 1


@pytest.mark.parametrize("scores", [[[], []], [[1.0], []], [[1.0], [2.0]], [[1.0, 1.0], [1.0, 1.0]]])
def test_where_nothing_tells_the_spread_the_runs_are_shared_evenly(scores):
    found = [candidate(0, scores[0], planned=3), candidate(1, scores[1], planned=2)]
    assert next_candidate(found, seeds=5).rollout == 1


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6), min_size=1, max_size=5))
def test_whatever_the_scores_there_is_a_next_point(groups):
    assert next_candidate([candidate(i, own) for i, own in enumerate(groups)], seeds=3) is not None


def test_every_point_has_two_runs_before_any_gets_a_third():
    """One run tells nothing of how much runs differ."""
    scores = race([0.0, 1.0, 5.0, 9.0], 4, random.Random(0), by_racing(4))
    alike = [candidate(0, [0.0]), candidate(1, [9.0, 9.1, 9.2]), candidate(2, [8.0, 9.9])]
    assert next_candidate(alike, seeds=4).rollout == 0
    assert min(map(len, scores)) >= 2
