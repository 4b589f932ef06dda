"""What the parameters do: parallel coordinates, a slice through each, and how much each matters."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from metta_sweep.optimize.port import Importance, Slice
from metta_sweep.report.html.figure import (
    MEANS,
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
from metta_sweep.report.rows import RolloutRow, RolloutState, SweepRows
from metta_sweep.report.surrogate import Surrogate
from metta_sweep.report.wording import number, plain
from metta_sweep.space import SearchSpace
from metta_sweep.space.parameter import Choice, Interval, Parameter

GROUPS = (
    ("best tenth", "@score1", "solid", 2.6, 1.0),
    ("next fifth", "@score2", "solid", 1.6, 0.9),
    ("middle", "@score3", "solid", 1.3, 0.8),
    ("worse half", "@score4", "dot", 1.2, 0.7),
    ("stopped early", "@muted", "dot", 0.9, 0.6),
    ("failed", "@bad", "dash", 1.0, 0.6),
)
"""Parallel coordinates: name, colour, dash, width and opacity of each group of rollouts, the best first."""
SHARES = (0.1, 0.3, 0.5, 1.0)
"""The share of all scored rollouts, the best first, at which each group of them ends."""
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Heights at which the axis of a range is labelled."""
MOST_OPTIONS = 8
"""Choices of a list that are all labelled; of a longer one the first and the last."""


def parallel(rows: SweepRows, space: SearchSpace) -> Figure:
    """Return every rollout as a line through its parameters, in groups by score."""
    names = [parameter.name for parameter in space.parameters]
    ticks = [label(rows.short.get(name, name)) for name in names]
    data = []
    for (name, color, dash, width, opacity), group in reversed(list(zip(GROUPS, _groups(rows), strict=True))):
        x, y, told = _lines(group, space)
        if x:
            style = {"dash": dash, "width": width}
            trace = line(f"{name} ({len(group)})", x, y, color=color, line=style, opacity=opacity)
            data.append({**trace, "rollouts": told, "hoverinfo": "text", "legendrank": 1000 - int(width * 100)})
    notes = [note for place, parameter in enumerate(space.parameters) for note in _tick_notes(place, parameter)]
    axes = [{"type": "line", "x0": k, "x1": k, "y0": 0, "y1": 1, "line": {"color": "@rule"}} for k in range(len(names))]
    return Figure(
        key="parallel",
        title="Parameters of good and bad rollouts",
        caption="One line a rollout, from parameter to parameter; the colour is its score, and each axis has the "
        "parameter's own scale. A click on the legend hides a group. Where the best tenth keeps together, the value "
        "matters.",
        data=data,
        layout={
            "xaxis": {"tickvals": list(range(len(names))), "ticktext": ticks, "range": [-0.4, len(names) - 0.6]},
            "yaxis": {"visible": False, "range": [-0.12, 1.12]},
            "annotations": notes,
            "shapes": [{**one, "layer": "below"} for one in axes],
            "hovermode": "closest",
        },
        height=440,
    )


def _groups(rows: SweepRows) -> list[list[RolloutRow]]:
    goal = rows.spec.goal
    scored = sorted(
        ((goal.score(row.mean), row) for row in rows.rollouts if row.mean is not None), key=lambda pair: -pair[0]
    )
    ordered = [row for _, row in scored]
    ends = [max(1, round(share * len(ordered))) for share in SHARES]
    stopped = [row for row in rows.rollouts if row.state is RolloutState.STOPPED_EARLY]
    failed = [row for row in rows.rollouts if row.failure is not None]
    return [*(ordered[begin:end] for begin, end in zip((0, *ends), ends, strict=False)), stopped, failed]


def _lines(group: Sequence[RolloutRow], space: SearchSpace) -> tuple[list[Any], list[Any], list[Any]]:
    """Return one trace for a whole group: lines end where a value is missing."""
    x: list[Any] = []
    y: list[Any] = []
    told: list[Any] = []
    for row in group:
        codes = [_height(parameter, row.params.get(parameter.name)) for parameter in space.parameters]
        x += [*range(len(codes)), None]
        y += [*codes, None]
        told += [row.index] * (len(codes) + 1)
    return x, y, told


