from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.launch.attempt.attempt import DEFAULT_GRACE_S, AttemptFiles, ExitRecord, Order
from metta_sweep.result import RunPaths
from metta_sweep.store.files import take_lock
from metta_sweep.sweep.ports import JobState

TEXT = st.text(max_size=10)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "attempts").mkdir()
    return AttemptFiles(RunPaths(tmp_path), "my.r.0.a1")


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.builds(
        Order,
        attempt_id=TEXT,
        command=st.lists(TEXT, min_size=1).map(tuple),
        run_dir=TEXT,
        cwd=TEXT,
        env=st.dictionaries(TEXT, TEXT),
        cpus=st.integers(1, 64),
        gpus=st.none() | st.lists(TEXT).map(tuple),
        time_limit_s=st.none() | st.floats(0, 1e6),
    )
)
def test_an_order_comes_back_from_its_json(order):
    assert Order.parse(json.loads(json.dumps(order.to_json()))) == order


def test_marks_of_different_attempts_are_different_files(tmp_path):
    first, second = (AttemptFiles(RunPaths(tmp_path), f"my.r.0.a{number}") for number in (1, 2))
    names = [
        mark
        for files in (first, second)
        for mark in (files.lock, files.start, files.cancel, files.exit, files.exit_draft)
    ]
    assert len(set(names)) == 10


def test_nothing_started_is_queued_as_long_as_somebody_may_start_it(files):
    assert not files.was_started
    assert files.status(may_start=True).state is JobState.QUEUED
    assert files.status(may_start=False).state is JobState.LOST


def test_a_held_lock_means_running_whoever_may_start_it(files):
    held = take_lock(files.lock)
    assert files.was_started
    assert {files.status(may_start=may).state for may in (True, False)} == {JobState.RUNNING}
    os.close(held)


def test_started_and_neither_alive_nor_recorded_means_lost(files):
    os.close(take_lock(files.lock))
    files.start.write_text("{}")
    assert {files.status(may_start=may).state for may in (True, False)} == {JobState.LOST}


def test_an_exit_record_says_how_it_ended_whoever_holds_the_lock(files):
    held = take_lock(files.lock)
    files.exit.write_text(json.dumps({"code": 3, "signal": None, "reason": "timeout", "wall_s": 1.5}))
    status = files.status(may_start=False)
    assert (status.state, status.code, status.reason, status.wall_s) == (JobState.EXITED, 3, "timeout", 1.5)
    os.close(held)


def test_a_record_written_between_two_looks_is_not_overlooked(files, monkeypatch):
    """The keeper writes the record and lets the lock go after poll has looked for the record and before it gives up."""
    record = ExitRecord(code=0)
    looks = iter([None, record])
    monkeypatch.setattr(AttemptFiles, "read_exit", lambda self: next(looks))
    files.start.write_text("{}")
    assert files.status(may_start=False).state is JobState.EXITED


def test_a_start_between_two_looks_is_not_called_lost(files, monkeypatch):
    looks = iter([False, True])
    monkeypatch.setattr("metta_sweep.launch.attempt.attempt.is_locked", lambda path: next(looks))
    files.start.write_text("{}")
    assert files.status(may_start=False).state is JobState.RUNNING


def test_a_wish_to_end_is_read_as_it_was_made(files):
    assert files.wished_grace_s() is None
    files.ask_to_end(2.5)
    assert files.wished_grace_s() == 2.5
    files.cancel.write_text('{"grace_s": "soon"}')
    assert files.wished_grace_s() == DEFAULT_GRACE_S
