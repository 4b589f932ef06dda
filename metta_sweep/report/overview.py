"""All sweeps of a data directory, a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metta_sweep.errors import MettaSweepError
from metta_sweep.report.reading import state_of
from metta_sweep.report.wording import duration, number, printable, size
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState

_HEADS = ("SWEEP", "STATE", "BEST", "ROLLOUTS", "LAST CHANGE", "SIZE")
_ENDINGS = {"rollout_count": "complete", "stopped": "stopped", "interrupted": "interrupted", "failed": "failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepLine:
    """One sweep of many."""

    name: str
    """The sweep."""
    state: str
    """``running``, ``complete``, ``interrupted``, …; ``unreadable`` where its journal is damaged."""
    metric: str
    """What it searches for."""
    best: float | None
    """The best mean so far, raw."""
    front: int
    """Points of the front, where several goals have one; else 0."""
    finished: int
    """Rollouts whose outcome is known."""
    rollout_count: int
    """Rollouts in total."""
    age_s: float
    """Seconds since anything was recorded."""
    size_bytes: int
    """What its folder takes."""

    def to_json(self) -> dict[str, Any]:
        """Return the line as plain values."""
        return asdict(self)


def sweep_line(paths: SweepPaths, *, controller: str, now_s: float, is_sized: bool = True) -> SweepLine:
    """Return the line of a sweep.

    Args:
        paths: Its files.
        controller: Who controls it; empty for nobody.
        now_s: Seconds since the epoch.
        is_sized: Whether its files are counted, every one.
    """
    try:
        state = state_of(paths)
    except MettaSweepError:
        state = SweepState()
    known = not state.is_empty
    best = state.incumbent
    return SweepLine(
        name=paths.name,
        state=_standing(state, controller),
        metric=state.spec.metric if known else "",
        best=None if best is None else best.metric,
        front=len(state.front),
        finished=len(state.decided_rollouts),
        rollout_count=state.spec.rollout_count if known else 0,
        age_s=max(0.0, now_s - _changed_s(paths)),
        size_bytes=size_of(paths.root) if is_sized else 0,
    )


def table(lines: Sequence[SweepLine]) -> str:
    """Return the lines as a table of text, as wide as its cells."""
    rows = [_HEADS, *(_cells(line) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cells(line: SweepLine) -> tuple[str, ...]:
    best = "none" if line.best is None else f"{printable(line.metric)} {number(line.best)}"
    best = f"front of {line.front}" if line.front else best
    done = f"{line.finished}/{line.rollout_count}"
    return (line.name, line.state, best, done, f"{duration(line.age_s)} ago", size(line.size_bytes))


def _standing(state: SweepState, controller: str) -> str:
    if controller:
        return "running"
    if state.is_empty:
        return "unreadable"
    if state.stopped is None:
        return "interrupted"
    return _ENDINGS.get(state.stopped.rule, f"stopped by {state.stopped.rule}")


def _changed_s(paths: SweepPaths) -> float:
    there = [path for path in (paths.journal, paths.journal.with_name("sweep.db-wal"), paths.root) if path.exists()]
    return max((path.stat().st_mtime for path in there), default=0.0)


def size_of(folder: Path) -> int:
    """Return the bytes of all files of a folder; one that vanishes meanwhile counts nothing."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += 0 if file.is_symlink() or not file.is_file() else file.stat().st_size
        except OSError:
            continue
    return total
