"""A confirmation in words: what each point gave on fresh seeds, how certain that is, how much of its score was luck."""

from __future__ import annotations

from collections.abc import Iterator

from metta_sweep.report.rows import SweepRows
from metta_sweep.report.wording import chance, count, number
from metta_sweep.sweep.verdict import Confirmed, Verdict


def worth(one: Confirmed) -> str:
    """Return what a point is worth, its luck taken back: ``3.62 (90% interval 3.5 to 3.7)``."""
    if one.mean is None:
        return "no score yet"
    if one.corrected is None or one.interval is None:
        return f"{number(one.mean)} (too few runs to tell how certain that is)"
    return f"{number(one.corrected)} (90% interval {number(one.interval[0])} to {number(one.interval[1])})"


def chance_best(one: Confirmed) -> str:
    """Return how likely the point is the best of those that were run again; empty where that is not known."""
    return "" if one.chance_best is None else chance(one.chance_best)


def in_short(verdict: Verdict, one: Confirmed) -> str:
    """Return what is known of a point on one line."""
    if one.failed:
        return f"failed on a fresh seed ({count(len(one.runs), 'run')}); not taken for the best"
    if one.mean is None:
        return worth(one)
    if one.breaks:
        return f"{worth(one)} over {count(one.scored, 'run')}, and breaks {one.breaks}; not taken for the best"
    likely = f", {chance_best(one)} likely the best" if chance_best(one) and len(verdict.points) > 1 else ""
    return f"{worth(one)} over {count(one.scored, 'run')}{likely}"


def luck(one: Confirmed) -> str:
    """Return what the search saw, what fresh seeds gave and what is left of it: the winner's luck in figures."""
    said = f"The search saw {number(one.searched)}"
    if one.expected is not None:
        said += f", its model expected {number(one.expected)}"
    if one.mean is None:
        return f"{said}."
    said += f"; fresh seeds gave {number(one.mean)} on average"
    return f"{said}." if one.corrected is None else f"{said}, {number(one.corrected)} less the luck of being picked."


def progress_of(verdict: Verdict) -> str:
    """Return how far the confirmation is: ``15 runs on fresh seeds``, ``4 of 15 runs on fresh seeds so far``."""
    earlier = f", {verdict.earlier} of them from an earlier confirmation" if verdict.earlier else ""
    if verdict.is_over:
        return f"{count(verdict.planned, 'run')} on fresh seeds{earlier}"
    return f"{verdict.planned} of {count(verdict.budget, 'run')} on fresh seeds so far{earlier}"


def stale_note(rows: SweepRows) -> str:
    """Return the note that the search has gone on since the confirmation; empty where it has not."""
    if rows.verdict is None or not rows.verdict.is_stale:
        return ""
    return "The search has gone on since: newer rollouts are not in it."


def confirmation_lines(rows: SweepRows) -> Iterator[str]:
    """Yield what the confirmation says, a line a point."""
    verdict = rows.verdict
    if verdict is None:
        return
    yield f"{progress_of(verdict)}, the best {len(verdict.points)} of the search"
    for one in verdict.points:
        yield f"Rollout {one.rollout}: {in_short(verdict, one)}; the search saw {number(one.searched)}"
    if verdict.is_over and verdict.best is None:
        yield "Every point failed on a fresh seed: there is no confirmed best"
    if note := stale_note(rows):
        yield note
