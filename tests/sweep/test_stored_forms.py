"""Journals of earlier versions are read: the first lines are what version 0.1 stored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metta_sweep.config.settings import ConfirmSettings, LimitSettings
from metta_sweep.sweep.events import SweepAsked, UnknownEventError, from_json, to_json
from metta_sweep.sweep.records import RunState, SweepSpec
from metta_sweep.sweep.state import SweepState

STORED = [
    json.loads(line) for line in (Path(__file__).parent / "stored" / "version_0_1.jsonl").read_text().splitlines()
]


def test_a_journal_of_version_0_1_is_read_with_its_limits_its_confirmation_and_its_handle():
    asked, without, only = (event.spec for event in map(from_json, STORED) if isinstance(event, SweepAsked))
    assert asked.limits == LimitSettings(wall_time_s=7200.0, run_time_s=300.0)
    assert (asked.confirm, asked.confirms_only) == (ConfirmSettings(top_k=2, seeds=3), False)
    assert (without.confirm, without.confirms_only) == (None, False)
    assert (only.confirm, only.confirms_only) == (ConfirmSettings(top_k=1, seeds=4), True)
    state = SweepState.fold(map(from_json, STORED))
    assert state.runs["old.r.0"].state is RunState.RUNNING
    assert state.runs["old.r.0"].attempts[-1].handle["launcher"] == "local"


@pytest.mark.parametrize("event", STORED, ids=lambda event: event["kind"])
def test_what_was_read_is_stored_in_the_present_form_and_read_again(event):
    read = from_json(event)
    assert from_json(json.loads(json.dumps(to_json(read)))) == read


def test_the_settings_of_a_request_come_back_as_they_went_in():
    spec = SweepSpec(
        name="s",
        metric="reward",
        goal=from_json(STORED[0]).spec.goal,
        rollout_count=3,
        limits=LimitSettings(deadline_s=1.5, target=-3.0, patience=2, run_cost_s=9.0),
        confirm=ConfirmSettings(top_k=1, seeds=1),
        confirms_only=True,
    )
    stored = json.loads(json.dumps(to_json(SweepAsked(spec=spec, versions={}))))
    assert from_json(stored) == SweepAsked(spec=spec, versions={})


def test_a_request_that_cannot_be_read_is_told_as_such():
    broken = {**STORED[0], "spec": {**STORED[0]["spec"], "confirm": 3}}
    with pytest.raises(UnknownEventError, match="sweep_asked"):
        from_json(broken)
