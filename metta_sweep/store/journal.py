"""The journal: one append-only SQLite table of events, checked whenever it is opened.

What a check can find, and by what:

==========================================  =====================================================================
damage                                      found by
==========================================  =====================================================================
a byte changed, a row removed or inserted   the chain: a row's digest covers its content and the digest before it
rows lost from the end, an older copy       ``sweep.head``, which says after each commit how far the chain reached
the same where the head is gone too         run directories that the journal has never heard of
a file emptied, truncated, foreign, newer   its size, SQLite's own check, ``application_id``, ``user_version``
==========================================  =====================================================================

Nothing is ever mended or written by a check: the message says what to do, and the files stay as they are.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from metta_sweep.errors import MettaSweepError
from metta_sweep.store.damage import check_known_runs, damaged, foreign, journal_lost, missing, newer, unreadable
from metta_sweep.store.files import sync_folder
from metta_sweep.store.head import Head
from metta_sweep.store.lock import Holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.reading import UNREADABLE, connect_to_read

APPLICATION_ID = 0x4D745377
"""``MtSw``: marks an SQLite file as a journal of ours."""

SCHEMA_VERSION = 1
"""Form of the table; a larger number is of a later version of this package."""

_SCHEMA = f"""
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    digest BLOB NOT NULL
);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""
_BUSY_S = 10.0
_SMALLEST_BYTES = 512


class JournalWriteError(MettaSweepError):
    """The journal could not be written (disk full, file system gone): the sweep stops, what was acknowledged stays."""


class SqliteJournal:
    """The journal of one sweep, open for writing; implements the port ``Journal``.

    The caller holds the sweep's lock: there is one writer. The lock may be taken from a writer that does not know it
    yet, so each transaction asks the fence once it has SQLite's write lock, and whoever opens the journal waits for a
    transaction under way: of two writers the earlier one cannot add anything behind the later one's back.
    """

    def __init__(
        self, paths: SweepPaths, connection: sqlite3.Connection, head: Head, fence: Callable[[], None] = lambda: None
    ) -> None:
        self._paths = paths
        self._connection = connection
        self._head = head
        self._fence = fence

    @classmethod
    def open(
        cls, paths: SweepPaths, *, create: bool, fence: Callable[[], None] = lambda: None, before: Holder | None = None
    ) -> SqliteJournal:
        """Check the journal and open it.

        Args:
            paths: The sweep's files.
            create: Make an empty journal where nothing of the sweep is there yet.
            fence: Raises where the sweep has another controller: :meth:`metta_sweep.store.lock.SweepLock.check`.
            before: The controller that the sweep was taken from.

        Raises:
            RequestError: There is none (and ``create`` is false), or it is damaged, foreign or newer, or has lost rows.
            JournalWriteError: It cannot be written.
        """
        try:
            if create and not paths.journal.exists():
                _create(paths)
            _checked(paths)
            connection = _connect_to_write(paths.journal)
            head = _head_once_quiet(connection)
        except (sqlite3.Error, OSError) as error:
            raise _write_error(paths, error, before) from error
        head.write(paths.head)
        return cls(paths, connection, head, fence)

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Store events in order and in one transaction; when it returns they survive a power cut.

        Args:
            events: Mappings of JSON values, each with its ``kind``.

        Raises:
            JournalWriteError: They could not be stored; none of them is.
            TakenOverError: The fence says so; none of them is stored.
        """
        rows, head = [], self._head
        for event in events:
            kind, body = _encode(event)
            head = head.after(kind, body)
            rows.append((head.seq, kind, body, head.digest))
        try:
            self._commit(rows)
        except sqlite3.Error as error:
            raise _write_error(self._paths, error) from error
        self._head = head
        head.write(self._paths.head)

    def _commit(self, rows: Sequence[tuple[int, str, str, bytes]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._fence()
            self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield every stored event in the order written."""
        for kind, body in self._connection.execute("SELECT kind, body FROM events ORDER BY seq"):
            yield {"kind": kind, **json.loads(body)}

    def close(self) -> None:
        """Release the file; a second call does nothing."""
        self._connection.close()


def read_events(paths: SweepPaths) -> list[dict[str, Any]]:
    """Return every event of a sweep without holding up its controller.

    Works while the controller runs, after it was killed, and in a folder that cannot be written.

    Raises:
        RequestError: There is no journal, or it is damaged, foreign or newer, or has lost rows.
    """
    return [{"kind": kind, **body} for kind, body, _ in _checked(paths)]


