"""What every journal keeps to: order, durability, readers that do not disturb, one form of events."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.builds(
    lambda kind, body: {"kind": kind, **body},
    st.sampled_from(["sweep_asked", "run_finished", "ü"]),
    st.dictionaries(st.text(max_size=8).filter(lambda key: key not in ("kind", "run_id", "runs")), JSON, max_size=4),
)

WRITER = """
import sys
from pathlib import Path
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
journal = SqliteJournal.open(SweepPaths(Path(sys.argv[1]), "my"), create=True)
number = sum(1 for _ in journal.read())
while True:
    text = "x" * (number % 3000)
    journal.append([{"kind": "k", "number": number, "text": text}, {"kind": "k", "number": number + 1}])
    number += 2
    print(number, flush=True)
"""


@pytest.fixture
def paths(tmp_path):
    return SweepPaths(tmp_path, "my")


def opened(paths):
    return SqliteJournal.open(paths, create=True)


def test_a_new_journal_is_empty(paths):
    journal = opened(paths)
    assert list(journal.read()) == []
    journal.close()
    assert read_events(paths) == []


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(st.lists(st.lists(EVENTS, max_size=3), max_size=5))
def test_events_come_back_as_they_went_in_the_order_written(tmp_path_factory, batches):
    paths = SweepPaths(tmp_path_factory.mktemp("journal"), "my")
    for batch in [[], *batches]:
        journal = opened(paths)
        journal.append(batch)
        journal.close()
    wanted = [event for batch in batches for event in batch]
    assert read_events(paths) == wanted
    journal = opened(paths)
    assert list(journal.read()) == wanted
    journal.close()


def test_not_a_number_survives(paths):
    journal = opened(paths)
    journal.append([{"kind": "k", "metrics": {"a": float("nan"), "b": float("-inf")}}])
    journal.close()
    assert json.dumps(read_events(paths)[0]["metrics"]) == '{"a": NaN, "b": -Infinity}'


def test_a_transaction_is_stored_whole_or_not_at_all(paths):
    journal = opened(paths)
    journal.append([{"kind": "k", "number": 0}])
    with pytest.raises(TypeError):
        journal.append([{"kind": "k", "number": 1}, {"kind": "k", "number": object()}])
    journal.append([{"kind": "k", "number": 2}])
    journal.close()
    assert [event["number"] for event in read_events(paths)] == [0, 2]


def test_readers_see_every_acknowledged_event_while_the_writer_goes_on(paths):
    journal = opened(paths)
    for number in range(20):
        journal.append([{"kind": "k", "number": number}])
        assert [event["number"] for event in read_events(paths)] == list(range(number + 1))
    journal.close()


@pytest.mark.slow
def test_readers_do_not_hold_up_the_writer(paths):
    """Four readers that never stop: every commit still takes a moment, and every reader sees a whole prefix."""
    journal, stop, wrong = opened(paths), threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            numbers = [event["number"] for event in read_events(paths)]
            if numbers != list(range(len(numbers))):
                wrong.append(numbers)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    took_s = []
    for number in range(100):
        began_s = time.perf_counter()
        journal.append([{"kind": "k", "number": number}])
        took_s.append(time.perf_counter() - began_s)
    stop.set()
    for reader in readers:
        reader.join()
    journal.close()
    assert not wrong
    assert max(took_s) < 10


def test_a_commit_waits_for_the_disk(paths):
    """What only a power cut would show: SQLite's own word for it (2 is FULL)."""
    journal = opened(paths)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()


def kills(tmp_path, rounds, longest_s, seed):
    """Kill a writer at random moments; return the journal's numbers and the last one that was acknowledged."""
    rng, acknowledged = random.Random(seed), 0
    for _ in range(rounds):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        writer.stdout.readline()
        time.sleep(rng.uniform(0, longest_s))
        writer.kill()
        rest, complaint = writer.communicate()
        assert complaint == ""
        acknowledged = max([acknowledged, *map(int, rest.split("\n")[:-1])])
        yield acknowledged, [event["number"] for event in read_events(SweepPaths(tmp_path, "my"))]


def hold_every_acknowledged_event(steps):
    count = 0
    for acknowledged, numbers in steps:
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= acknowledged
        assert len(numbers) % 2 == 0
        count += 1
    return count


@pytest.mark.slow
def test_no_acknowledged_event_is_lost_when_the_writer_is_killed(tmp_path):
    assert hold_every_acknowledged_event(kills(tmp_path, rounds=8, longest_s=0.1, seed=1)) == 8


@pytest.mark.long
def test_no_acknowledged_event_is_lost_in_60_kills(tmp_path):
    assert hold_every_acknowledged_event(kills(tmp_path, rounds=60, longest_s=0.1, seed=2)) == 60
