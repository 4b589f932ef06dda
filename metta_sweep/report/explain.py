"""Why each point was suggested, what was expected of it, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import has_model
from metta_sweep.report.as_json import json_text, rollout_object
from metta_sweep.report.calibration import calibration, cost_of, coverage, interval_50, verdict
from metta_sweep.report.narration import compared_in_words, expectation, reason_of
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.rows import RolloutRow, RolloutState, RunRow, SweepRows, rows_of
from metta_sweep.report.second_thoughts import second_thoughts
from metta_sweep.report.sources import source_lines
from metta_sweep.report.stopped_early import stopped_early_in_words
from metta_sweep.report.text import RULE, cause, discarded_in_words, mean_of, note_lines, parameter_lines_of
from metta_sweep.report.tradeoff import broken_in_words, front_in_short, means
from metta_sweep.report.versions import outside_line, version_lines
from metta_sweep.report.wording import count, duration, number, optimizer_in_words, plain, printable
from metta_sweep.sweep.state import SweepState


def explain(state: SweepState, *, rollout: int | None = None, fmt: str = "text") -> str:
    """Return the explanation of every suggestion, or of one.

    Args:
        state: The sweep so far.
        rollout: Index of the one rollout to explain, with its evidence where it failed.
        fmt: ``text`` or ``json``.

    Raises:
        RequestError: There is no such rollout.
    """
    rows = rows_of(state)
    chosen = list(rows.rollouts) if rollout is None else [_only(rows, rollout)]
    if fmt == "json":
        return json_text([{**rollout_object(row), "mean_cost_s": cost_of(row)} for row in chosen])
    blocks = [list(_head(rows))] if rollout is None else []
    before = best_before(rows)
    by_now = {} if rollout is None else _by_now(state, rows, chosen)
    blocks += [list(_lines(rows, row, before[row.index], evidence=rollout is not None)) for row in chosen]
    blocks[-1] += [f"  By now: {said}" for row in chosen if (said := by_now.get(row.index))]
    return "\n\n".join("\n".join(lines) for lines in blocks) + "\n"


def _by_now(state: SweepState, rows: SweepRows, chosen: list[RolloutRow]) -> dict[int, str]:
    """Return what is thought by now of runs that were stopped early, by rollout: the model is fitted for it."""
    space = space_of(state.spec) if any(row.state is RolloutState.STOPPED_EARLY for row in chosen) else None
    thoughts = [] if space is None else second_thoughts(state, rows, space)
    return {one.run.rollout: f"{one.now.reason}; expects {number(one.now.final[0])}" for one in thoughts}


def _only(rows: SweepRows, index: int) -> RolloutRow:
    if 0 <= index < len(rows.rollouts):
        return rows.rollouts[index]
    there = f"rollouts 0 to {len(rows.rollouts) - 1}" if rows.rollouts else "no rollout yet"
    raise RequestError.of(f"no rollout {index}: {printable(rows.spec.name)} has {there}", key="--rollout")


def _head(rows: SweepRows) -> Iterator[str]:
    yield from (f"🔎 SUGGESTIONS OF {printable(rows.spec.name)}", RULE)
    origins = Counter(row.suggestion.origin for row in rows.rollouts)
    yield f"Origins: {', '.join(f'{printable(origin)} {n}' for origin, n in origins.items()) or 'no suggestion yet'}"
    if rows.front:
        yield f"Goal: {printable(rows.spec.aim)}; {front_in_short(rows)}: rollouts {', '.join(map(str, rows.front))}"
    yield from version_lines(rows)
    yield from source_lines(rows)
    found = calibration(rows)
    if not found.total and not has_model(rows.spec.optimizer):
        yield f"Optimizer: {optimizer_in_words(rows.spec.optimizer)}"
        return
    yield f"Model: {coverage(found)}"
    if verdict(found):
        yield f"  {verdict(found)}"


def _lines(rows: SweepRows, row: RolloutRow, before: RolloutRow | None, *, evidence: bool) -> Iterator[str]:
    suggestion = row.suggestion
    version = f" (version {row.version} of the search space)" if rows.versions > 1 else ""
    yield f"Rollout {row.index}: {printable(suggestion.origin)}{version}"
    if reason_of(suggestion):
        yield f"  Why: {reason_of(suggestion)}"
    yield from parameter_lines_of(rows, row)
    if "best so far" not in suggestion.reason:
        yield from _moves(rows, row, before)
    if suggestion.predicted is None:
        yet = " yet" if has_model(rows.spec.optimizer) else ""
        yield f"  Expected: nothing, there was no model{yet}"
    else:
        low, high = map(number, interval_50(suggestion.predicted))
        yield f"  Expected: {expectation(suggestion.predicted, rows.spec.metric)}; even odds: {low} to {high}"
    yield f"  Came out: {_outcome(rows, row)}"
    if row.state is not RolloutState.DISCARDED:
        yield from (f"  Discarded: {run.run_id}: {why}" for run, why in _discarded(rows, row))
    yield from outside_line(row)
    yield from note_lines(rows, row)
    if evidence and row.failure is not None and row.failure.detail:
        yield from ("", *(f"    {printable(line)}" for line in row.failure.detail.splitlines()))


def _moves(rows: SweepRows, row: RolloutRow, before: RolloutRow | None) -> Iterator[str]:
    """Yield what differs from the point that was best when this one was suggested."""
    if before is None:
        return
    names = [name for name in row.params if row.params[name] != before.params.get(name)]
    moves = [f"{rows.short[name]} {_move(before.params.get(name), row.params[name])}" for name in names]
    yield f"  Against the best before (rollout {before.index}): {', '.join(moves) or 'the same point'}"


def _move(before: Any, after: Any) -> str:
    """Return a change as a factor where it is large, else as both values."""
    numbers = [v for v in (before, after) if isinstance(v, int | float) and not isinstance(v, bool) and v > 0]
    ratio = after / before if len(numbers) == 2 else 1.0
    if not 0.8 <= ratio <= 1.25:
        return f"x{number(float(f'{ratio:.2g}'))}"
    return f"{'absent' if before is None else plain(before)} to {plain(after)}"


def best_before(rows: SweepRows) -> list[RolloutRow | None]:
    """Return for each rollout the best of those with a smaller index; with runs in parallel some came out later."""
    goal = rows.spec.goal
    if rows.spec.has_front:
        return [None] * len(rows.rollouts)
    found: list[RolloutRow | None] = []
    best: RolloutRow | None = None
    for row in rows.rollouts:
        found.append(best)
        better = (
            best is None or best.mean is None or (row.mean is not None and goal.score(row.mean) > goal.score(best.mean))
        ) and not (row.outside or row.broken)
        best = row if row.mean is not None and better else best
    return found


def _discarded(rows: SweepRows, row: RolloutRow) -> list[tuple[RunRow, str]]:
    return [(run, discarded_in_words(rows, run)) for run in row.runs if run.discarded is not None]


def _outcome(rows: SweepRows, row: RolloutRow) -> str:
    if row.failure is not None:
        said = row.suggestion.predicted
        return cause(row.failure) + ("" if said is None else f" (success was given {said.success:.0%})")
    if row.state is RolloutState.STOPPED_EARLY:
        return "; ".join(stopped_early_in_words(run) for run in row.runs if run.judgement is not None)
    if row.state is RolloutState.DISCARDED:
        return f"discarded: {'; '.join(discarded_in_words(rows, run) for run in row.runs)}"
    if row.mean is None:
        return "a result without the metric" if row.state is RolloutState.UNSCORED else str(row.state)
    of = f" over {count(row.scored, 'run')}" if len(row.runs) > 1 else ""
    judged = compared_in_words(row)
    gave = means(rows.spec, row) or f"{printable(rows.spec.metric)} {mean_of(row)}"
    breaks = f"; breaks {broken_in_words(row)}" if row.broken else ""
    front = "; on the front" if row.index in rows.front else ""
    return f"{gave}{of}, {duration(cost_of(row))}{f': {judged}' if judged else ''}{breaks}{front}"
