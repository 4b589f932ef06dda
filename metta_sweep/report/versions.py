"""How the versions of a sweep's search space are told apart."""

from __future__ import annotations

from collections.abc import Iterator

from metta_sweep.report.rows import RolloutRow, SweepRows
from metta_sweep.report.wording import count, number, printable


def version_lines(rows: SweepRows) -> Iterator[str]:
    """Yield what is to be known of a search space that was changed; nothing where it never was."""
    if rows.versions < 2:
        return
    first = next((row.index for row in rows.rollouts if row.version == rows.versions), None)
    since = "" if first is None else f" since rollout {first}"
    outside = [row for row in rows.rollouts if row.outside]
    inside = len(rows.rollouts) - len(outside)
    yield f"Search space: version {rows.versions}{since}; it has {inside} of {count(len(rows.rollouts), 'rollout')}"
    if outside:
        yield f"Outside it, kept and not counted: {', '.join(f'rollout {row.index}' for row in outside)}"
    better = _better_outside(rows, outside)
    if better is not None and better.mean is not None:
        metric = printable(rows.spec.metric)
        yield f"Better than the best inside: rollout {better.index}, {metric} {number(better.mean)}"


def outside_line(row: RolloutRow) -> Iterator[str]:
    """Yield why a rollout does not count where it does not."""
    if row.outside:
        yield f"  Outside the present search space: {printable(row.outside)}"


def _better_outside(rows: SweepRows, outside: list[RolloutRow]) -> RolloutRow | None:
    """Return the best rollout outside the space, where it beats every one inside."""
    score = rows.spec.goal.score
    scored = [row for row in outside if row.mean is not None]
    best = max(scored, key=lambda row: score(row.mean or 0.0), default=None)
    inside = None if rows.best_rollout is None else rows.best_rollout.mean
    if best is None or best.mean is None or (inside is not None and score(inside) >= score(best.mean)):
        return None
    return best
