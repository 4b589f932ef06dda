"""A JSON file that is written whole, once or again and again: an object, a history of lists, or a list of objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from metta_sweep.results.files import OwnFile
from metta_sweep.results.numbers import flat, number, step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.whole import WholeFiles

STEP = "step"
"""Key of the step when nobody says otherwise."""


class JsonReader:
    """Reads JSON files: each time one is written anew its numbers are values, a list of numbers is a series."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = WholeFiles(source, "**/*.json")
        self.seen = self._files.seen

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file, content in self._files.new_contents(final=final):
            yield from self._points(content, file, final=final)

    def _points(self, text: bytes, file: OwnFile, *, final: bool) -> Iterator[Point]:
        try:
            content = json.loads(text.decode("utf-8-sig", errors="replace"))
        except (ValueError, RecursionError) as error:
            if final:  # before that it may be half written
                self._source.notes.say(f"{file.shown}: invalid JSON: {str(error)[:200]}")
            return
        if isinstance(content, list) and any(isinstance(row, dict) for row in content):
            yield from self._rows(content, file)
        elif isinstance(content, dict):
            yield from self._object(content, file)

    def _rows(self, rows: list[Any], file: OwnFile) -> Iterator[Point]:
        """Yield the values of the rows of a list that were not there before."""
        for row in rows[self._files.take(file, "", len(rows)) :]:
            if isinstance(row, dict):
                values = dict(flat(row))
                step = step_of(values.get(self._source.step or STEP))
                for name, value in values.items():
                    yield from self._point(name, value, step, file)

    def _object(self, content: dict[str, Any], file: OwnFile) -> Iterator[Point]:
        values = dict(flat(content))
        series = dict(_series(content))
        steps = series.get(self._source.step or STEP)
        step = step_of(values.get(self._source.step or STEP))
        for name, value in values.items():
            yield from self._point(name, value, step, file)
        for name, numbers in series.items():
            first = self._files.take(file, name, len(numbers))
            for at, value in enumerate(numbers[first:], start=first):
                when = step_of(steps[at]) if steps is not None and at < len(steps) else None
                yield from self._point(name, value, when, file)

    def _point(self, name: str, value: float, step: float | None, file: OwnFile) -> Iterator[Point]:
        if name == (self._source.step or STEP):
            return
        self.seen.add(file.shown, name, value, step)
        for ours in self._source.ours(name):
            yield Point(name=ours, value=value, place=file.shown, step=step)


def _series(content: Any, above: str = "", depth: int = 0) -> Iterator[tuple[str, list[float]]]:
    """Yield the lists of nothing but numbers by their names: Keras' ``{"loss": [1.0, 0.5]}``."""
    if isinstance(content, dict) and depth < 5:
        for key, value in content.items():
            yield from _series(value, f"{above}/{key}" if above else str(key), depth + 1)
    elif isinstance(content, list) and content:
        numbers = [number(value) for value in content if not isinstance(value, str)]
        if len(numbers) == len(content) and None not in numbers:
            yield above, [value for value in numbers if value is not None]
