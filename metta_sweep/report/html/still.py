"""Plots and the answer without scripts: for a reader who sees them inside of somebody else's page."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.report.html.answer import answer
from metta_sweep.report.html.figure import Figure
from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.page import own_text
from metta_sweep.report.html.progress_figures import by_cost, pareto
from metta_sweep.report.html.run_figures import predictions
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.wording import number

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 70, 10, 10, 45
"""Pixels of a plot, and of the space around it in which its axes are named."""

TICKS = 5
"""About how many ticks an axis has."""


def answer_page(found: Gathered) -> str:
    """Return the report's answer with the plots that a dashboard does not draw, as one small file without scripts."""
    drawn = [by_cost(found.rows), pareto(found.rows)] if found.winner is not None else []
    judged = predictions(found.rows)
    figures = [*drawn, *([judged] if judged is not None else [])]
    style = Markup(f"{own_text('page.css')}.copy {{ display: none; }}")
    head = tag("head", tag("meta", charset="utf-8"), tag("style", style))
    shown = tag("main", answer(found), _saved(found), [still(figure) for figure in figures], _whole(found))
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', shown), lang='en')}\n"


def _saved(found: Gathered) -> Content:
    """Return what was saved by stopping runs early; nothing where none was."""
    stopped = found.state.stopped_early_runs
    if not stopped:
        return None
    text = f"Stopped early: {len(stopped)} runs, which saved what {number(found.rows.unspent)} whole rollouts cost."
    return tag("p", text)


def _whole(found: Gathered) -> Content:
    """Return where the whole report is to be had."""
    asked = found.state.asked
    on = f" on {asked.host}" if asked is not None and asked.host else ""
    command = f"{found.place.program} report {found.rows.spec.name}"
    return tag("p", "The whole report, with what the model has learned and every run: ", tag("code", command), on, ".")


def still(figure: Figure) -> Markup:
    """Return a plot as SVG, with its title and caption; what lies outside of its frame is left out."""
    traces = [trace for trace in figure.data if trace.get("x") and not isinstance(trace["y"], str)]
    across = _Axis.of(figure.layout.get("xaxis", {}), [x for trace in traces for x in trace["x"]], LEFT, WIDTH - RIGHT)
    up = _Axis.of(figure.layout.get("yaxis", {}), [y for trace in traces for y in trace["y"]], HEIGHT - BOTTOM, TOP)
    picture = tag(
        "svg",
        _frame(across, up),
        [_trace(trace, across, up) for trace in traces],
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        width=str(WIDTH),
        role="img",
        aria_label=figure.title,
        xmlns="http://www.w3.org/2000/svg",
        style="max-width:100%;height:auto;font-size:12px",
    )
    return tag("figure", tag("h3", figure.title), picture, tag("figcaption", figure.caption))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """Where a value is drawn."""

    title: str
    low: float
    high: float
    start: float
    end: float
    is_log: bool

    @classmethod
    def of(cls, layout: Any, values: Sequence[float | None], start: float, end: float) -> _Axis:
        is_log = layout.get("type") == "log"
        known = [_scaled(value, is_log=is_log) for value in values if value is not None and (value > 0 or not is_log)]
        low, high = layout.get("range") or (min(known, default=0.0), max(known, default=1.0))
        margin = 0.04 * (high - low) or 0.5
        title = html.unescape(str(layout.get("title", {}).get("text", "")))
        return cls(title=title, low=low - margin, high=high + margin, start=start, end=end, is_log=is_log)

    def place(self, value: float | None) -> float | None:
        """Return the pixel of a value; None where it is outside of the frame."""
        if value is None or (self.is_log and value <= 0):
            return None
        share = (_scaled(value, is_log=self.is_log) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start) if -0.001 <= share <= 1.001 else None

    def ticks(self) -> list[float]:
        """Return round values within the frame."""
        step = 10.0 ** math.floor(math.log10((self.high - self.low) / TICKS))
        step *= next(k for k in (1, 2, 5, 10) if (self.high - self.low) / (step * k) <= TICKS)
        found = [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        return [10.0**value for value in found] if self.is_log else found


def _scaled(value: float, *, is_log: bool) -> float:
    return math.log10(value) if is_log else float(value)


def _frame(across: _Axis, up: _Axis) -> Iterator[Content]:
    ink = {"fill": "currentColor"}
    for value in across.ticks():
        x = f"{across.place(value) or 0:.1f}"
        yield tag("line", x1=x, x2=x, y1=str(TOP), y2=str(HEIGHT - BOTTOM), stroke="var(--rule)")
        yield tag("text", number(value), x=x, y=str(HEIGHT - BOTTOM + 16), text_anchor="middle", **ink)
    for value in up.ticks():
        y = up.place(value) or 0.0
        yield tag("line", x1=str(LEFT), x2=str(WIDTH - RIGHT), y1=f"{y:.1f}", y2=f"{y:.1f}", stroke="var(--rule)")
        yield tag("text", number(value), x=str(LEFT - 6), y=f"{y + 4:.1f}", text_anchor="end", **ink)
    yield tag("text", across.title, x=str((LEFT + WIDTH) / 2), y=str(HEIGHT - 8), text_anchor="middle", **ink)
    turned = f"translate(14 {(HEIGHT - BOTTOM) / 2:.0f}) rotate(-90)"
    yield tag("text", up.title, transform=turned, text_anchor="middle", **ink)


def _trace(trace: Any, across: _Axis, up: _Axis) -> Iterator[Content]:
    pairs = ((across.place(x), up.place(y)) for x, y in zip(trace["x"], trace["y"], strict=True))
    placed = [(x, y) for x, y in pairs if x is not None and y is not None]
    if "lines" in trace["mode"] and placed:
        style = trace["line"]
        dash = "6 4" if style.get("dash", "solid") != "solid" else None
        way = _way(placed, stepped=style.get("shape") == "hv")
        yield tag("path", d=way, fill="none", stroke=_color(style["color"]), stroke_width="2", stroke_dasharray=dash)
    if "markers" in trace["mode"]:
        marker = trace["marker"]
        draw = _SHAPES.get(marker["symbol"], _circle)
        yield from (draw(x, y, _color(marker["color"])) for x, y in placed)


def _way(placed: Sequence[tuple[float, float]], *, stepped: bool) -> str:
    (x, y), *rest = placed
    return f"M{x:.1f} {y:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" if stepped else f"L{x:.1f} {y:.1f}" for x, y in rest)


def _color(name: str) -> str:
    return f"var(--{name.removeprefix('@')})" if name.startswith("@") else name


def _circle(x: float, y: float, color: str) -> Markup:
    return tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", fill=color)


def _square(x: float, y: float, color: str) -> Markup:
    return tag("rect", x=f"{x - 4:.1f}", y=f"{y - 4:.1f}", width="8", height="8", fill="none", stroke=color)


def _diamond(x: float, y: float, color: str) -> Markup:
    return tag("path", d=f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z", fill=color)


def _cross(x: float, y: float, color: str) -> Markup:
    return tag("path", d=f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8", stroke=color, stroke_width="2")


_SHAPES: dict[str, Callable[[float, float, str], Markup]] = {
    "square-open": _square,
    "diamond": _diamond,
    "x": _cross,
}
