"""What one run at the center left, and which reader would see what of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.text import Text

from metta_sweep.report.wording import count, duration, printable

NAMES = 12
"""Names of one place that are listed."""

PLACES = 4
"""Places of one reader that are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One run, plainly."""

    code: int | None
    """Its exit status; None where it reached its time limit."""
    wall_s: float
    """How long it took."""
    sightings: Sequence[tuple[str, str, str, int, float, float | None]]
    """Reader, place, name, values, last value and its step, in the order seen."""
    metrics: Mapping[str, float]
    """Its result; empty where there is none."""
    metric: str
    """The metric that is searched for."""
    written: Sequence[str] = ()
    """Files outside its own directory that it wrote, by their names below the working directory."""
    is_parallel: bool = False
    """Whether runs are to be done at the same time."""


def show_trial(tried: Tried, console: Console) -> None:
    """Print what came of it."""
    how = "reached its time limit" if tried.code is None else f"exit {tried.code}"
    console.print(Text(f"One run at the center: {how} after {duration(tried.wall_s)}", style="bold"))
    for line in _lines(tried):
        console.print(Text(line), soft_wrap=True)
    console.print()


def _lines(tried: Tried) -> Iterator[str]:
    for reader, of_reader in groupby(tried.sightings, key=lambda seen: seen[0]):
        places = [(place, list(found)) for place, found in groupby(of_reader, key=lambda seen: seen[1])]
        for place, found in places[:PLACES]:
            yield f"  {reader} sees {printable(place)}"
            yield from _names([seen for seen in found if seen[2]])
        if len(places) > PLACES:
            yield f"  {reader} sees {len(places) - PLACES} more places"
    if tried.metrics:
        others = {name: value for name, value in tried.metrics.items() if name != tried.metric}
        yield f"  result: {_value(tried.metric, tried.metrics.get(tried.metric))}"
        for name, value in list(others.items())[:NAMES]:
            yield f"          {_value(name, value)}"
    yield from _outputs(tried)


def _outputs(tried: Tried) -> Iterator[str]:
    """Yield that other runs would write to the same place."""
    if not tried.written:
        return
    more = len(tried.written) - PLACES
    shown = ", ".join(map(printable, tried.written[:PLACES])) + (f" and {count(more, 'more file')}" if more > 0 else "")
    yield f"  it writes below the working directory: {shown}"
    told = "warning: runs that are done at the same time share it" if tried.is_parallel else "all runs share it"
    yield f"      {told}; `workdir: run` under sweep: gives each run a directory of its own"


def _value(name: str, value: float | None) -> str:
    return f"{printable(name)} is missing" if value is None else f"{printable(name)} {value:.6g}"


def _names(found: Sequence[tuple[str, str, str, int, float, float | None]]) -> Iterator[str]:
    if not found:
        yield "      no numbers"
    for _, _, name, values, last, step in found[:NAMES]:
        at = "" if step is None else f" at step {step:.10g}"
        yield f"      {printable(name)}: {count(values, 'value')}, the last {last:.6g}{at}"
    if len(found) > NAMES:
        yield f"      and {len(found) - NAMES} more names"
