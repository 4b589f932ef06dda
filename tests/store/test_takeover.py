"""A sweep taken from a process that holds it: the earlier holder, which may be paused, can add nothing any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.store.journal import JournalWriteError, SqliteJournal, read_events
from metta_sweep.store.lock import SweepLock, TakenOverError, holder
from metta_sweep.store.paths import SweepPaths

IN_A_TRANSACTION = """
import sys, time
from pathlib import Path
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths

def fence():
    lock.check()
    print(flush=True)
    sys.stdin.readline()

paths = SweepPaths(Path(sys.argv[1]), "my")
lock = SweepLock.acquire(paths)
journal = SqliteJournal.open(paths, create=True, fence=fence)
journal.append([{"kind": "k", "number": 0}])
"""


@pytest.fixture
def paths(tmp_path):
    return SweepPaths(tmp_path, "my")


def taken_over(paths):
    """Return the lock of an earlier holder and that of the one who took the sweep from it."""
    return SweepLock.acquire(paths), SweepLock.acquire(paths, takeover=True)


def numbers(paths):
    return [event["number"] for event in read_events(paths)]


def test_a_takeover_takes_the_sweep_from_a_living_holder_and_names_it(paths):
    first, second = taken_over(paths)
    assert second.taken_from.pid == os.getpid()
    second.check()
    with pytest.raises(TakenOverError, match=f"taken over by another process .*pid {os.getpid()}"):
        first.check()


def test_what_nobody_holds_is_taken_the_usual_way(paths):
    lock = SweepLock.acquire(paths, takeover=True)
    assert lock.taken_from is None
    lock.check()


@pytest.mark.slow
def test_of_two_takeovers_the_later_one_wins(paths):
    _, second = taken_over(paths)
    third = SweepLock.acquire(paths, takeover=True)
    third.check()
    with pytest.raises(TakenOverError):
        second.check()


@pytest.mark.slow
def test_an_earlier_holder_that_lets_go_does_not_free_the_sweep(paths):
    first, second = taken_over(paths)
    first.release()
    assert holder(paths) is not None
    with pytest.raises(RequestError, match="controlled by another process"):
        SweepLock.acquire(paths)
    second.release()
    assert holder(paths) is None


def test_a_holder_whose_lock_file_was_removed_stops_too(paths):
    lock = SweepLock.acquire(paths)
    paths.lock.unlink()
    with pytest.raises(TakenOverError, match="lost its lock file"):
        lock.check()


def test_who_is_refused_is_told_of_the_takeover(paths):
    lock = SweepLock.acquire(paths)
    with pytest.raises(RequestError, match="takeover=true"):
        SweepLock.acquire(paths)
    lock.release()


def test_the_earlier_writer_adds_nothing_and_the_later_ones_history_is_whole(paths):
    first = SweepLock.acquire(paths)
    earlier = SqliteJournal.open(paths, create=True, fence=first.check)
    earlier.append([{"kind": "k", "number": 0}])
    second = SweepLock.acquire(paths, takeover=True)
    later = SqliteJournal.open(paths, create=False, fence=second.check)
    with pytest.raises(TakenOverError):
        earlier.append([{"kind": "k", "number": 99}])
    later.append([{"kind": "k", "number": 1}])
    with pytest.raises(TakenOverError):
        earlier.append([{"kind": "k", "number": 99}])
    earlier.close()
    later.append([{"kind": "k", "number": 2}])
    later.close()
    assert numbers(paths) == [0, 1, 2]


def start_a_writer(paths, monkeypatch):
    """Start a writer that is past its fence, in the middle of a transaction, and not willing to wait long for it."""
    monkeypatch.setattr("metta_sweep.store.journal._BUSY_S", 0.2)
    writer = subprocess.Popen(
        [sys.executable, "-c", IN_A_TRANSACTION, str(paths.data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    writer.stdout.readline()
    return writer


@pytest.mark.slow
def test_a_writer_paused_in_a_transaction_is_waited_for_or_named_as_the_hindrance(paths, monkeypatch):
    writer = start_a_writer(paths, monkeypatch)
    writer.send_signal(signal.SIGSTOP)
    second = SweepLock.acquire(paths, takeover=True)
    with pytest.raises(JournalWriteError, match=r"in the middle of a write .*kill -9"):
        SqliteJournal.open(paths, create=False, fence=second.check)
    writer.send_signal(signal.SIGCONT)
    writer.communicate("go\n")
    journal = SqliteJournal.open(paths, create=False, fence=second.check)
    journal.append([{"kind": "k", "number": 1}])
    journal.close()
    assert numbers(paths) == [0, 1]


@pytest.mark.slow
def test_a_writer_killed_in_a_transaction_holds_nobody_up(paths, monkeypatch):
    writer = start_a_writer(paths, monkeypatch)
    second = SweepLock.acquire(paths, takeover=True)
    writer.kill()
    writer.communicate()
    journal = SqliteJournal.open(paths, create=False, fence=second.check)
    journal.append([{"kind": "k", "number": 1}])
    journal.close()
    assert numbers(paths) == [1]
