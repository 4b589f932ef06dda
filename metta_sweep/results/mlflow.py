"""The database in which the MLflow client keeps a run's metrics, read while it is written to, without mlflow.

Its tables ``metrics`` and ``runs`` are those of MLflow 3.
"""

from __future__ import annotations

import math
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.numbers import number, step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.seen import Seen

DATABASE = "{run_dir}/mlflow.db"
"""Where it is: ``MLFLOW_TRACKING_URI`` says so to the run."""

ROWS = 5_000
"""Rows of one turn while the run goes on."""

BUSY_S = 5.0
"""Seconds that the last turn waits for a database that is being written to; the others do not wait."""

_METRICS = """
SELECT metrics.rowid, key, value, step, timestamp, is_nan, metrics.run_uuid, name
FROM metrics LEFT JOIN runs ON runs.run_uuid = metrics.run_uuid
WHERE metrics.rowid > ? AND timestamp >= ? ORDER BY metrics.rowid LIMIT ?
"""


class MlflowReader:
    """Reads what a run logs with ``mlflow.log_metric`` and its kin; each run of MLflow's is a place of its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = OwnFiles(source, DATABASE)
        self._last: dict[str, int] = {}
        self.seen = Seen(f"{self._files.said()} (a program that calls mlflow.set_tracking_uri writes elsewhere)")

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file in self._files.look(final=final):
            self.seen.place(file.shown)
            try:
                while rows := self._rows(file, timeout_s=BUSY_S if final else 0.0):
                    for row in rows:
                        yield from self._point(row, file)
                    if not final:
                        break
            except sqlite3.Error as error:
                if final:  # before that it may be locked, or without its tables yet
                    self._source.notes.say(f"{file.shown} cannot be read: {str(error)[:200]}")

    def _rows(self, file: OwnFile, *, timeout_s: float) -> Sequence[Any]:
        """Return rows that are new; of a database that was there before, those since the attempt began."""
        since_ms = int(self._source.began_s * 1000) if file.start else 0
        address = f"{file.path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=timeout_s)) as database:
            rows = database.execute(_METRICS, (self._last.get(file.shown, 0), since_ms, ROWS)).fetchall()
        if rows:
            self._last[file.shown] = rows[-1][0]
        return rows

    def _point(self, row: Sequence[Any], file: OwnFile) -> Iterator[Point]:
        _, key, held, step, at_ms, is_nan, run, name = row  # a column of SQLite holds anything
        if not isinstance(key, str) or not isinstance(held, int | float):
            return
        value = math.nan if is_nan else _unbounded(float(held))
        step = step_of(number(step))
        at_s = at_ms / 1000 if isinstance(at_ms, int) else None
        place = f"{file.shown} (run {name or run})"
        self.seen.add(place, key, value, step)
        for ours in self._source.ours(key):
            yield Point(name=ours, value=value, place=place, step=step, at_s=at_s)


def _unbounded(value: float) -> float:
    """Return infinity for the largest number, as which MLflow writes it."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max * (1 - 1e-12) else value
