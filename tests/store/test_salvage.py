from __future__ import annotations

import random
import sqlite3

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.result import RunResult, finish_metrics
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.salvage import replace_journal, salvage

COUNT = 60


@pytest.fixture
def paths(tmp_path):
    paths = SweepPaths(tmp_path, "my")
    journal = SqliteJournal.open(paths, create=True)
    for number in range(COUNT):
        journal.append([event(number)])
        paths.run(f"my.r.{number}").root.mkdir(parents=True)
    journal.close()
    return paths


def event(number):
    return {"kind": "k", "number": number, "text": "x" * 150, "runs": [{"run_id": f"my.r.{number}"}]}


def alter(paths, statement):
    connection = sqlite3.connect(paths.journal, isolation_level=None)
    connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_of_a_whole_journal_everything_is_left(paths):
    found = salvage(paths)
    assert found.is_whole
    assert list(found.events) == read_events(paths)
    assert (found.later, found.damaged, found.written, found.unknown_runs) == ((), (), COUNT, ())


def test_one_damaged_event_does_not_take_the_others_with_it(paths):
    alter(paths, "UPDATE events SET body = replace(body, '19', '20') WHERE seq = 20")
    found = salvage(paths)
    assert not found.is_whole
    assert [e["number"] for e in found.events] == list(range(19))
    assert found.damaged == (20,)
    assert [e["number"] for e in found.later] == list(range(20, COUNT))
    assert found.unknown_runs == ("my.r.19",)


def test_a_removed_event_is_missed_and_only_its_neighbour_is_doubtful(paths):
    alter(paths, "DELETE FROM events WHERE seq = 20")
    found = salvage(paths)
    assert found.damaged == (20, 21)
    assert len(found.events) == 19
    assert len(found.later) == COUNT - 21


def test_events_cut_from_the_end_are_counted(paths):
    alter(paths, "DELETE FROM events WHERE seq > 40")
    found = salvage(paths)
    assert (len(found.events), found.damaged) == (40, tuple(range(41, COUNT + 1)))


@pytest.mark.parametrize("content", [b"", b"notes\n" * 1000, None])
def test_where_nothing_can_be_read_the_run_directories_are_what_is_left(paths, content):
    finish_metrics({"reward": 3.0}, run_dir=paths.run("my.r.7").root)
    paths.run("my.r.8").result.write_text("half of a res")
    paths.journal.unlink()
    if content is not None:
        paths.journal.write_bytes(content)
    found = salvage(paths)
    assert found.events == ()
    assert found.written == COUNT
    assert len(found.unknown_runs) == COUNT
    assert found.results == {"my.r.7": RunResult(metrics={"reward": 3.0})}
    assert found.unreadable_results == ("my.r.8",)


def test_a_broken_page_hides_its_own_events_only(paths):
    content = bytearray(paths.journal.read_bytes())
    page = 4096 * 3
    content[page : page + 4096] = b"\xff" * 4096
    paths.journal.write_bytes(content)
    found = salvage(paths)
    numbers = [e["number"] for e in (*found.events, *found.later)]
    assert numbers == sorted(set(numbers))
    assert 20 <= len(numbers) < COUNT
    assert len(numbers) + len(found.damaged) == COUNT


@pytest.mark.slow
def test_salvaging_writes_nothing_whatever_is_broken_and_invents_no_event(paths):
    intact, wanted = paths.journal.read_bytes(), [event(number) for number in range(COUNT)]
    for position in random.Random(1).sample(range(len(intact)), 60):
        content = bytearray(intact)
        content[position] ^= 0xFF
        paths.journal.write_bytes(content)
        found = salvage(paths)
        assert paths.journal.read_bytes() == bytes(content)
        assert all(e in wanted for e in (*found.events, *found.later))
        assert list(found.events) == wanted[: len(found.events)]
        assert len(found.events) + len(found.later) + len(found.damaged) == COUNT


def test_a_mended_journal_takes_the_damaged_ones_place_which_is_kept(paths):
    alter(paths, "DELETE FROM events WHERE seq = 20")
    damaged = paths.journal.read_bytes()
    with pytest.raises(RequestError):
        read_events(paths)
    events = [event(number) for number in range(COUNT)]
    aside = replace_journal(paths, events)
    assert read_events(paths) == events
    assert aside.read_bytes() == damaged
    assert aside.name == "sweep.db.damaged-1"
    assert replace_journal(paths, events).name == "sweep.db.damaged-2"
    journal = SqliteJournal.open(paths, create=False)
    journal.append([{"kind": "k"}])
    journal.close()
    assert len(read_events(paths)) == COUNT + 1
