"""Whatever happened to a journal's file, opening it says so in one message and changes nothing."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.store.journal import JournalWriteError, SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths


@pytest.fixture
def paths(tmp_path):
    return SweepPaths(tmp_path, "my")


def write(paths, count=6, *, close=True):
    journal = SqliteJournal.open(paths, create=True)
    for number in range(count):
        journal.append([{"kind": "rollout_suggested", "number": number, "runs": [{"run_id": f"my.r.{number}"}]}])
        paths.run(f"my.r.{number}").root.mkdir(parents=True, exist_ok=True)
    if close:
        journal.close()
    return journal


def files_of(paths):
    """Return name and content of every file of the journal itself; its shared memory is not a content."""
    return {file.name: file.read_bytes() for file in paths.root.iterdir() if file.is_file() and "-shm" not in file.name}


def refused(paths, words):
    """Check that writer and reader refuse the journal in one problem that names the file, and change nothing."""
    before = files_of(paths)
    messages = []
    for use in (lambda: SqliteJournal.open(paths, create=True), lambda: read_events(paths)):
        with pytest.raises(RequestError) as error:
            use()
        [problem] = error.value.problems
        assert problem.file == str(paths.journal)
        assert problem.fix
        messages.append(problem.message)
    assert messages[0] == messages[1]
    assert words in messages[0]
    after = files_of(paths)
    assert {name: content for name, content in after.items() if content} == {
        name: content for name, content in before.items() if content
    }


def test_an_emptied_journal_is_refused(paths):
    write(paths)
    paths.journal.write_bytes(b"")
    refused(paths, "0 bytes")


def test_an_empty_file_is_refused_even_where_nothing_else_is_there(paths):
    paths.root.mkdir(parents=True)
    paths.journal.touch()
    refused(paths, "0 bytes")


def test_a_text_file_is_refused(paths):
    write(paths)
    paths.journal.write_text("my notes\n" * 1000)
    refused(paths, "not a database")


def test_another_programs_database_is_refused(paths):
    paths.root.mkdir(parents=True)
    with sqlite3.connect(paths.journal) as connection:
        connection.execute("CREATE TABLE events (seq, kind, body, digest)")
    connection.close()
    refused(paths, "not a journal of metta_sweep")


def test_a_newer_schema_is_refused(paths):
    write(paths)
    alter(paths, "PRAGMA user_version = 7")
    refused(paths, "newer metta_sweep (its schema is 7, this one knows 1)")


def test_a_schema_version_that_never_was_is_refused(paths):
    write(paths)
    alter(paths, "PRAGMA user_version = 0")
    refused(paths, "schema version is 0")


def test_a_missing_journal_of_a_sweep_with_runs_is_refused(paths):
    write(paths)
    paths.journal.unlink()
    refused(paths, "missing, but the sweep has 6 run directories")
    paths.head.unlink()
    refused(paths, "missing, but the sweep has 6 run directories")
    shutil.rmtree(paths.runs)
    SqliteJournal.open(paths, create=True).close()


def test_a_missing_journal_of_a_sweep_whose_head_is_there_is_refused(paths):
    write(paths, count=0)
    paths.journal.unlink()
    refused(paths, "missing")


def test_a_sweep_that_is_not_there_is_named_with_those_that_are(paths, tmp_path):
    write(SweepPaths(tmp_path, "mine"), count=0)
    for use in (lambda: SqliteJournal.open(paths, create=False), lambda: read_events(paths)):
        with pytest.raises(RequestError, match=r"no sweep named 'my'.*mine"):
            use()
    assert not paths.root.exists()


@pytest.mark.parametrize("kept", [1, 15, 100, 4096, 5000, 8191])
def test_a_truncated_journal_is_refused(paths, kept):
    write(paths, count=30)
    content = paths.journal.read_bytes()
    assert len(content) > kept
    paths.journal.write_bytes(content[:kept])
    refused(paths, "damaged")


def test_events_cut_from_the_end_are_missed(paths):
    write(paths)
    alter(paths, "DELETE FROM events WHERE seq = 6")
    refused(paths, "6 were written")


def test_events_cut_from_the_end_are_missed_by_the_run_directories_where_the_head_is_gone(paths):
    write(paths)
    alter(paths, "DELETE FROM events WHERE seq >= 4")
    paths.head.unlink()
    refused(paths, "knows nothing of my.r.3, my.r.4, my.r.5")


def test_an_older_copy_of_the_journal_is_refused(paths, tmp_path):
    write(paths, count=3)
    shutil.copy(paths.journal, tmp_path / "copy")
    write(paths, count=3)
    shutil.copy(tmp_path / "copy", paths.journal)
    refused(paths, "lost events")


def test_a_write_ahead_log_that_was_removed_is_missed(paths):
    journal = write(paths, close=False)
    log = paths.journal.with_name("sweep.db-wal")
    content = paths.journal.read_bytes()
    assert log.stat().st_size > 0
    journal.close()
    paths.journal.write_bytes(content)
    log.unlink(missing_ok=True)
    refused(paths, "lost events")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET body = replace(body, '2', '3') WHERE seq = 3",
        "UPDATE events SET kind = 'run_finished' WHERE seq = 1",
        "UPDATE events SET digest = x'00' WHERE seq = 6",
        "UPDATE events SET seq = 60 WHERE seq = 6",
        "UPDATE events SET body = x'7b7d' WHERE seq = 2",
        "INSERT INTO events SELECT 7, kind, body, digest FROM events WHERE seq = 6",
    ],
)
def test_a_row_that_was_changed_removed_or_added_is_found(paths, statement):
    write(paths)
    alter(paths, statement)
    refused(paths, "damaged")


@pytest.mark.parametrize("content", ["", "1", "garbage\n", "3 ab 00000000\n", "\x00" * 128, "-1 x y"])
def test_a_head_that_is_torn_is_passed_over(paths, content):
    write(paths)
    paths.head.write_text(content)
    assert len(read_events(paths)) == 6
    journal = SqliteJournal.open(paths, create=False)
    journal.append([{"kind": "k"}])
    journal.close()
    alter(paths, "DELETE FROM events WHERE seq = 7")
    refused(paths, "7 were written")


def test_a_head_that_is_behind_is_no_contradiction(paths):
    write(paths, count=3)
    behind = paths.head.read_text()
    journal = SqliteJournal.open(paths, create=False)
    journal.append([{"kind": "k"}, {"kind": "k"}])
    journal.close()
    paths.head.write_text(behind)
    assert len(read_events(paths)) == 5


def test_a_death_while_the_journal_is_made_is_no_obstacle(paths):
    paths.root.mkdir(parents=True)
    (paths.root / ".sweep.db.new").write_bytes(b"half of a file")
    SqliteJournal.open(paths, create=True).close()
    assert read_events(paths) == []


def test_folders_that_are_no_runs_are_no_contradiction(paths):
    write(paths)
    for name in ("notes", "other.r.9", "my.r.old"):
        (paths.runs / name).mkdir()
    assert len(read_events(paths)) == 6


def test_a_journal_that_cannot_be_written_any_more_keeps_what_it_has(paths):
    """A file-size limit stands in for a full disk; the process that meets it is one of its own."""
    program = """
