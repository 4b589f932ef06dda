"""How the search went: score against rollouts and against cost, and the front of score and cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.report.best_so_far import best_so_far
from metta_sweep.report.calibration import cost_of
from metta_sweep.report.html.figure import (
    EXPECTED_ENDS,
    Figure,
    axis,
    expected_ends,
    label,
    line,
    log_axis,
    outside_note,
    points,
    window,
)
from metta_sweep.report.rows import RolloutRow, SweepRows
from metta_sweep.report.wording import number

SERIES = ("@series1", "@series2", "@series3", "@series4", "@series5", "@series6")
"""Colours of sweeps that are compared."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Dashes of sweeps that are compared: they read without colour."""


BREAKS = "breaks a bound"
"""What points are called that count for nothing."""


def spent(rows: SweepRows) -> list[float]:
    """Return the seconds of runs spent up to and with each rollout."""
    return list(accumulate(sum(run.cost_s for run in row.runs) for row in rows.rollouts))


def by_rollout(rows: SweepRows) -> Figure:
    """Return the score of each rollout and the best so far."""
    found = [value for value in best_so_far(rows) if value is not None]
    gained = (
        f" It went from {number(found[0])} to {number(found[-1])}." if len(found) > 1 and found[0] != found[-1] else ""
    )
    return _progress(rows, "by_rollout", "Score by rollout", [row.index for row in rows.rollouts], "rollout", gained)


def by_cost(rows: SweepRows) -> Figure:
    """Return the same against what was spent."""
    unit, name = _unit(rows.cost_s)
    return _progress(
        rows,
        "by_cost",
        "Score by cost",
        [seconds / unit for seconds in spent(rows)],
        f"cost of runs so far ({name})",
        "",
    )


def _unit(seconds: float) -> tuple[float, str]:
    """Return the unit in which so many seconds are a readable number."""
    if seconds > 2 * 86400:
        return 86400.0, "days"
    return (3600.0, "hours") if seconds > 2 * 3600 else (60.0, "minutes") if seconds > 300 else (1.0, "seconds")


def _progress(rows: SweepRows, key: str, title: str, x: Sequence[float], x_title: str, gained: str) -> Figure:
    better = "higher" if rows.spec.goal is Goal.MAXIMIZE else "lower"
    frame, outside = window(row.mean for row in rows.rollouts if row.mean is not None)
    data = [
        *(stopped := _ended(rows, x)),
        line("best so far", x, best_so_far(rows), color="@best", line={"shape": "hv"}),
        *_outcomes(rows, x),
        *(fresh := _confirmed(rows, x)),
    ]
    told = f" {EXPECTED_ENDS}" if stopped else ""
    told += " Diamonds: what runs on fresh seeds gave, less luck, with its 90% interval." if fresh else ""
    return Figure(
        key=key,
        title=title,
        caption=f"Each point is a rollout; the line is the best so far ({better} is better).{gained}{told}"
        + outside_note(outside),
        data=data,
        layout={"xaxis": axis(x_title), "yaxis": axis(rows.spec.metric, range=frame)},
    )


def _outcomes(rows: SweepRows, x: Sequence[float]) -> list[dict[str, Any]]:
    """Return the points: what the model chose, what else was tried, what failed."""
    pairs = list(zip(x, rows.rollouts, strict=True))
    others = (
        "start and fallbacks" if any(row.suggestion.predicted for row in rows.rollouts) else "chosen without a model"
    )
    groups = (
        ("chosen by the model", "@ok", "circle"),
        (others, "@start", "square-open"),
        (BREAKS, "@bad", "triangle-down-open"),
    )
    found = []
    for name, color, symbol in groups:
        chosen = [(place, row) for place, row in pairs if row.mean is not None and _group_of(row, others) == name]
        if chosen:
            errors = [row.standard_error or 0.0 for _, row in chosen]
            bars = {"error_y": {"type": "data", "array": errors, "thickness": 1, "width": 2}} if any(errors) else {}
            found.append(
                points(
                    name,
                    [place for place, _ in chosen],
                    [row.mean for _, row in chosen],
                    color=color,
                    symbol=symbol,
                    rollouts=[row.index for _, row in chosen],
                    **bars,
                )
            )
    return found + _failed(rows, pairs)


def _group_of(row: RolloutRow, others: str) -> str:
    """Return among which points a rollout is drawn."""
    if row.broken:
        return BREAKS
    return others if row.suggestion.predicted is None else "chosen by the model"


def _ended(rows: SweepRows, x: Sequence[float]) -> list[dict[str, Any]]:
    """Return what was expected of the end of runs that were stopped early, where a model judged them; or nothing."""
    every = ((place, row.expected_end, row.index) for place, row in zip(x, rows.rollouts, strict=True))
    judged = [(place, end, index) for place, end, index in every if end is not None]
    return [expected_ends(*zip(*judged, strict=True))] if judged else []


