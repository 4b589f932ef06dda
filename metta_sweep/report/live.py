"""A sweep as it stands at this moment, for a terminal: what runs, the best, what is left, the last outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metta_sweep.report.best_so_far import best_so_far, sparkline
from metta_sweep.report.confirmed import confirmation_lines, in_short
from metta_sweep.report.how_far import how_far
from metta_sweep.report.narration import compared_in_words
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.place import Place
from metta_sweep.report.rows import RolloutRow, RolloutState, SweepRows, rows_of
from metta_sweep.report.text import amounts, mean_of, totals
from metta_sweep.report.tradeoff import front_in_short, front_lines, means, no_best, shown_metrics
from metta_sweep.report.wording import duration, number, params, plain, printable, progress_in_short
from metta_sweep.result import Evaluation
from metta_sweep.sweep.records import Run, RunState
from metta_sweep.sweep.state import SweepState

MOST_OF_FRONT = 6
"""Points of a front that are listed."""
LAST = 8
"""Rollouts that are listed, the newest first."""
GOING_ON = (RolloutState.RUNNING, RolloutState.WAITING)
"""States of a rollout that has no outcome yet."""
MOST_RUNNING = 16
"""Runs that are listed of those that are alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the journal does not tell: current time, and how far the runs are."""

    place: Place
    """Where the reader stands, and who controls the sweep."""
    since_last_event_s: float = 0.0
    """Seconds since the last event, while a controller is at work."""
    latest: Mapping[str, Evaluation] = field(default_factory=dict)
    """The newest evaluation of each run that is alive, where it has one."""
    is_left_by_hand: bool = True
    """Whether the view stays until somebody leaves it."""


def live_view(state: SweepState, moment: Moment, rows: SweepRows | None = None) -> RenderableType:
    """Return the view; it takes as many lines as there are runs alive, and about fifteen more.

    Args:
        state: The sweep so far.
        moment: What the state does not tell.
        rows: The state's rows, where they are at hand.
    """
    rows = rows or rows_of(state)
    elapsed_s = state.elapsed_s + moment.since_last_event_s
    parts: list[RenderableType] = [_title(rows, moment), _bar(rows), Text(_left(rows, elapsed_s)), Text()]
    parts += [*_best(rows), *_confirmation(rows), Text()]
    if state.live_runs:
        parts += [_running(state, rows, moment, elapsed_s), Text()]
    if any(row.state not in GOING_ON for row in rows.rollouts):
        parts += [_last(rows), Text()]
    parts += list(_failures(rows))
    if moment.is_left_by_hand:
        parts.append(_next(rows, moment))
    return Group(*parts)


def last_line(state: SweepState, place: Place, rows: SweepRows | None = None) -> str:
    """Return what to type next, to be printed without a break; empty while a controller is at work."""
    if place.controller:
        return ""
    step = next_step(rows or rows_of(state), place)
    return f"next, {step.purpose}: {step.command}"


def _title(rows: SweepRows, moment: Moment) -> Text:
    name = Text(f"{printable(rows.spec.name)}  ", style="bold")
    return name.append(f"{printable(rows.spec.aim)}\n", style="").append(standing(rows, moment.place), style="dim")


def _bar(rows: SweepRows) -> RenderableType:
    line = Table.grid(padding=(0, 1))
    total = rows.spec.rollout_count
    line.add_row(
        ProgressBar(total=max(1, total), completed=rows.decided - rows.unspent, width=30, complete_style="green"),
        Text(f"{progress_in_short(rows.decided, total, rows.unspent)} rollouts, runs: {totals(rows)}"),
    )
    return line


def _left(rows: SweepRows, elapsed_s: float) -> str:
    """Return what was used, and what is left by the budget and by the pace so far."""
    limits = rows.spec.limits
    used = [f"{duration(elapsed_s)} of sweep time", f"{duration(rows.cost_s)} of runs"]
    left = []
    done = rows.decided - rows.unspent
    remaining = rows.spec.rollout_count - done
    if done > 0 and remaining > 0 and rows.stopped is None:
        left.append(f"about {duration(elapsed_s / done * remaining)} to go at this pace")
    if limits.wall_time_s:
        left.append(f"{duration(max(0.0, limits.wall_time_s - elapsed_s))} of sweep time allowed")
    if limits.total_cost_s:
        left.append(f"{duration(max(0.0, limits.total_cost_s - rows.cost_s))} of runs allowed")
    return f"used {', '.join(used)}" + (f"; {', '.join(left)}" if left else "")


def _best(rows: SweepRows) -> Iterator[Text]:
    best = rows.best_rollout
    if rows.front:
        yield Text(f"{front_in_short(rows)}:", style="bold green")
        yield from (Text(f"  {line}") for line in list(front_lines(rows))[:MOST_OF_FRONT])
        return
    if best is None or best.best is None:
        yield Text(f"best: {no_best(rows) or 'no score yet'}", style="dim")
        return
    metric, winner = printable(rows.spec.metric), rows.winner
    if winner is not None and rows.verdict is not None:
        said = f"best, confirmed: {metric} {in_short(rows.verdict, winner)} (rollout {winner.rollout})"
    else:
        said = f"best: {means(rows.spec, best) or f'{metric} {mean_of(best)}'} ({best.best.run_id})"
    yield Text(said, style="bold green").append(f"  {sparkline(best_so_far(rows))}", style="not bold green")
    yield Text(f"  {', '.join(params(best.params, rows.short))}")


def _confirmation(rows: SweepRows) -> Iterator[Text]:
    """Yield how far the confirmation is and what it says of each point, while it goes on."""
    if rows.verdict is None or rows.verdict.is_over:
        return
    yield Text()
    yield from map(Text, confirmation_lines(rows))


def _running(state: SweepState, rows: SweepRows, moment: Moment, elapsed_s: float) -> _Table:
    shown = state.live_runs[:MOST_RUNNING]
    cells = [_running_cells(state, rows, moment, run, elapsed_s) for run in shown]
    points = [state.rollouts[run.rollout].suggestion.params for run in shown]
    hidden = len(state.live_runs) - len(shown)
    if hidden > 0:
        cells.append((f"and {hidden} more", "", "", ""))
        points.append({})
    return _Table(head=("running", "for", "step", _metrics(rows)), cells=cells, points=points, rows=rows)


def _running_cells(
    state: SweepState, rows: SweepRows, moment: Moment, run: Run, elapsed_s: float
) -> tuple[str, str, str, str]:
    newest = moment.latest.get(run.run_id)
    value = "" if newest is None else _newest(rows, newest)
    attempt = f" (attempt {len(run.attempts)})" if len(run.attempts) > 1 else ""
    unknown = f" (not known: {printable(run.attempts[-1].unknown)})" if run.attempts[-1].unknown else ""
    return (
        f"{run.run_id}{attempt}{unknown}",
        duration(max(0.0, elapsed_s - run.attempts[-1].started_s)),
        how_far(state, run, newest, moment.place.paths.run(run.run_id)).removeprefix("step "),
        value,
    )


def _last(rows: SweepRows) -> _Table:
    over = [row for row in rows.rollouts if row.state not in GOING_ON]
    shown = over[: -LAST - 1 : -1]
    styles = ["red" if row.failure else "green" if _is_best(rows, row) else "" for row in shown]
    return _Table(
        head=("rollout", "from", _metrics(rows), "against model"),
        cells=[_last_cells(rows, row) for row in shown],
        points=[row.params for row in shown],
        rows=rows,
        styles=styles,
    )


def _last_cells(rows: SweepRows, row: RolloutRow) -> tuple[str, ...]:
    return (
        f"{'★ ' if _is_best(rows, row) else ''}{row.index}",
        printable(row.suggestion.origin),
        _outcome(row),
        compared_in_words(row),
    )


def _is_best(rows: SweepRows, row: RolloutRow) -> bool:
    return row is rows.best_rollout or row.index in rows.front


def _metrics(rows: SweepRows) -> str:
    """Return the heading of what points gave."""
    return ", ".join(map(printable, shown_metrics(rows.spec)))


def _newest(rows: SweepRows, newest: Evaluation) -> str:
    """Return what a run reported last of the metrics that count."""
    told = rows.spec.with_value(newest.metrics)
    return ", ".join(number(told[name]) for name in shown_metrics(rows.spec) if name in told)


def _outcome(row: RolloutRow) -> str:
    if row.state is RolloutState.DISCARDED:
        return str(row.state)
    if row.state is RolloutState.STOPPED_EARLY:
        return f"stopped at {max(run.share for run in row.runs if run.state is RunState.STOPPED_EARLY):.0%}"
    if row.failure is not None or not row.values or row.mean is None:
        return str(row.failure.kind) if row.failure is not None else mean_of(row)
    return f"{', '.join(map(number, row.values.values()))}{', breaks a bound' if row.broken else ''}"


def _failures(rows: SweepRows) -> Iterator[RenderableType]:
    for failure in rows.failures:
        yield Text(f"{failure.kind}: {amounts(failure)}; {printable(failure.message)}", style="red", no_wrap=True)
    if rows.failures:
        yield Text()


def _next(rows: SweepRows, moment: Moment) -> Text:
    if moment.place.controller:
        return Text("Ctrl-C leaves this view; the sweep goes on", style="dim")
    step = next_step(rows, moment.place)
    return Text(f"next, {step.purpose}: {step.command}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Rows that end in a point: a column for each parameter where the terminal is wide enough, else one for all."""

    head: Sequence[str]
    cells: Sequence[Sequence[str]]
    points: Sequence[Mapping[str, Any]]
    rows: SweepRows
    styles: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self._wide()
        fits = Measurement.get(console, options.update(width=10_000), wide).maximum <= options.max_width
        yield wide if fits else self._narrow()

    def _wide(self) -> Table:
        names = list(dict.fromkeys(name for point in self.points for name in point))
        each = [[plain(point[name]) if name in point else "" for name in names] for point in self.points]
        cells = [[*row, *values] for row, values in zip(self.cells, each, strict=True)]
        return _table([*self.head, *(printable(self.rows.short.get(name, name)) for name in names)], cells, self.styles)

    def _narrow(self) -> Table:
        told = [", ".join(params(point, self.rows.short)) for point in self.points]
        cells = [[*row, point] for row, point in zip(self.cells, told, strict=True)]
        return _table([*self.head, "parameters"], cells, self.styles)


def _table(head: Sequence[str], cells: Sequence[Sequence[str]], styles: Sequence[str] = ()) -> Table:
    """Return a table without a frame whose last column gives way where the terminal is narrow."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", expand=False)
    for place, column in enumerate(head[:-1]):
        width = max(cell_len(text) for text in (column, *(row[place] for row in cells)))
        table.add_column(Text(column), no_wrap=True, min_width=width)
    table.add_column(Text(head[-1]))
    for row, style in zip_longest(cells, styles, fillvalue=""):
        table.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in row), style=str(style) or None)
    return table
