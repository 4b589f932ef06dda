"""Events that are written together: none is missing once something depends on it."""

from __future__ import annotations

import time

from metta_sweep.function.running import Interruption
from metta_sweep.store.grouping import GroupedJournal, GroupedRuns
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths


def opened(tmp_path):
    paths = SweepPaths(tmp_path, "mine")
    return paths, GroupedJournal(SqliteJournal.open(paths, create=True))


def kinds(paths):
    return [event["kind"] for event in read_events(paths)]


def test_events_are_on_disk_before_the_directory_of_a_run_is_made(tmp_path):
    paths, journal = opened(tmp_path)
    runs = GroupedRuns(paths, journal)
    journal.append([{"kind": "suggested"}])
    journal.append([{"kind": "started", "run_id": "mine.r.0"}])
    assert kinds(paths) == []
    runs.prepare("mine.r.0", config={"x": 1.0}, suggestion={})
    assert kinds(paths) == ["suggested", "started"]
    assert paths.run("mine.r.0").config.read_text() == "x: 1.0\n"
    journal.close()


def test_events_are_on_disk_before_the_controller_waits_for_longer_than_a_moment(tmp_path):
    paths, journal = opened(tmp_path)
    attention = Interruption()
    attention.before_waiting = journal.flush
    journal.append([{"kind": "finished"}])
    attention.wake()
    attention.wait(5.0)  # something has happened already: the next event comes at once
    assert kinds(paths) == []
    began_s = time.monotonic()
    attention.wait(0.05)
    assert kinds(paths) == ["finished"]
    assert time.monotonic() - began_s >= 0.05
    journal.close()


def test_what_is_held_back_is_on_disk_once_the_journal_is_closed_or_read(tmp_path):
    paths, journal = opened(tmp_path)
    journal.append([{"kind": "one"}])
    assert [event["kind"] for event in journal.read()] == ["one"]
    journal.append([{"kind": "two"}])
    journal.close()
    assert kinds(paths) == ["one", "two"]


def test_what_a_power_cut_left_of_a_config_is_written_anew(tmp_path):
    paths, journal = opened(tmp_path)
    runs = GroupedRuns(paths, journal)
    journal.append([{"kind": "started", "run_id": "mine.r.0"}])
    runs.prepare("mine.r.0", config={"x": 1.0}, suggestion={})
    paths.run("mine.r.0").config.write_text("")
    runs.prepare("mine.r.0", config={"x": 1.0}, suggestion={})
    assert paths.run("mine.r.0").config.read_text() == "x: 1.0\n"
    assert runs.take_config("mine.r.0") == {"x": 1.0}
    journal.close()
