"""TensorBoard's event files, without the tensorboard package: scalars as torch, JAX and TF2 write them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from metta_sweep.results import protobuf
from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.framing import DamagedError, TFRecords
from metta_sweep.results.growing import GrowingBytes
from metta_sweep.results.numbers import number
from metta_sweep.results.port import Point, Source
from metta_sweep.results.protobuf import MalformedError, double, fields, message, signed
from metta_sweep.results.seen import Seen

MARK = "tfevents"
"""What the name of every event file has in it."""

_WALL_TIME, _STEP, _SUMMARY, _VALUE = 1, 2, 5, 1
_TAG, _SIMPLE_VALUE, _TENSOR = 1, 2, 8
_DTYPE, _SHAPE, _CONTENT = 1, 2, 4
_PACKED = {1: (5, "f"), 2: (6, "d"), 3: (7, "i"), 9: (10, "q")}
"""By type of a tensor (float, double, int32, int64): the field of its values and how one is packed."""


@dataclass(slots=True)
class _EventFile:
    grown: GrowingBytes
    records: TFRecords
    place: str
    is_damaged: bool = False


class TensorboardReader:
    """Reads the scalars in event files; a writer's directory is a place of its own."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = OwnFiles(source, f"**/*{MARK}*")
        self._followed: dict[str, _EventFile] = {}
        self.seen = Seen(self._files.said())

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file in self._files.look(final=final):
            if MARK not in file.path.name:
                continue
            followed = self._followed.get(file.shown) or self._follow(file)
            if not followed.is_damaged:
                yield from self._points(followed, final=final)

    def _follow(self, file: OwnFile) -> _EventFile:
        place = _place(file)
        self.seen.place(place)
        self._followed[file.shown] = _EventFile(GrowingBytes(file.path, file.start), TFRecords(), place)
        return self._followed[file.shown]

    def _points(self, followed: _EventFile, *, final: bool) -> Iterator[Point]:
        try:
            for chunk, anew in followed.grown.chunks(final=final):
                followed.records = TFRecords() if anew else followed.records
                for record in followed.records.feed(chunk):
                    yield from self._of_event(record, followed.place)
        except (DamagedError, MalformedError):
            followed.is_damaged = True
            self._source.notes.say(f"{followed.place}: the event file is damaged; what comes before that is taken")

    def _of_event(self, record: bytes, place: str) -> Iterator[Point]:
        wall_s, step, summaries = 0.0, 0, []
        for at, wire, value in fields(record):
            if at == _WALL_TIME and wire == protobuf.FIXED64:
                wall_s = double(value)
            elif at == _STEP and isinstance(value, int):
                step = signed(value)
            elif at == _SUMMARY:
                summaries.append(message(value))
        for summary in summaries:
            for at, _, value in fields(summary):
                if at == _VALUE:
                    yield from self._of_value(message(value), place, float(step), wall_s)

    def _of_value(self, content: bytes, place: str, step: float, wall_s: float) -> Iterator[Point]:
        tag, value = "", None
        for at, wire, held in fields(content):
            if at == _TAG:
                tag = protobuf.text(held)
            elif at == _SIMPLE_VALUE and wire == protobuf.FIXED32:
                value = double(held)
            elif at == _TENSOR:
                value = _scalar(message(held))
        if value is None:
            return
        self.seen.add(place, tag, value, step)
        for ours in self._source.ours(tag):
            yield Point(name=ours, value=value, place=place, step=step, at_s=wall_s or None)


def _place(file: OwnFile) -> str:
    """Return the directory of the writer, and its process where the name of the file says it."""
    folder = file.shown.rpartition("/")[0] or "."
    words = file.path.name.partition(MARK)[2].split(".")
    process = next((word for word in reversed(words[2:]) if number(word) is not None and len(word) > 1), "")
    return f"{folder} (process {process})" if process else folder


def _scalar(tensor: bytes) -> float | None:
    """Return the one number in a tensor without dimensions; None for text, images, histograms."""
    kind, content, values = 0, b"", {}
    for at, _, value in fields(tensor):
        if at == _DTYPE and isinstance(value, int):
            kind = value
        elif at == _SHAPE and isinstance(value, bytes) and value:
            return None
        elif at == _CONTENT and isinstance(value, bytes):
            content = value
        else:
            values[at] = value
    if kind not in _PACKED:
        return None
    at, form = _PACKED[kind]
    if content:
        return float(struct.unpack(f"<{form}", content)[0]) if len(content) == struct.calcsize(form) else None
    value = values.get(at, 0)  # a zero is not written
    if form in "fd":
        return double(value) if isinstance(value, bytes) else 0.0
    packed = protobuf.varints(value) if isinstance(value, bytes) else [value]
    return float(signed(packed[0])) if packed else 0.0
