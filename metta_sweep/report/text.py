"""The summary as plain text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from metta_sweep.optimize.registry import DEFAULT
from metta_sweep.report.calibration import calibration, verdict
from metta_sweep.report.confirmed import confirmation_lines, in_short, luck
from metta_sweep.report.failures import FailureRow
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.place import Place
from metta_sweep.report.recommended import recommended_lines
from metta_sweep.report.requested import override_lines, parameter_lines
from metta_sweep.report.rows import RolloutRow, RolloutState, RunRow, SweepRows
from metta_sweep.report.sources import source_lines
from metta_sweep.report.stopped_early import in_words, saved_in_words, stopped_early_in_words
from metta_sweep.report.tradeoff import (
    broken_in_words,
    choices,
    excluded,
    front_in_short,
    front_lines,
    means,
    measured,
    no_best,
    shown_metrics,
)
from metta_sweep.report.versions import outside_line, version_lines
from metta_sweep.report.wording import (
    count,
    duration,
    error,
    name_of,
    number,
    optimizer_in_words,
    params,
    printable,
    seeds_in_words,
)
from metta_sweep.sweep.records import Failure, RunState

RULE = "=" * 65
WIDTH = 120
"""Columns at which long lists of parameters are broken."""


def text(rows: SweepRows, place: Place) -> str:
    """Return the summary: configuration, rollouts, overall best, then failures, standing and the next command."""
    sections = (
        _configuration(rows),
        _rollouts(rows),
        _confirmation(rows),
        _overall_best(rows, place),
        _failures(rows),
        _ending(rows, place),
    )
    title = [f"📊 SWEEP SUMMARY: {printable(rows.spec.name)}", RULE]
    blocks = ["\n".join(lines) for lines in (title, *map(list, sections)) if lines]
    return "\n\n".join(blocks) + "\n"


def _configuration(rows: SweepRows) -> Iterator[str]:
    yield from ("📋 SWEEP CONFIGURATION:", RULE)
    if rows.spec.reruns:
        yield f"Done again and kept: run {printable(rows.spec.reruns)}"
    yield f"Rollout count limit: {rows.spec.rollout_count}"
    yield f"Samples per rollout: {rows.spec.num_samples}{seeds_in_words(rows.spec.common_seeds)}"
    if rows.spec.optimizer != DEFAULT:
        yield f"Optimizer: {optimizer_in_words(rows.spec.optimizer)}"
    yield from ("", "Parameter space:")
    yield from (f"  {printable(name)}: {asked}" for name, asked in parameter_lines(rows.spec.parameters))
    yield from version_lines(rows)
    yield from ["", *source_lines(rows)] if rows.sources else []
    for group, overrides in rows.spec.overrides.items():
        yield from ("", f"{printable(group).capitalize()} overrides:")
        leaves = override_lines(overrides if isinstance(overrides, dict) else {group: overrides})
        yield from (f"  {printable(name)}: {value}" for name, value in leaves)


def _rollouts(rows: SweepRows) -> Iterator[str]:
    yield from ("🎯 ROLLOUT RESULTS:", RULE)
    if not rows.rollouts:
        yield "No rollout yet"
    for place, rollout in enumerate(rows.rollouts):
        if place:
            yield ""
        yield from rollout_lines(rows, rollout)


def rollout_lines(rows: SweepRows, rollout: RolloutRow) -> Iterator[str]:
    """Yield the lines about one rollout."""
    yield f"Rollout {rollout.index}: {count(len(rollout.runs), 'run')}"
    yield from _score_lines(rows, rollout)
    yield from _unfinished(rows, rollout)
    yield from outside_line(rollout)
    yield from note_lines(rows, rollout)
    yield from parameter_lines_of(rows, rollout)


def _score_lines(rows: SweepRows, rollout: RolloutRow) -> Iterator[str]:
    """Yield what the rollout gave: the best run and the mean, or all metrics where several count."""
    metric, several = printable(rows.spec.metric), len(rollout.runs) > 1 and rollout.mean is not None
    if rollout.values:
        over = f" on average over {count(rollout.scored, 'run')}" if several else f" (run {rollout.runs[0].run_id})"
        front = ", on the front" if rollout.index in rows.front else ""
        yield f"  Gave {means(rows.spec, rollout)}{over}{front}"
        if rollout.broken:
            yield f"  Breaks {broken_in_words(rollout)}: it is learned from and never the best"
        return
    if rollout.best is not None and rollout.best.metric is not None:
        made_of = _beside(rows, rollout.best)
        beside = f"; {made_of}" if made_of else ""
        yield f"  Best {metric}: {number(rollout.best.metric)} (run {rollout.best.run_id}{beside})"
    if several:
        yield f"  Mean {metric}: {mean_of(rollout)} over {count(rollout.scored, 'run')}"


def mean_of(rollout: RolloutRow) -> str:
    """Return the rollout's mean with its standard error where that is known."""
    spread = "" if rollout.standard_error is None else f" ± {error(rollout.standard_error)}"
    return f"{number(rollout.mean)}{spread}" if rollout.mean is not None else "none"


