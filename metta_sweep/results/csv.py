"""CSV logs: a header, a row an evaluation, cells that may be blank (Lightning, stable-baselines, loggers by hand)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field

from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.growing import GrowingLines, first_line
from metta_sweep.results.numbers import number, step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.seen import Seen

STEP = "step"
"""Column of the step when nobody says otherwise."""

DELIMITERS = ",;\t"
"""What may stand between cells."""


@dataclass(slots=True)
class _Table:
    """One file as far as it was read."""

    file: OwnFile
    lines: GrowingLines
    first: str = ""
    header: list[str] = field(default_factory=list)
    delimiter: str = ","
    rows: int = 0
    taken: int = 0


class CsvReader:
    """Reads CSV files; a column is a metric, a blank cell is not a value."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = OwnFiles(source, "**/*.csv")
        self._tables: dict[str, _Table] = {}
        self.seen = Seen(self._files.said())

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file in self._files.look(final=final):
            table = self._tables.get(file.shown) or self._open(file)
            for line in self._new_lines(table, final=final):
                yield from self._points(table, line)

    def _open(self, file: OwnFile) -> _Table:
        self.seen.place(file.shown)
        table = self._tables[file.shown] = _Table(file, GrowingLines(file.path, file.start))
        table.first = first_line(file.path)
        if file.start:  # an earlier attempt wrote the header, and rows that are not to be taken
            self._take_header(table, table.first)
            table.rows = table.taken = max(_count_lines(file) - 1, 0)
        return table

    def _new_lines(self, table: _Table, *, final: bool) -> list[str]:
        """Return new lines; loggers write the whole file anew for a new column, which the first line tells."""
        for _ in range(3):
            first = first_line(table.file.path)
            if table.first and first != table.first:
                self._begin_anew(table)
                table.lines.restart()
            table.first = first
            lines = list(table.lines.lines(final=final))
            if first_line(table.file.path) == first:
                break
        if any(anew for _, anew in lines):
            self._begin_anew(table)
        return [line for line, _ in lines if line.strip()]

    def _begin_anew(self, table: _Table) -> None:
        table.header, table.rows = [], 0

    def _points(self, table: _Table, line: str) -> Iterator[Point]:
        if not table.header:
            self._take_header(table, line)
            return
        cells = _cells(line, table.delimiter)
        if cells == table.header:  # written again by a further process of the attempt
            return
        if len(cells) < len(table.header):
            self._source.notes.say(f"{table.file.shown}: an incomplete row was passed over: {line[:80]!r}")
            return
        table.rows += 1
        if table.rows > table.taken:
            table.taken = table.rows
            yield from self._row(table, cells)

    def _take_header(self, table: _Table, line: str) -> None:
        if line.lstrip().startswith("#"):  # stable-baselines' monitor writes what it is about into a first line
            return
        table.delimiter = max(DELIMITERS, key=line.count)
        table.header = _cells(line, table.delimiter)
        if table.header and all(number(cell) is not None for cell in table.header):
            self._source.notes.refuse(
                f"{table.file.shown} has no header: its first line is {line[:80]!r}; have the trainer write the names "
                "of the columns there"
            )
        elif self._source.step is not None and self._source.step not in table.header:
            self._source.notes.say(
                f"{table.file.shown} has no column {self._source.step!r} for the step; its columns are "
                f"{', '.join(table.header)}"
            )

    def _row(self, table: _Table, cells: list[str]) -> Iterator[Point]:
        if len(cells) > len(table.header):
            self._source.notes.say(
                f"{table.file.shown}: a row has {len(cells)} cells, its header {len(table.header)}: columns were added "
                "in between, and the new ones have no name"
            )
        values = {name: number(cell) for name, cell in zip(table.header, cells, strict=False) if cell.strip()}
        column = self._source.step or STEP
        step = step_of(values.get(column))
        for name, value in values.items():
            if value is None or name == column:
                continue
            self.seen.add(table.file.shown, name, value, step)
            for ours in self._source.ours(name):
                yield Point(name=ours, value=value, place=table.file.shown, step=step)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _count_lines(file: OwnFile) -> int:
    """Return how many lines there were before the attempt."""
    left, count = file.start, 0
    with file.path.open("rb") as opened:
        while left > 0:
            chunk = opened.read(min(left, 1 << 20))
            if not chunk:
                break
            left, count = left - len(chunk), count + chunk.count(b"\n")
    return count
