"""What is left of a damaged journal, and putting a mended one in its place."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from metta_sweep.result import ResultError, RunResult, read_result
from metta_sweep.store.damage import known_runs
from metta_sweep.store.files import sync_folder
from metta_sweep.store.head import Head
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.reading import UNREADABLE

_SUFFIXES = ("", "-wal", "-shm")
_LEAST_ROW_BYTES = 34
"""No row takes less room in the file: its digest alone has 32 bytes."""

_GAP_LIMIT = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvage:
    """What can be read of a sweep whose journal is damaged."""

    events: tuple[dict[str, Any], ...]
    """The events from the first one on that are proven to be as they were written, without a gap."""
    later: tuple[dict[str, Any], ...]
    """Events behind the first damaged or missing one that are themselves as they were written."""
    damaged: tuple[int, ...]
    """Numbers of events that are missing or not as they were written."""
    written: int | None
    """How many events there were, where the head tells."""
    unknown_runs: tuple[str, ...]
    """Runs that have a directory and no event."""
    results: Mapping[str, RunResult]
    """The results that lie in run directories, by run; those of unknown runs included."""
    unreadable_results: tuple[str, ...]
    """Runs whose result file holds no result."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is known to be missing."""
        return not (self.later or self.damaged or self.unknown_runs) and (self.written or 0) <= len(self.events)


def salvage(paths: SweepPaths) -> Salvage:
    """Return what can be read of the sweep's journal and run directories; nothing is written there.

    An event is proven by its link: its digest covers it and the digest stored before it, so that one damaged event
    does not make those behind it doubtful.
    """
    head = Head.read(paths.head)
    rows = {seq: row for seq, *row in _readable_rows(paths.journal, head)}
    last = max([*rows, head.seq if head is not None else 0], default=0)
    sound = {seq: event for seq in range(1, last + 1) if (event := _proven(rows, seq)) is not None}
    damaged = tuple(seq for seq in range(1, last + 1) if seq not in sound)
    first_gap = damaged[0] if damaged else last + 1
    known = set(known_runs(tuple(sound.values())))
    results, unreadable = _results(paths)
    return Salvage(
        events=tuple(sound[seq] for seq in range(1, first_gap)),
        later=tuple(event for seq, event in sorted(sound.items()) if seq > first_gap),
        damaged=damaged,
        written=head.seq if head is not None else None,
        unknown_runs=tuple(run_id for run_id in paths.run_ids() if run_id not in known),
        results=results,
        unreadable_results=unreadable,
    )


def replace_journal(paths: SweepPaths, events: Sequence[Mapping[str, Any]]) -> Path:
    """Put a journal of these events in the place of a damaged one, which is kept under another name.

    The caller holds the sweep's lock and has seen that the events make a sound history.

    Returns:
        Where the damaged journal is now.

    Side effects:
        ``sweep.db`` and what belongs to it become ``sweep.db.damaged-N``; a death half-way leaves that and
        ``sweep.db.mended``, and the sweep is refused until one of them is put in place.
    """
    mended = _build(paths, events)
    aside = _free_name(paths.journal)
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            _beside(paths.journal, suffix).rename(_beside(aside, suffix))
    mended.replace(paths.journal)
    paths.head.unlink(missing_ok=True)
    sync_folder(paths.root)
    return aside


def _build(paths: SweepPaths, events: Sequence[Mapping[str, Any]]) -> Path:
    """Return a new journal file beside the old one, whole and on disk."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = SweepPaths(Path(folder), paths.name)
        journal = SqliteJournal.open(elsewhere, create=True)
        journal.append(events)
        journal.close()
        mended = paths.journal.with_name(f"{paths.journal.name}.mended")
        shutil.copyfile(elsewhere.journal, mended)
    with mended.open("rb+") as file:
        os.fsync(file.fileno())
    sync_folder(paths.root)
    return mended


StoredRow = tuple[int, Any, Any, Any]
"""Number, kind, body, digest, as SQLite gives them."""


def _readable_rows(journal: Path, head: Head | None) -> Iterator[StoredRow]:
    """Yield the rows that SQLite can still read, from a copy: opening a database may write to it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / journal.name
        for suffix in ("", "-wal"):
            with contextlib.suppress(OSError):
                shutil.copyfile(_beside(journal, suffix), _beside(copy, suffix))
        with contextlib.suppress(*UNREADABLE), closing(sqlite3.connect(copy)) as connection:
            connection.text_factory = bytes
            most = sum(file.stat().st_size for file in Path(folder).iterdir()) // _LEAST_ROW_BYTES
            yield from (row for row in islice(_rows(connection, head, most), most) if 1 <= row[0] <= most)


def _rows(connection: sqlite3.Connection, head: Head | None, most: int) -> Iterator[StoredRow]:
    """Read in order as far as that goes, then number by number: a broken page hides its own rows only.

    No number is beyond ``most``: in a damaged file numbers may be anything, and rows may come round again.
    """
    columns, seq = "SELECT seq, kind, body, digest FROM events", 0
    with contextlib.suppress(*UNREADABLE):
        for row in connection.execute(f"{columns} ORDER BY seq"):
            yield row
            seq = row[0]
        return
    missed = 0
    while missed < _GAP_LIMIT and seq < (most if head is None else min(head.seq, most)):
        seq, missed = seq + 1, missed + 1
        with contextlib.suppress(*UNREADABLE):
            for row in connection.execute(f"{columns} WHERE seq = ?", (seq,)):
                yield row
                missed = 0


def _proven(rows: Mapping[int, Sequence[Any]], seq: int) -> dict[str, Any] | None:
    """Return the event of that number where its link to the one before holds."""
    before = rows[seq - 1][2] if seq - 1 in rows else b"" if seq == 1 else None
    if seq not in rows or not isinstance(before, bytes):
        return None
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        kind, body = (part.decode() for part in rows[seq][:2])
        content = json.loads(body)
        if Head(seq=seq - 1, digest=before).after(kind, body).digest == rows[seq][2] and isinstance(content, dict):
            return {"kind": kind, **content}
    return None


def _results(paths: SweepPaths) -> tuple[dict[str, RunResult], tuple[str, ...]]:
    results, unreadable = {}, []
    for run_id in paths.run_ids():
        try:
            result = read_result(paths.run(run_id))
        except (ResultError, OSError):
            unreadable.append(run_id)
        else:
            if result is not None:
                results[run_id] = result
    return results, tuple(unreadable)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _free_name(journal: Path) -> Path:
    number = 1
    while (name := journal.with_name(f"{journal.name}.damaged-{number}")).exists():
        number += 1
    return name
