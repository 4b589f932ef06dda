"""A plot as a value: traces and layout for plotly, with colours named by what they mean.

A colour such as ``@best`` is a CSS variable of the page, looked up where the plot is drawn: one file serves light and
dark. What a colour says, a symbol or a dash says too.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from metta_sweep.report.wording import number, printable

MEANS = "means"
"""Stands for the means of a trace's rollouts, which the page has at hand."""
EXPECTED_ENDS = "Open circles are what was expected of the end of runs that were stopped early."
"""What figures say where they show such runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One plot with what a reader needs to read it."""

    key: str
    """Unique in the page."""
    title: str
    """What it shows."""
    caption: str
    """How to read it, and what it says here."""
    data: Sequence[Mapping[str, Any]]
    """Traces."""
    layout: Mapping[str, Any] = field(default_factory=dict)
    """Axes and what else is not the same for all plots."""
    height: int = 380
    """Pixels."""


def label(text: str) -> str:
    """Return text for a plot; plotly reads a little HTML in every text."""
    return html.escape(printable(text))


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with a title."""
    return {"title": {"text": label(title), "standoff": 8}, **more}


def log_axis(title: str, values: Iterable[float], **more: Any) -> dict[str, Any]:
    """Return a logarithmic axis with ticks spelled as a person writes numbers, over the range of positive values."""
    known = [value for value in values if value > 0]
    if not known:
        return axis(title, type="log", **more)
    low, high = min(known), max(known)
    ticks = _even_ticks(low, high) if high < 5 * low else _log_ticks(low, high)
    shown = [tick for tick in ticks if low * 0.99 <= tick <= high * 1.01]
    shown = shown if len(shown) > 1 else sorted({low, high})
    return axis(title, type="log", tickvals=shown, ticktext=[number(tick) for tick in shown], **more)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten, with what lies between them where there are few."""
    steps = (1,) if high > 200 * low else (1, 3) if high > 30 * low else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in steps]


def _even_ticks(low: float, high: float) -> list[float]:
    """Return multiples of 1, 2 or 5 of a power of ten, five or so: within a factor of 5 a logarithm bends little."""
    if high == low:
        return []
    least = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
    return [place * step for place in range(math.ceil(low * 0.99 / step), math.floor(high * 1.01 / step) + 1)]


def points(
    name: str, x: Sequence[Any], y: Sequence[Any] | str, *, color: str, symbol: str, **more: Any
) -> dict[str, Any]:
    """Return a trace of markers; ``rollouts`` names for each the rollout that hovering tells about."""
    marker = {"color": color, "symbol": symbol, "size": 8, "line": {"width": 1, "color": "@surface"}}
    kind = {"type": "scatter", "mode": "markers", "name": label(name), "x": list(x), "y": y}
    return {**kind, "marker": {**marker, **more.pop("marker", {})}, "hovertemplate": "%{text}<extra></extra>", **more}


def expected_ends(x: Sequence[Any], ends: Sequence[float], rollouts: Sequence[int], **more: Any) -> dict[str, Any]:
    """Return a trace of rollouts that were stopped early, at what was expected of their ends."""
    told = {"rollouts": list(rollouts), **more}
    return points("stopped early", x, list(ends), color="@muted", symbol="circle-open", **told)


def line(name: str, x: Sequence[Any], y: Sequence[Any], *, color: str, **more: Any) -> dict[str, Any]:
    """Return a trace of a line."""
    style = {"color": color, "width": 2, **more.pop("line", {})}
    kind = {"type": "scatter", "mode": "lines", "name": label(name), "x": list(x), "y": list(y)}
    return {**kind, "line": style, "hoverinfo": "skip", **more}


def window(values: Iterable[float]) -> tuple[list[float] | None, int]:
    """Return a range that shows the bulk of the values and how many lie outside it; None where all can be shown.

    One diverged training must not flatten the plot of all others: the range reaches ten interquartile ranges.
    """
    known = sorted(values)
    if len(known) < 8:
        return None, 0
    low, _, high = quantiles(known, n=4)
    reach = 10 * (high - low)
    inside = [value for value in known if low - reach <= value <= high + reach]
    outside = len(known) - len(inside)
    if not reach or not outside:
        return None, 0
    margin = 0.05 * (inside[-1] - inside[0])
    return [inside[0] - margin, inside[-1] + margin], outside


def outside_note(amount: int) -> str:
    """Return the sentence that says how many points a window leaves out."""
    if not amount:
        return ""
    return f" {amount} far outlier{'s lie' if amount > 1 else ' lies'} outside the frame; double-click shows all."
