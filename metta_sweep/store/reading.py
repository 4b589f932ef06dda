"""Opening a journal without a trace: while its writer runs, after it was killed, and where nothing can be written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_BUSY_S = 5.0

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What a broken file makes of a read; the second where SQLite's own message quotes it."""


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read.

    Where no log is left to replay, the file alone is the whole journal and is read as immutable: nothing is left beside
    it, and read-only media and other users' sweeps can be read. Where there is a log, a reader needs SQLite's shared
    memory file, which it makes where the folder lets it.

    Raises:
        sqlite3.Error: The file cannot be read or is not a database.
    """
    uri = path.absolute().as_uri()
    connection = _connect(f"{uri}?mode=ro" if _has_log(path) else f"{uri}?immutable=1")
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except UNREADABLE:
        connection.close()
        raise
    return connection


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None)


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except OSError:
        return False