import resource, sys
from pathlib import Path
from metta_sweep.store.journal import JournalWriteError, SqliteJournal
from metta_sweep.store.paths import SweepPaths
paths = SweepPaths(Path(sys.argv[1]), "my")
journal = SqliteJournal.open(paths, create=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
done = 0
try:
    while done < 1000:
        journal.append([{"kind": "k", "number": done, "text": "x" * 1000}])
        done += 1
except JournalWriteError as error:
    print(done)
    print(error)
"""
    found = subprocess.run(
        [sys.executable, "-c", program, str(paths.data_dir)], capture_output=True, text=True, check=True
    )
    done, message = found.stdout.split("\n", 1)
    assert 0 < int(done) < 1000
    assert str(paths.journal) in message
    assert "same command again" in message
    assert [event["number"] for event in read_events(paths)] == list(range(int(done)))
    journal = SqliteJournal.open(paths, create=False)
    journal.append([{"kind": "k", "number": int(done)}])
    journal.close()
    assert len(read_events(paths)) == int(done) + 1


def test_a_reader_needs_no_write_permission(paths, tmp_path):
    write(paths)
    tmp_path.chmod(0o755)
    as_nobody(tmp_path, 6)


def test_a_reader_without_write_permission_sees_what_a_running_writer_acknowledged(paths, tmp_path):
    journal = write(paths, close=False)
    as_nobody(tmp_path, 6)
    journal.close()


def as_nobody(data_dir, count):
    """Read the journal as a user that can write nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    program = (
        "import encodings.ascii, os, sys; from pathlib import Path\n"
        "from metta_sweep.store.journal import read_events\nfrom metta_sweep.store.paths import SweepPaths\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "print(len(read_events(SweepPaths(Path(sys.argv[1]), 'my'))))"
    )
    for folder in (data_dir, *data_dir.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o055)
    found = subprocess.run([sys.executable, "-c", program, str(data_dir)], capture_output=True, text=True, check=False)
    assert (found.stdout.strip(), found.stderr) == (str(count), "")


def alter(paths, statement):
    connection = sqlite3.connect(paths.journal, isolation_level=None)
    connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def flip(content, position):
    return content[:position] + bytes([content[position] ^ (1 << (position % 8))]) + content[position + 1 :]


def flipped_is_found_or_harmless(paths, intact, wanted, position):
    """Flip one bit; return whether it was found. What is not found changes nothing that anybody reads."""
    for name in ("sweep.db-wal", "sweep.db-shm"):
        (paths.root / name).unlink(missing_ok=True)
    paths.journal.write_bytes(flip(intact, position))
    try:
        assert read_events(paths) == wanted
    except RequestError:
        return True
    try:
        journal = SqliteJournal.open(paths, create=True)
        assert list(journal.read()) == wanted
        journal.close()
    except (RequestError, JournalWriteError):
        return True
    assert read_events(paths) == wanted
    return False


@pytest.mark.slow
def test_a_bit_that_flips_anywhere_is_found_or_harmless(paths):
    write(paths, count=12)
    intact, wanted = paths.journal.read_bytes(), read_events(paths)
    positions = [*range(100), *random.Random(3).sample(range(100, len(intact)), 250)]
    found = sum(flipped_is_found_or_harmless(paths, intact, wanted, position) for position in positions)
    assert 0 < found < len(positions)


@pytest.mark.slow
def test_a_bit_that_flips_in_any_byte_is_found_or_harmless(paths):
    write(paths, count=12)
    intact, wanted = paths.journal.read_bytes(), read_events(paths)
    rows = 4096 + int.from_bytes(intact[4096 + 5 : 4096 + 7])
    missed = [
        position
        for position in range(rows, len(intact))
        if not flipped_is_found_or_harmless(paths, intact, wanted, position)
    ]
    stored_type_of_the_row_number_which_nobody_reads = 1
    assert len(missed) <= stored_type_of_the_row_number_which_nobody_reads * len(wanted)
    for position in range(rows):
        if intact[position] or position % 16 == 0:
            flipped_is_found_or_harmless(paths, intact, wanted, position)


@pytest.mark.slow
def test_a_bit_that_flips_in_the_write_ahead_log_is_found_or_harmless(paths, tmp_path):
    journal = write(paths, close=False)
    wanted = read_events(paths)
    copy = SweepPaths(tmp_path / "copy", "my")
    shutil.copytree(paths.root, copy.root)
    journal.close()
    log = copy.root / "sweep.db-wal"
    base, intact = copy.journal.read_bytes(), log.read_bytes()
    for position in random.Random(4).sample(range(len(intact)), 150):
        copy.journal.write_bytes(base)
        log.write_bytes(flip(intact, position))
        (copy.root / "sweep.db-shm").unlink(missing_ok=True)
        with contextlib.suppress(RequestError):
            assert read_events(copy) == wanted