EventRow = tuple[str, dict[str, Any], bytes]
"""Kind, body and digest of an event."""


def _checked(paths: SweepPaths) -> list[EventRow]:
    """Return all rows of a journal in which nothing is amiss.

    The head and the run directories are read first: whatever a controller adds meanwhile is then no contradiction.
    """
    head, run_ids = Head.read(paths.head), paths.run_ids()
    if not paths.journal.exists():
        raise journal_lost(paths) if head is not None or run_ids else missing(paths)
    size = paths.journal.stat().st_size
    if size < _SMALLEST_BYTES:
        raise damaged(paths, f"it is {'cut off' if size else 'empty'} ({size} bytes)")
    rows = _read_rows(paths)
    if head is not None and not head.is_reached_by([digest for _, _, digest in rows]):
        raise damaged(paths, f"it has lost events: {head.seq} were written, and they do not end where they did")
    check_known_runs(paths, run_ids, [body for _, body, _ in rows])
    return rows


def _read_rows(paths: SweepPaths) -> list[EventRow]:
    try:
        with closing(connect_to_read(paths.journal)) as connection:
            connection.execute("BEGIN")
            _check_marks(paths, connection)
            problems = [row[0] for row in connection.execute("PRAGMA quick_check(1)")]
            if problems != ["ok"]:
                raise damaged(paths, f"SQLite finds {problems[0]!s}")
            return list(_verified(paths, connection))
    except UNREADABLE as error:
        raise unreadable(paths, error) from error


def _check_marks(paths: SweepPaths, connection: sqlite3.Connection) -> None:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application_id != APPLICATION_ID:
        raise foreign(paths)
    if version > SCHEMA_VERSION:
        raise newer(paths, version, SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise damaged(paths, f"its schema version is {version}, which never was")


def _verified(paths: SweepPaths, connection: sqlite3.Connection) -> Iterator[EventRow]:
    """Yield the rows whose chain holds.

    Raises:
        RequestError: A row is missing, changed, or no JSON object.
    """
    expected = Head.start()
    for seq, kind, body, digest in connection.execute("SELECT seq, kind, body, digest FROM events ORDER BY seq"):
        if not (isinstance(kind, str) and isinstance(body, str)):
            raise damaged(paths, f"event {seq} is not text")
        expected = expected.after(kind, body)
        if (seq, digest) != (expected.seq, expected.digest):
            raise damaged(paths, f"event {expected.seq} is missing or was changed")
        yield kind, _decode(paths, seq, body), digest


def _decode(paths: SweepPaths, seq: int, body: str) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise damaged(paths, f"event {seq} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise damaged(paths, f"event {seq} is not a JSON object")
    return content


def _encode(event: Mapping[str, Any]) -> tuple[str, str]:
    body = {key: value for key, value in event.items() if key != "kind"}
    return str(event["kind"]), json.dumps(body, separators=(",", ":"))


def _create(paths: SweepPaths) -> None:
    """Put an empty journal in place, whole: a death half-way leaves none rather than an empty file.

    Raises:
        RequestError: Something of the sweep is there already; an empty journal would forget it.
    """
    if Head.read(paths.head) is not None or paths.run_ids():
        raise journal_lost(paths)
    paths.root.mkdir(parents=True, exist_ok=True)
    beside = paths.journal.with_name(f".{paths.journal.name}.new")
    beside.unlink(missing_ok=True)
    with closing(sqlite3.connect(beside, isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
    os.link(beside, paths.journal)
    beside.unlink()
    sync_folder(paths.root)


def _connect_to_write(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # macOS leaves the last of it in the drive otherwise
    return connection


def _head_once_quiet(connection: sqlite3.Connection) -> Head:
    """Return the journal's end once no transaction of another writer is under way."""
    connection.execute("BEGIN IMMEDIATE")
    last = connection.execute("SELECT seq, digest FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    connection.execute("ROLLBACK")
    return Head.start() if last is None else Head(seq=last[0], digest=last[1])


def _write_error(paths: SweepPaths, error: Exception, before: Holder | None = None) -> JournalWriteError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
        who, how = (f"the earlier controller ({before})", before.pid) if before else ("another process", "PID")
        return JournalWriteError(
            f"{paths.journal}: {who} is in the middle of a write and does not go on; nothing is lost: "
            f"end it (kill -9 {how}) and give the same command again"
        )
    return JournalWriteError(
        f"{paths.journal}: cannot be written ({error}); nothing that was recorded is lost: "
        "make room or mend the file system and give the same command again"
    )
