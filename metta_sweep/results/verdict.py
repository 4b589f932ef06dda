"""What a run's numbers come to, or why they come to nothing, in words."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metta_sweep.results.plan import ReadingPlan
from metta_sweep.results.port import Source
from metta_sweep.results.seen import Seen

if TYPE_CHECKING:
    from metta_sweep.results.gathering import NamedReader

SHOWN = 8
"""Names, or files, that a message lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingOutcome:
    """The outcome of reading one run."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    """The run's metrics; empty where there is a problem."""
    steps: int | None = None
    """Training steps done, where they are written."""
    problem: str = ""
    """Why there is no result; empty where there is one."""
    notes: Sequence[str] = ()
    """What a person should know besides."""


def several(metric: str, places: Sequence[str]) -> str:
    """Return that a metric was found in more than one place."""
    return f"{metric} is written in {len(places)} places: {_listed(places)}; name one of them under sweep.results.path"


def missing(plan: ReadingPlan, source: Source, readers: Sequence[NamedReader]) -> str:
    """Return that the metric did not come: what was looked for, what was found in which files, and what is near."""
    wanted = plan.metrics.get(plan.metric, plan.metric)
    found = "; ".join(_found(each.name, each.reader.seen) for each in readers)
    names = [name for each in readers for name in each.reader.seen.names]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    fix = f" (did you mean {near[0]!r}?)" if near else ""
    what = f"{plan.metric}" if wanted == plan.metric else f"{plan.metric} ({wanted!r})"
    notes = "".join(f"; {note}" for note in source.notes.said[:2])
    return f"no value of {what}{fix}; {found}{notes}"


def _found(name: str, seen: Seen) -> str:
    if not seen.places:
        return f"{name} found nothing of this run; it looked for {seen.searched}"
    if not seen.names:
        return f"{name} found no numbers in {_listed(seen.places)}"
    return f"{name} found {_listed(seen.names)} in {_listed(seen.places)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