def cause(failure: Failure) -> str:
    """Return class and message on one line."""
    return f"{failure.kind} — {printable(failure.message)}"


def note_lines(rows: SweepRows, rollout: RolloutRow) -> Iterator[str]:
    """Yield what is worth saying of how its runs ended and of what they left; what many have is said once elsewhere."""
    for run in rollout.runs:
        named = f"{run.run_id}: " if len(rollout.runs) > 1 else ""
        own = [note for note in run.notes if note not in rows.common_notes]
        yield from (f"  Note: {named}{printable(note)}" for note in own)


def _unfinished(rows: SweepRows, rollout: RolloutRow) -> Iterator[str]:
    """Yield what keeps the rollout from a score: failures, missing metrics, runs that are not over."""
    for run in rollout.runs:
        named = f" (run {run.run_id})" if len(rollout.runs) > 1 else ""
        if run.discarded is not None:
            yield f"  Discarded: {discarded_in_words(rows, run)}{named}"
        elif run.failure is not None:
            yield f"  Failed: {cause(run.failure)}{named}"
        elif run.state is RunState.STOPPED_EARLY:
            yield f"  S{stopped_early_in_words(run)[1:]}{named}"
        elif run.state is RunState.FINISHED and run.metric is None:
            missing = " and ".join(rows.spec.missing_in(run.metrics)) or rows.spec.metric
            yield f"  No {printable(missing)}: {_what_there_is(rows, run)}"
    for state, title in ((RunState.RUNNING, "Running"), (RunState.WAITING, "Waiting")):
        ids = [_with_attempt(run) for run in rollout.runs if run.state is state]
        if ids and rollout.state is not RolloutState.FAILED:
            yield f"  {title}: {', '.join(ids)}"


def discarded_in_words(rows: SweepRows, run: RunRow) -> str:
    """Return why a person took a run out of what is learned, and what it gave."""
    gave = "" if run.metric is None else f"; it gave {measured(rows.spec, run.metrics)}"
    return f"{printable(run.discarded or '')}{gave}"


def _with_attempt(run: RunRow) -> str:
    return f"{run.run_id} (attempt {run.attempts})" if run.attempts > 1 else run.run_id


def _what_there_is(rows: SweepRows, run: RunRow) -> str:
    if rows.spec.metric in run.metrics:
        return f"run {run.run_id} reports {run.metrics[rows.spec.metric]}"
    return f"run {run.run_id} reports {', '.join(map(printable, sorted(run.metrics))) or 'nothing'}"


def parameter_lines_of(rows: SweepRows, rollout: RolloutRow) -> Iterator[str]:
    """Yield the parameters, broken between two of them where a line would grow too long."""
    line = "  Parameters:"
    for place, word in enumerate(params(rollout.params, rows.short)):
        comma = "," if place + 1 < len(rollout.params) else ""
        if len(line) + len(word) + 2 > WIDTH:
            yield line
            line = "   "
        line += f" {word}{comma}"
    yield line


def _confirmation(rows: SweepRows) -> Iterator[str]:
    lines = list(confirmation_lines(rows))
    if lines:
        yield from ("🔁 CONFIRMATION:", RULE, lines[0], *(f"  {line}" for line in lines[1:]))


def _overall_best(rows: SweepRows, place: Place) -> Iterator[str]:
    best = rows.best_run
    if rows.front:
        yield from _front(rows, place)
        return
    if best is None or best.metric is None:
        yield f"🏆 OVERALL BEST RUN: {no_best(rows) or 'none yet'}"
        return
    winner = rows.winner
    yield f"🏆 OVERALL BEST RUN: {best.run_id}{'' if winner is None else f' (confirmed: rollout {winner.rollout})'}"
    made_of = _beside(rows, best)
    yield f"  {name_of(rows.spec.metric)}: {number(best.metric)}{f' ({made_of})' if made_of else ''}"
    if winner is not None and rows.verdict is not None:
        yield f"  On fresh seeds: {in_short(rows.verdict, winner)}"
    yield f"  Config: {place.show(place.paths.run(best.run_id).used_config())}"
    yield from _best_by_mean(rows) if winner is None else [f"  {luck(winner)}"]
    yield from (f"  {line}" for line in recommended_lines(rows))


