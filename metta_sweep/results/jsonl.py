"""JSON lines: one object a line, of any nesting; and the run's own ``metrics.jsonl``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.growing import GrowingLines
from metta_sweep.results.numbers import flat, step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.seen import Seen

STEP = "step"
"""Where a line has its step when nobody says otherwise."""


@dataclass(slots=True)
class _Followed:
    lines: GrowingLines
    shown: str


class JsonlReader:
    """Reads files of JSON lines."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = self._own_files()
        self._followed: dict[str, _Followed] = {}
        self.seen = Seen(self._files.said())

    def _own_files(self) -> OwnFiles:
        return OwnFiles(self._source, "**/*.jsonl")

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file in self._files.look(final=final):
            followed = self._followed.get(file.shown) or self._follow(file)
            for line, _ in followed.lines.lines(final=final):
                if line.strip():
                    yield from self._points(line, followed)
            if followed.lines.passed_over:
                self._source.notes.say(f"{file.shown}: lines of more than 1 MiB were passed over")

    def _follow(self, file: OwnFile) -> _Followed:
        self.seen.place(file.shown)
        self._followed[file.shown] = _Followed(GrowingLines(file.path, file.start), file.shown)
        return self._followed[file.shown]

    def _points(self, line: str, followed: _Followed) -> Iterator[Point]:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            self._source.notes.say(f"{followed.shown}: a line is not JSON and was passed over: {line[:80]!r}")
            return
        if not isinstance(content, dict):
            return
        values = dict(self._values(content))
        step = step_of(values.get(self._source.step or STEP))
        for name, value in values.items():
            if name == (self._source.step or STEP):
                continue
            self.seen.add(followed.shown, name, value, step)
            for ours in self._source.ours(name):
                yield Point(name=ours, value=value, place=followed.shown, step=step)

    def _values(self, content: dict[str, Any]) -> Iterator[tuple[str, float]]:
        return flat(content)


class ReportReader(JsonlReader):
    """Reads what the run itself reported: the evaluations in its ``metrics.jsonl``."""

    def _own_files(self) -> OwnFiles:
        run = self._source.run
        return OwnFiles(replace(self._source, path=str(run.metrics), is_shared=False), "", with_reports=True)

    def _values(self, content: dict[str, Any]) -> Iterator[tuple[str, float]]:
        metrics = content.get("metrics")
        yield from flat(metrics) if isinstance(metrics, dict) else ()
        yield from flat({STEP: content.get("step")})