def _height(parameter: Parameter, value: Any) -> float | None:
    """Return where a value lies on its axis, 0 to 1; None where the parameter was not active."""
    code = parameter.domain.code(value)
    if code is None:
        return None
    if isinstance(parameter.domain, Choice) and parameter.domain.is_unordered:
        code /= max(1, parameter.domain.size - 1)
    return round(code, 3)


def _tick_notes(place: int, parameter: Parameter) -> Iterator[dict[str, Any]]:
    """Yield the labels of an axis: the ends outside of it, what lies between beside it."""
    for height, text in _labels(parameter):
        end = {"yshift": 12 if height else -12} if height in (0.0, 1.0) else {"xanchor": "left", "xshift": 3}
        size = {} if height in (0.0, 1.0) else {"font": {"size": 11, "color": "@ink"}, "bgcolor": "@surface"}
        yield {"x": place, "y": height, "text": label(text), "showarrow": False, **end, **size}


def _labels(parameter: Parameter) -> list[tuple[float, str]]:
    """Return where an axis is labelled, and with what; a value stands where its own line would meet the axis."""
    domain = parameter.domain
    if not isinstance(domain, Interval):
        few = domain.options if len(domain.options) <= MOST_OPTIONS else (domain.options[0], domain.options[-1])
        return [(_height(parameter, option) or 0.0, plain(option)) for option in few]
    values = list(dict.fromkeys(domain.values(np.array(TICKS))))
    between = [(_height(parameter, value) or 0.0, _rounded(domain, value)) for value in values[1:-1]]
    return [(0.0, _bound(domain, values[0])), *between, (1.0, _bound(domain, values[-1]))]


def _rounded(domain: Interval, value: float) -> str:
    """Return a value between the ends to the digits that tell where it is; near to 1 that takes more of them."""
    return _bound(domain, value if domain.integer or abs(value) > 0.9 else float(f"{value:.2g}"))


def _bound(domain: Interval, value: float) -> str:
    return plain(int(value)) if domain.integer else number(value)


# -------------------------------------------------------------------- slices


def slices(rows: SweepRows, space: SearchSpace, surrogate: Surrogate | None) -> list[Figure]:
    """Return for each parameter what came out against its value, with the model's mean and interval."""
    models = {} if surrogate is None else {one.name: one for one in surrogate.slices}
    ranks = [] if surrogate is None else [one.name for one in surrogate.importances]
    ordered = sorted(space.parameters, key=lambda p: ranks.index(p.name) if p.name in ranks else len(ranks))
    return [_slice(rows, parameter, models.get(parameter.name), place) for place, parameter in enumerate(ordered)]


def _slice(rows: SweepRows, parameter: Parameter, model: Slice | None, place: int) -> Figure:
    shown = [row for row in rows.rollouts if row.mean is not None and parameter.name in row.params]
    failed = [row for row in rows.rollouts if row.failure is not None and parameter.name in row.params]
    frame, outside = window(row.mean for row in shown if row.mean is not None)
    data = _model(parameter, model) if model is not None else []
    ended = [
        (_position(parameter, row.params[parameter.name]), row.expected_end, row.index)
        for row in rows.rollouts
        if row.expected_end is not None and parameter.name in row.params
    ]
    data += [expected_ends(*zip(*ended, strict=True), marker={"size": 6})] if ended else []
    data.append(
        points(
            "rollouts",
            [_position(parameter, row.params[parameter.name]) for row in shown],
            MEANS,
            color="@ok",
            symbol="circle",
            rollouts=[row.index for row in shown],
            marker={"size": 6},
        )
    )
    if failed:
        low = frame[0] if frame else min((row.mean for row in shown if row.mean is not None), default=0.0)
        data.append(
            points(
                "failed",
                [_position(parameter, row.params[parameter.name]) for row in failed],
                [low] * len(failed),
                color="@bad",
                symbol="x",
                rollouts=[row.index for row in failed],
                marker={"size": 6},
            )
        )
    return Figure(
        key=f"slice{place}",
        title=parameter.name,
        caption=parameter.describe() + outside_note(outside),
        data=data,
        layout={
            "xaxis": _x_axis(parameter),
            "yaxis": axis(rows.spec.metric, range=frame),
            "showlegend": False,
            "margin": {"l": 55, "r": 10, "t": 10, "b": 45},
        },
        height=260,
    )


