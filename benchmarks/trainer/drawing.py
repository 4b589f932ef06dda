"""Line plots as SVG, written by hand: no plotting library is worth a dependency here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 340, 64, 150, 40, 48
COLORS = ("#1f6feb", "#d1495b", "#2a9d5c", "#8a5cd1", "#c77d0a", "#4a5568")

Curve = Sequence[tuple[float, float, float]]
"""(x, mean, half the width of its band)"""


def line_plot(title: str, x_name: str, y_name: str, curves: Mapping[str, Curve]) -> str:
    """Return an SVG of lines with bands, the axes from the data."""
    points = [point for curve in curves.values() for point in curve]
    x_low, x_high = 0.0, max(x for x, _, _ in points)
    y_low, y_high = min(y - band for _, y, band in points), max(y + band for _, y, band in points)
    margin = 0.05 * (y_high - y_low or 1.0)
    y_low, y_high = y_low - margin, y_high + margin

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / (x_high - x_low or 1.0) * (WIDTH - LEFT - RIGHT)
        up = (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(LEFT + across, 1), round(HEIGHT - BOTTOM - up, 1)

    parts = [f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>']
    for y in _ticks(y_low, y_high):
        (x1, y1), (x2, _) = at(x_low, y), at(x_high, y)
        parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y1}" stroke="#ddd"/>')
        parts.append(f'<text x="{x1 - 8}" y="{y1 + 4}" text-anchor="end">{y:g}</text>')
    for x in _ticks(x_low, x_high):
        x1, y1 = at(x, y_low)
        parts.append(f'<text x="{x1}" y="{y1 + 18}" text-anchor="middle">{_short(x)}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>')
    parts.append(f'<text x="16" y="{TOP - 6}">{escape(y_name)}</text>')
    for k, (name, curve) in enumerate(curves.items()):
        color = COLORS[k % len(COLORS)]
        upper = [at(x, y + band) for x, y, band in curve]
        lower = [at(x, y - band) for x, y, band in reversed(curve)]
        parts.append(f'<polygon points="{_path(upper + lower)}" fill="{color}" opacity="0.15"/>')
        line = _path([at(x, y) for x, y, _ in curve])
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        y = TOP + 18 * k + 10
        x1, x2 = WIDTH - RIGHT + 12, WIDTH - RIGHT + 32
        parts.append(f'<line x1="{x1}" y1="{y}" x2="{x2}" y2="{y}" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 38}" y="{y + 4}">{escape(name)}</text>')
    body = "\n".join(parts)
    style = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {style}>\n{background}\n{body}\n</svg>\n'


def _ticks(low: float, high: float) -> list[float]:
    raw = (high - low) / 5
    magnitude = 10.0 ** _floor_log10(raw)
    step = next(s * magnitude for s in (1, 2, 5, 10) if s * magnitude >= raw)
    first = -(-low // step) * step
    return [round(first + k * step, 10) for k in range(int((high - first) / step) + 1)]


def _floor_log10(value: float) -> int:
    return int(f"{value:e}".split("e")[1])


def _short(steps: float) -> str:
    return f"{steps / 1e6:g}M" if steps >= 1e6 else f"{steps / 1e3:g}k" if steps >= 1e3 else f"{steps:g}"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
