"""Parallel coordinates of a sweep as one SVG picture: an axis a parameter, a line a rollout, the better the darker."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from metta_sweep.sweep.state import SweepState

STEP, HEIGHT, MARGIN = 130, 260, 60
"""Pixels: between two axes, of an axis, around the picture."""

_WORST, _BEST = (222, 226, 235), (22, 63, 130)
"""Colours (red, green, blue) of the ends of the scale."""


def parallel_coordinates(state: SweepState) -> str:
    """Return the picture; rollouts without a score are left out, and the metric is the last axis.

    Each axis reaches from the least to the greatest value that was tried, on a logarithmic scale where the parameter
    has one; texts stand at equal distances.
    """
    seen = [o for o in state.observations.values() if o.metric is not None]
    names = sorted({name for observation in seen for name in observation.params})
    if not seen or not names:
        return ""
    seen.sort(key=lambda o: state.spec.goal.score(o.metric or 0.0))
    columns = [[o.params.get(name) for o in seen] for name in names] + [[o.metric for o in seen]]
    logs = [_is_log(state.spec.parameters.get(name)) for name in names] + [False]
    titles = [*names, state.spec.metric]
    places = [_places(column, log=log) for column, log in zip(columns, logs, strict=True)]
    lines = [
        _line([places[axis].get(column[row]) for axis, column in enumerate(columns)], row / max(1, len(seen) - 1))
        for row in range(len(seen))
    ]
    axes = [_axis(axis, title, column) for axis, (title, column) in enumerate(zip(titles, columns, strict=True))]
    width, height = 2 * MARGIN + STEP * (len(titles) - 1), 2 * MARGIN + HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">'
    return "\n".join([head, *lines, *axes, "</svg>"])


def _is_log(parameter: Any) -> bool:
    return isinstance(parameter, Mapping) and parameter.get("distribution") in ("log_normal", "uniform_pow2")


def _places(column: Sequence[Any], *, log: bool) -> dict[Any, float]:
    """Return where each value of an axis stands, 0 at its foot to 1 at its top; a missing one stands nowhere."""
    known = {value for value in column if value is not None}
    numbers = {value for value in known if isinstance(value, int | float) and not isinstance(value, bool)}
    if numbers != known or not numbers:
        order = sorted(known, key=str)
        return {value: (k + 0.5) / len(order) for k, value in enumerate(order)}
    scale: Callable[[float], float] = math.log if log and min(numbers) > 0 else float
    low, high = scale(min(numbers)), scale(max(numbers))
    return {value: (scale(value) - low) / (high - low) if high > low else 0.5 for value in numbers}


def _line(places: Sequence[float | None], rank: float) -> str:
    """Return one rollout's line; an inactive parameter interrupts it."""
    red, green, blue = (round(a + (b - a) * rank) for a, b in zip(_WORST, _BEST, strict=True))
    stroke = f'fill="none" stroke="rgb({red},{green},{blue})" stroke-width="{1.2 + 1.2 * rank:.1f}"'
    drawn, is_down = [], False
    for axis, place in enumerate(places):
        if place is not None:
            drawn.append(f"{'L' if is_down else 'M'}{MARGIN + axis * STEP} {MARGIN + HEIGHT * (1 - place):.1f}")
        is_down = place is not None
    return f'<path d="{" ".join(drawn)}" {stroke}/>'


def _axis(number: int, title: str, column: Sequence[Any]) -> str:
    x, foot = MARGIN + number * STEP, MARGIN + HEIGHT
    places = _places(column, log=False)
    ends = (min(places, key=places.__getitem__), max(places, key=places.__getitem__)) if places else ("", "")
    texts = [(MARGIN - 28, title.rpartition(".")[2], 13), (MARGIN - 10, _short(ends[1]), 11)]
    texts.append((foot + 18, _short(ends[0]), 11))
    labels = "".join(
        f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="middle">{escape(text)}</text>'
        for y, text, size in texts
    )
    return f'<line x1="{x}" y1="{MARGIN}" x2="{x}" y2="{foot}" stroke="#555"/><title>{escape(title)}</title>{labels}'


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
