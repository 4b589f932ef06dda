"""Failures by class: how many, one cause, and the part of the search space in which they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.report.wording import plain
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.records import FailureClass, Run, RunState
from metta_sweep.sweep.state import SweepState

CHANCE = 0.05
"""How likely a region may be by chance alone and still be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One parameter that tells the points that failed from those that finished."""

    name: str
    """Dotted path of the parameter."""
    failed: str
    """Where all points that failed lie: ``>= 256``."""
    finished: str
    """Where all points that finished lie: ``<= 128``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One class of failure."""

    kind: FailureClass
    """The class."""
    run_ids: tuple[str, ...]
    """Runs that failed for good in this way, in order."""
    retried: int
    """Attempts that failed in this way and were followed by another."""
    message: str
    """The most recent cause, one line."""
    detail: str
    """Its evidence: a traceback or the end of the log."""
    params: Mapping[str, Any]
    """The point of the most recent of these failures."""
    regions: tuple[Region, ...]
    """What tells these points from those that finished; empty where nothing does with enough certainty."""


def failure_rows(state: SweepState) -> tuple[FailureRow, ...]:
    """Return a row for each class that occurred, the most runs first."""
    by_class: dict[FailureClass, list[Run]] = {}
    for run in state.runs.values():
        for kind in dict.fromkeys(a.failure.kind for a in run.attempts if a.failure is not None):
            by_class.setdefault(kind, []).append(run)
    rows = [_row(state, kind, runs) for kind, runs in by_class.items()]
    return tuple(sorted(rows, key=lambda row: (-len(row.run_ids), -row.retried, row.kind)))


def _row(state: SweepState, kind: FailureClass, runs: list[Run]) -> FailureRow:
    failures = [a.failure for run in runs for a in run.attempts if a.failure is not None and a.failure.kind is kind]
    ended = [run for run in runs if run.failure is not None and run.failure.kind is kind]
    return FailureRow(
        kind=kind,
        run_ids=tuple(run.run_id for run in ended),
        retried=len(failures) - len(ended),
        message=failures[-1].message,
        detail=failures[-1].detail,
        params=_point(state, runs[-1]),
        regions=_regions_of(state, ended),
    )


def _point(state: SweepState, run: Run) -> Mapping[str, Any]:
    return state.rollouts[run.rollout].suggestion.params


def _regions_of(state: SweepState, failed: Sequence[Run]) -> tuple[Region, ...]:
    """Compare points, not runs: two seeds of one point are one piece of evidence."""
    bad = {run.rollout for run in counted(failed)}
    good = {run.rollout for run in counted(state.runs.values()) if run.state is RunState.FINISHED} - bad
    points = [rollout.suggestion.params for rollout in state.rollouts]
    return regions([points[i] for i in sorted(bad)], [points[i] for i in sorted(good)])


def regions(failed: Sequence[Mapping[str, Any]], finished: Sequence[Mapping[str, Any]]) -> tuple[Region, ...]:
    """Return the parameters of which one threshold parts all failed from all finished points.

    A threshold is named only where chance would produce one in fewer than 5 of 100 sweeps: with f failed and s
    finished points, a parameter without influence parts them with probability ``2 / C(f + s, f)``, and there are
    as many chances as parameters.
    """
    names = dict.fromkeys(name for point in (*failed, *finished) for name in point)
    if not failed or not finished or 2 * len(names) / math.comb(len(failed) + len(finished), len(failed)) > CHANCE:
        return ()
    found = (_region(name, [p.get(name) for p in failed], [p.get(name) for p in finished]) for name in names)
    return tuple(region for region in found if region is not None)


def _region(name: str, failed: list[Any], finished: list[Any]) -> Region | None:
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (*failed, *finished)):
        return _choice(name, failed, finished)
    if min(failed) > max(finished):
        return Region(name=name, failed=f">= {plain(min(failed))}", finished=f"<= {plain(max(finished))}")
    if max(failed) < min(finished):
        return Region(name=name, failed=f"<= {plain(max(failed))}", finished=f">= {plain(min(finished))}")
    return None


def _choice(name: str, failed: list[Any], finished: list[Any]) -> Region | None:
    """Return the region of a list's values, where one value fails and no point with it finished."""
    values, others = {plain(value) for value in failed}, {plain(value) for value in finished}
    if len(values) > 1 or values & others or None in (*failed, *finished):
        return None
    return Region(name=name, failed=f"= {values.pop()}", finished=f"= {' or '.join(sorted(others))}")