def _front(rows: SweepRows, place: Place) -> Iterator[str]:
    """Yield the points of which none is better than another in everything, and how one is chosen."""
    yield f"🏆 PARETO FRONT: {front_in_short(rows).removeprefix('front of ')}"
    yield f"  Of {rows.spec.aim}, none is better in one without being worse in another:"
    yield from (f"  {line}" for line in front_lines(rows))
    yield from ("", "To have one of them:", *(f"  {command}" for command in choices(rows, place)))


def _beside(rows: SweepRows, run: RunRow) -> str:
    """Return the other metrics of a run that count; empty where there are none."""
    names = [name for name in shown_metrics(rows.spec) if name != rows.spec.metric and name in run.metrics]
    return ", ".join(f"{printable(name)} {number(run.metrics[name])}" for name in names)


def _best_by_mean(rows: SweepRows) -> Iterator[str]:
    """Yield what says more than one lucky seed: the best mean, and whether the best run's own point failed."""
    winner = rows.best_run
    if winner is not None and rows.rollouts[winner.rollout].failure is not None:
        yield f"  Note: another run of rollout {winner.rollout} failed, so Protein does not take it for the best point"
    best = rows.best_rollout
    if best is not None and len(best.runs) > 1:
        yield f"  Best mean: {mean_of(best)} (rollout {best.index}, {count(best.scored, 'run')})"


def _failures(rows: SweepRows) -> Iterator[str]:
    if rows.failures:
        yield from ("💥 FAILURES:", RULE)
    for failure in rows.failures:
        yield from failure_lines(rows, failure)


def failure_lines(rows: SweepRows, failure: FailureRow) -> Iterator[str]:
    """Yield the lines about one class of failure."""
    yield f"{failure.kind}: {amounts(failure)}"
    yield from textwrap.wrap(
        f"Cause: {printable(failure.message)}", WIDTH, initial_indent="  ", subsequent_indent="    "
    )
    if failure.run_ids:
        yield f"  Runs: {', '.join(failure.run_ids[:5])}{', …' if len(failure.run_ids) > 5 else ''}"
        yield f"  Where: {where(rows, failure)}"


def amounts(failure: FailureRow) -> str:
    """Return how often it happened: ``3 runs failed, 1 attempt retried``."""
    failed = [f"{count(len(failure.run_ids), 'run')} failed"] if failure.run_ids else []
    retried = [f"{count(failure.retried, 'attempt')} retried"] if failure.retried else []
    return ", ".join(failed + retried)


def where(rows: SweepRows, failure: FailureRow) -> str:
    """Return what the points that failed have in common, or the last of them."""
    if not failure.regions:
        return f"last at {', '.join(params(failure.params, rows.short))}"
    named = (f"{rows.short.get(r.name, r.name)} {r.failed} (finished: {r.finished})" for r in failure.regions)
    return "; ".join(named)


def _ending(rows: SweepRows, place: Place) -> Iterator[str]:
    yield from ("🏁 STATUS:", RULE)
    yield standing(rows, place)
    if warning := verdict(calibration(rows)):
        yield warning
    yield f"Goal: {printable(rows.spec.aim)}"
    if outside := excluded(rows.rollouts):
        yield f"Bounds: {outside} of {count(len(rows.rollouts), 'rollout')} break{'s' if outside == 1 else ''} one"
    yield f"Runs: {totals(rows)}"
    yield from discarded_line(rows)
    yield f"Time: {duration(rows.elapsed_s)} of sweep time, {duration(rows.cost_s)} of runs"
    if saved := saved_in_words(rows):
        yield f"Early stopping: {saved}"
    yield from (f"Note on {amount} runs: {printable(note)}" for note, amount in rows.common_notes.items())
    if rows.dashboard:
        yield f"W&B: {printable(rows.dashboard)}"
    step = next_step(rows, place)
    yield from ("", f"▶ NEXT: {step.purpose}", f"  {step.command}")


def totals(rows: SweepRows) -> str:
    """Return the runs by state: ``5 finished, 1 failed, 2 running``."""
    return ", ".join(f"{rows.run_counts[s]} {in_words(s)}" for s in RunState if rows.run_counts.get(s)) or "none"


def discarded_line(rows: SweepRows) -> Iterator[str]:
    """Yield which runs were discarded; nothing where none was."""
    found = [run.run_id for run in rows.runs if run.discarded is not None]
    if found:
        yield f"Discarded, kept and not learned from: {', '.join(found)}"
