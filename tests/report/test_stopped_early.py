"""What is shown of a run that was stopped early."""

from __future__ import annotations

import json

import pytest

from metta_sweep.report.as_json import rollout_object
from metta_sweep.report.narration import Narrator
from metta_sweep.report.rows import RolloutState, rows_of
from metta_sweep.report.text import rollout_lines
from metta_sweep.report.wording import finished_in_words, progress_in_short
from metta_sweep.sweep.state import SweepState
from tests.sweep.test_state import ASKED, ENDED, JUDGED, STARTED, SUBMITTED, SUGGESTED

SAID = "stopped early at 30%: expects little; 3.0 s instead of about 10 s"


@pytest.fixture
def state():
    return SweepState.fold([ASKED, SUGGESTED, STARTED, SUBMITTED, JUDGED, ENDED])


def test_its_line_says_how_far_it_came_why_it_was_ended_and_what_that_saved(state):
    assert [line.text for line in Narrator(state=state).lines(ENDED)] == [f"s.r.0: {SAID}"]


def test_the_summary_says_the_same(state):
    rows = rows_of(state)
    assert f"  S{SAID[1:]}" in list(rollout_lines(rows, rows.rollouts[0]))


def test_it_is_a_state_of_its_own_and_no_failure(state):
    [row] = rows_of(state).rollouts
    assert row.state is RolloutState.STOPPED_EARLY
    assert row.failure is None
    assert rows_of(state).failures == ()
    told = json.loads(json.dumps(rollout_object(row)))
    assert told["runs"][0]["stopped_early"]["chance"] == 0.02
    assert told["runs"][0]["share"] == pytest.approx(0.3)


def test_progress_counts_what_was_spent():
    assert finished_in_words(8, 50, 0.0) == "8 of 50 rollouts finished"
    assert finished_in_words(12, 50, 3.75) == "12 rollouts finished for the cost of 8.2 of 50"
    assert progress_in_short(12, 50, 3.75) == "12 (8.2/50)"
    assert progress_in_short(8, 50, 0.0) == "8/50"
