"""The file that the W&B client keeps of a run (``run-ID.wandb``), offline or not: history and summary, without wandb.

Its records are ``wandb.proto``'s in the framing of LevelDB's log; the field numbers here are those of client 0.31, and
protocol buffers keep them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.framing import DamagedError, LevelDbLog
from metta_sweep.results.growing import GrowingBytes
from metta_sweep.results.numbers import flat, step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.protobuf import MalformedError, double, fields, message, text
from metta_sweep.results.seen import Seen

PATTERN = "{run_dir}/wandb/*/*.wandb"
"""Where the file is: ``WANDB_DIR`` is the run's directory."""

STEP, TIMESTAMP = "_step", "_timestamp"
"""Keys that the client adds to each row."""

HEADER_BYTES = 7
"""Before the first record: ``:W&B``, a magic number and a version."""

_HISTORY, _SUMMARY = 2, 3
_ITEM, _UPDATE = 1, 1
_KEY, _NESTED_KEY, _VALUE_JSON = 1, 2, 16
_INTEGER, _NUMBER = 5, 6


@dataclass(slots=True)
class _RunFile:
    grown: GrowingBytes
    records: LevelDbLog
    shown: str
    in_history: set[str] = field(default_factory=set)
    summary: dict[str, float] = field(default_factory=dict)
    is_damaged: bool = False


class WandbReader:
    """Reads what a run logs with ``wandb.log`` and sets in ``run.summary``."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = OwnFiles(source, PATTERN)
        self._followed: dict[str, _RunFile] = {}
        self.seen = Seen(self._files.said())

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file in self._files.look(final=final):
            if file.path.suffix != ".wandb":
                continue
            followed = self._followed.get(file.shown) or self._follow(file)
            if not followed.is_damaged:
                yield from self._points(followed, final=final)
            if final:
                yield from self._of_summary(followed)

    def _follow(self, file: OwnFile) -> _RunFile:
        self.seen.place(file.shown)
        followed = _RunFile(GrowingBytes(file.path), LevelDbLog(HEADER_BYTES), file.shown)
        self._followed[file.shown] = followed
        return followed

    def _points(self, followed: _RunFile, *, final: bool) -> Iterator[Point]:
        try:
            for chunk, anew in followed.grown.chunks(final=final):
                followed.records = LevelDbLog(HEADER_BYTES) if anew else followed.records
                for record in followed.records.feed(chunk):
                    yield from self._of_record(record, followed)
        except (DamagedError, MalformedError):
            followed.is_damaged = True
            self._source.notes.say(f"{followed.shown} is damaged; what comes before that is taken")

    def _of_record(self, record: bytes, followed: _RunFile) -> Iterator[Point]:
        for at, _, value in fields(record):
            if at == _HISTORY:
                yield from self._of_history(dict(_items(message(value), _ITEM)), followed)
            elif at == _SUMMARY:
                followed.summary.update(_items(message(value), _UPDATE))

    def _of_history(self, row: dict[str, float], followed: _RunFile) -> Iterator[Point]:
        step = step_of(row.get(self._source.step or STEP))
        for name, value in row.items():
            if name.startswith("_") or name == self._source.step:
                continue
            followed.in_history.add(name)
            yield from self._point(name, value, followed.shown, step=step, at_s=row.get(TIMESTAMP))

    def _of_summary(self, followed: _RunFile) -> Iterator[Point]:
        """Yield what is in the summary alone: the history has the rest, with its way."""
        for name, value in followed.summary.items():
            if not name.startswith("_") and name not in followed.in_history:
                yield from self._point(name, value, followed.shown)
        followed.summary = {}

    def _point(
        self, name: str, value: float, place: str, *, step: float | None = None, at_s: float | None = None
    ) -> Iterator[Point]:
        self.seen.add(place, name, value, step)
        for ours in self._source.ours(name):
            yield Point(name=ours, value=value, place=place, step=step, at_s=at_s)


def _items(record: bytes, at: int) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a record's items; what is nested is named ``eval.accuracy``, as W&B shows it."""
    for number, _, value in fields(record):
        if number == at:
            yield from _item(message(value))


def _item(item: bytes) -> Iterator[tuple[str, float]]:
    keys: list[str] = []
    content: object = None
    for at, _, value in fields(item):
        if at in (_KEY, _NESTED_KEY):
            keys.append(text(value))
        elif at == _NUMBER:
            content = double(value)
        elif at == _INTEGER and isinstance(value, int):
            content = (value >> 1) ^ -(value & 1)
        elif at == _VALUE_JSON:
            content = _decoded(text(value))
    yield from flat(content, ".".join(keys), between=".")


def _decoded(written: str) -> object:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return None
