"""What the readers of one run found, brought together: its curve on the way, its result at the end."""

from __future__ import annotations

import json
import math
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from metta_sweep.result import RunPaths
from metta_sweep.results.notes import Notes
from metta_sweep.results.plan import ReadingPlan
from metta_sweep.results.port import Point, Reader, Source
from metta_sweep.results.reduction import Reduction
from metta_sweep.results.registry import new_reader
from metta_sweep.results.verdict import ReadingOutcome, missing, several

METRICS = 500
"""Most metrics that are kept of one run."""

FULL_CURVE = 5_000
"""Lines of a curve that are written as they come; of so many more every second one, then every fourth, and so on."""


@dataclass(frozen=True, slots=True)
class NamedReader:
    """A reader and the name by which it was asked for."""

    name: str
    reader: Reader


class Gathering:
    """Collects what the readers of a run yield.

    Args:
        plan: What is read.
        source: Where; made before the run starts.

    Raises:
        RequestError: There is no such reader.
    """

    def __init__(self, plan: ReadingPlan, source: Source) -> None:
        self._plan = plan
        self._source = source
        self.readers = tuple(NamedReader(name, new_reader(name, source)) for name in plan.readers)
        self._series: dict[str, dict[str, Reduction]] = {}
        self._taken: Counter[str] = Counter()
        self._curve = _Curve(source.run, source.began_s) if "report" not in plan.readers else None

    @property
    def notes(self) -> Notes:
        """What there is to say about the files."""
        return self._source.notes

    def gather(self, *, final: bool) -> None:
        """Take in what is new.

        Side effects:
            Appends to the run's ``metrics.jsonl``, except what came from there.
        """
        for each in self.readers:
            for point in each.reader.read(final=final):
                self._take(point)
        if self._curve is not None:
            self._curve.flush()

    def _take(self, point: Point) -> None:
        places = (
            self._series.setdefault(point.name, {}) if len(self._series) < METRICS else self._series.get(point.name)
        )
        if places is None:
            return
        series = places.get(point.place)
        if series is None:
            series = places[point.place] = Reduction(self._plan.reduction(point.name))
        self._taken[point.place] += 1
        series.add(point.value, point.step, at=self._taken[point.place])
        if self._curve is not None:
            self._curve.add(point, count=series.count)

    def verdict(self) -> ReadingOutcome:
        """Return what the run's result is, or why it has none."""
        notes = list(self._odd())
        if self.notes.fault:
            return ReadingOutcome(problem=self.notes.fault, notes=notes)
        wanted = self._series.get(self._plan.metric)
        if wanted is None:
            return ReadingOutcome(problem=missing(self._plan, self._source, self.readers), notes=notes)
        if len(wanted) > 1:
            return ReadingOutcome(problem=several(self._plan.metric, list(wanted)), notes=notes)
        single = {name: next(iter(places.values())) for name, places in self._series.items() if len(places) == 1}
        steps = [series.last_step for series in single.values() if series.last_step is not None]
        return ReadingOutcome(
            metrics={name: series.value() for name, series in single.items()},
            steps=int(max(steps)) if steps else None,
            notes=notes,
        )

    def _odd(self) -> Iterator[str]:
        """Yield what a person should know about the numbers that were taken."""
        for name in self._plan.metrics:
            if name != self._plan.metric and name not in self._series:
                yield f"no {self._plan.metrics[name]!r} was found for {name}"
        for name, places in self._series.items():
            if len(places) > 1 and name != self._plan.metric:
                yield several(name, list(places))
            for place, series in places.items():
                if series.steps_back is not None:
                    before, after = series.steps_back
                    yield f"{place}: the step of {name} went back from {before:g} to {after:g}; values count as written"
                if name == self._plan.metric and series.ended_before(self._taken[place]):
                    where = "" if series.last_step is None else f", at step {series.last_step:g}"
                    yield f"{place}: {name} ends{where}, long before the rest; {series.how} of its values counts"
                if not math.isfinite(series.last) and math.isfinite(series.value()):
                    yield f"{place}: the last value of {name} is {series.last}; {series.how} of the others counts"


class _Curve:
    """Writes a run's ``metrics.jsonl``, a line for the values of one step; ever fewer lines of a run with very many."""

    def __init__(self, run: RunPaths, began_s: float) -> None:
        self._run = run
        self._began_s = began_s
        self._lines: list[tuple[float, float, dict[str, float]]] = []

    def add(self, point: Point, *, count: int) -> None:
        """Take a value, the ``count``-th of its metric."""
        every = 1 << max(count // FULL_CURVE, 1).bit_length() - 1
        if count % every:
            return
        step = float(count) if point.step is None else point.step
        at_s = (time.time() if point.at_s is None else point.at_s) - self._began_s
        if self._lines and self._lines[-1][0] == step and point.name not in self._lines[-1][2]:
            self._lines[-1][2][point.name] = point.value
        else:
            self._lines.append((step, max(at_s, 0.0), {point.name: point.value}))

    def flush(self) -> None:
        """Append what was taken in one write."""
        if not self._lines:
            return
        lines = "".join(
            json.dumps({"step": int(step), "time_s": round(at_s, 3), "metrics": metrics}) + "\n"
            for step, at_s, metrics in self._lines
        )
        self._lines = []
        descriptor = os.open(self._run.metrics, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, lines.encode())
        finally:
            os.close(descriptor)
