"""A run that was stopped early reaches W&B as what it is, and other machines of a shared sweep learn it from there."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from metta_sweep.result import RunPaths
from metta_sweep.secrecy import Redaction
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.facts import OWN_KEY, run_facts
from metta_sweep.track.share.retelling import is_over, retold
from tests.sweep.test_state import ASKED, ENDED, JUDGED, STARTED, SUBMITTED, SUGGESTED


@pytest.fixture
def sent(tmp_path):
    state = SweepState.fold([replace(ASKED, shared=True), SUGGESTED, STARTED, SUBMITTED, JUDGED, ENDED])
    run = state.runs["s.r.0"]
    facts = run_facts(state, run, RunPaths(tmp_path), identity="i", redaction=Redaction.of_environment({}))
    return SimpleNamespace(own=facts.summary[OWN_KEY], summary=facts.summary, seal="sealed", facts=facts)


def test_it_is_no_failure_at_wandb(sent):
    assert sent.facts.exit_code == 0
    assert sent.own["state"] == "stopped_early"
    assert sent.own["stopped_early"]["reason"] == "expects little"


def test_another_machine_tells_its_journal_the_same(sent):
    assert is_over([sent])
    there = SweepState.fold([ASKED, *retold([sent], host="other")])
    run = there.runs["s.r.0"]
    assert run.state is RunState.STOPPED_EARLY
    assert run.curve == ENDED.curve
    assert run.judgement == JUDGED.judgement
    assert there.full_rollouts == pytest.approx(0.3)