def _confirmed(rows: SweepRows, x: Sequence[float]) -> list[dict[str, Any]]:
    """Return what fresh runs say of the points that were run again; nothing where none were, or too few."""
    found = [] if rows.verdict is None else [one for one in rows.verdict.points if one.interval is not None]
    known = [(one.rollout, one.corrected or 0.0, one.interval or (0.0, 0.0)) for one in found]
    if not known:
        return []
    bars = {
        "type": "data",
        "array": [high - value for _, value, (_, high) in known],
        "arrayminus": [value - low for _, value, (low, _) in known],
        "thickness": 2,
        "width": 4,
        "color": "@model",
    }
    return [
        points(
            "on fresh seeds",
            [x[rollout] for rollout, _, _ in known],
            [value for _, value, _ in known],
            color="@model",
            symbol="diamond",
            rollouts=[rollout for rollout, _, _ in known],
            error_y=bars,
        )
    ]


def _failed(rows: SweepRows, pairs: Sequence[tuple[float, RolloutRow]]) -> list[dict[str, Any]]:
    failed = [(place, row) for place, row in pairs if row.failure is not None]
    known = [row.mean for row in rows.rollouts if row.mean is not None]
    if not failed:
        return []
    floor = _floor(known, rows.spec.goal)
    where = [place for place, _ in failed]
    told = [row.index for _, row in failed]
    return [points("failed", where, [floor] * len(failed), color="@bad", symbol="x", rollouts=told)]


def _floor(known: Sequence[float], goal: Goal) -> float:
    """Return where failures are drawn: at the bad edge of what is shown."""
    frame, _ = window(known)
    low, high = frame or (min(known, default=0.0), max(known, default=1.0))
    return low if goal is Goal.MAXIMIZE else high


def pareto(rows: SweepRows) -> Figure:
    """Return score against the cost of a run, and the front: no point is both better and cheaper."""
    scored = [(cost_of(row), row) for row in rows.rollouts if row.mean is not None]
    front = front_of(rows)
    frame, outside = window(row.mean for _, row in scored if row.mean is not None)
    cheap = ""
    if len(front) > 1:
        first, last = front[0], front[-1]
        cheap = f" It runs from {_told(rows, first)} to {_told(rows, last)}."
    return Figure(
        key="pareto",
        title="Score and cost",
        caption=f"The line is the Pareto front: for each cost the best score seen.{cheap}" + outside_note(outside),
        data=[
            points(
                "rollouts",
                [cost for cost, _ in scored],
                [row.mean for _, row in scored],
                color="@ok",
                symbol="circle",
                rollouts=[row.index for _, row in scored],
            ),
            {
                **line("Pareto front", [c for c, _ in front], [r.mean for _, r in front], color="@best"),
                "mode": "lines+markers",
                "line": {"color": "@best", "width": 2, "shape": "hv"},
                "marker": {"symbol": "diamond", "size": 9, "color": "@best"},
            },
        ],
        layout={
            "xaxis": log_axis("cost of a run (seconds)", [cost for cost, _ in scored]),
            "yaxis": axis(rows.spec.metric, range=frame),
        },
    )


def front_of(rows: SweepRows) -> list[tuple[float, RolloutRow]]:
    """Return the front, the cheapest first; of equals the earliest."""
    goal = rows.spec.goal
    scored = [(cost_of(row), row.mean, row) for row in rows.rollouts if row.mean is not None and not row.broken]
    front: list[tuple[float, RolloutRow]] = []
    best: float | None = None
    for cost, mean, row in sorted(scored, key=lambda one: (one[0], -goal.score(one[1]), one[2].index)):
        if best is None or goal.score(mean) > goal.score(best):
            best = mean
            front.append((cost, row))
    return front


def _told(rows: SweepRows, point: tuple[float, RolloutRow]) -> str:
    cost, row = point
    return f"{rows.spec.metric} {number(row.mean or 0.0)} for {number(cost)} s"


def comparison(sweeps: Sequence[SweepRows]) -> list[Figure]:
    """Return the best so far of several sweeps on the same axes, by rollout and by cost."""
    unit, name = _unit(max(rows.cost_s for rows in sweeps))
    metrics = " / ".join(dict.fromkeys(rows.spec.metric for rows in sweeps))
    rollouts: list[Sequence[float]] = [[row.index for row in rows.rollouts] for rows in sweeps]
    costs: list[Sequence[float]] = [[seconds / unit for seconds in spent(rows)] for rows in sweeps]
    axes = (
        ("compare_rollouts", "Best so far by rollout", "rollout", rollouts),
        ("compare_cost", "Best so far by cost", f"cost of runs ({name})", costs),
    )
    return [
        Figure(
            key=key,
            title=title,
            caption="One line a sweep, told apart by colour and dash.",
            data=[
                line(
                    label(rows.spec.name),
                    x,
                    best_so_far(rows),
                    color=SERIES[place % len(SERIES)],
                    line={"shape": "hv", "dash": DASHES[place % len(DASHES)]},
                    hoverinfo="all",
                )
                for place, (rows, x) in enumerate(zip(sweeps, xs, strict=True))
            ],
            layout={"xaxis": axis(x_title), "yaxis": axis(metrics)},
        )
        for key, title, x_title, xs in axes
    ]