def _model(parameter: Parameter, model: Slice) -> list[dict[str, Any]]:
    x = [_position(parameter, value) for value in model.values]
    if isinstance(parameter.domain, Choice):
        bars = [high - mean for high, mean in zip(model.high, model.mean, strict=True)]
        down = [mean - low for low, mean in zip(model.low, model.mean, strict=True)]
        trace = points("model", x, model.mean, color="@model", symbol="line-ew-open", marker={"size": 16})
        spread = {"type": "data", "array": bars, "arrayminus": down, "thickness": 2, "color": "@model"}
        return [{**trace, "error_y": spread, "hovertemplate": "model %{y:.4g}<extra></extra>"}]
    return [
        line("90% interval", x, model.low, color="@model", line={"width": 0}, showlegend=False),
        line("90% interval", x, model.high, color="@model", line={"width": 0}, fill="tonexty", fillcolor="@band"),
        line("model", x, model.mean, color="@model", hoverinfo="all"),
    ]


def _position(parameter: Parameter, value: Any) -> Any:
    """Return a value's place on the x axis: its own, its index in a list, its code where no axis has its scale."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return next((place for place, option in enumerate(domain.options) if option == value), None)
    return domain.code(value) if domain.scale.axis == "codes" else value


def _x_axis(parameter: Parameter) -> dict[str, Any]:
    domain = parameter.domain
    if isinstance(domain, Choice):
        names = [label(plain(option)) for option in domain.options]
        return axis(parameter.name, tickvals=list(range(len(names))), ticktext=names, range=[-0.5, len(names) - 0.5])
    ends = [domain.low, domain.high]
    if domain.scale.axis == "codes":
        codes = np.linspace(0.0, 1.0, 5)
        names = [_bound(domain, value) for value in domain.values(codes)]
        return axis(parameter.name, tickvals=codes.tolist(), ticktext=names, range=_room([0.0, 1.0]))
    if domain.scale.power_of_two:
        powers = [1 << power for power in range(63) if domain.low <= 1 << power <= domain.high]
        ticks = {"tickvals": powers, "ticktext": list(map(str, powers))}
        return axis(parameter.name, type="log", range=_room(list(map(math.log10, ends))), **ticks)
    if domain.scale.axis == "log":
        return log_axis(parameter.name, ends, range=_room(list(map(math.log10, ends))))
    return axis(parameter.name, range=_room(ends))


def _room(ends: Sequence[float]) -> list[float]:
    """Return a range with a little room, so that what lies at a bound can be seen."""
    room = 0.04 * (ends[1] - ends[0])
    return [ends[0] - room, ends[1] + room]


# ---------------------------------------------------------------- importance


def importance(rows: SweepRows, found: Sequence[Importance], fitted: int) -> Figure:
    """Return how much of the score's variation has to do with each parameter."""
    ordered = list(reversed(found))
    names = [label(rows.short.get(one.name, one.name)) for one in ordered]
    return Figure(
        key="importance",
        title="What mattered",
        caption="Share of the score's variation over the search space that has to do with a parameter, alone or "
        f"together with others (total-effect index of Protein's Gaussian process, fitted to {fitted} rollouts). The "
        "whiskers span the fits that the data allow.",
        data=[
            {
                "type": "bar",
                "orientation": "h",
                "x": [one.share for one in ordered],
                "y": names,
                "marker": {"color": "@ok"},
                "error_x": {
                    "type": "data",
                    "array": [one.high - one.share for one in ordered],
                    "arrayminus": [one.share - one.low for one in ordered],
                    "color": "@ink",
                    "thickness": 1.5,
                },
                "hovertemplate": "%{y}: %{x:.0%}<extra></extra>",
            }
        ],
        layout={
            "xaxis": axis("share of the variation", range=[0, 1.02], tickformat=".0%"),
            "yaxis": {"automargin": True},
            "showlegend": False,
        },
        height=110 + 26 * len(found),
    )
