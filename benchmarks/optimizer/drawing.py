"""The plot of the results as SVG, from results.json alone: python -m benchmarks.optimizer.drawing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
NAMES = {
    "protein": "Protein",
    "hebo": "HEBO",
    "ax": "Ax",
    "optuna_gp": "Optuna GPSampler",
    "optuna_tpe": "Optuna TPE",
    "cmaes": "CMA-ES",
    "smac": "SMAC",
    "puffer": "PufferLib",
    "sobol": "Sobol",
    "random": "random",
}
"""The optimizers by the names that people know, in the order of the legend."""
FAMILIES = {
    "smooth": "smooth",
    "noisy": "noisy",
    "cost": "runs cost differently",
    "failing": "some runs fail",
    "mixed": "choices and numbers",
    "high": "16 to 20 parameters",
    "prior_good": "good prior",
    "prior_bad": "bad prior",
    "measured": "measured RL tuning",
}
STYLES = {
    "protein": ("#111111", 2.6, ""),
    "hebo": ("#d1495b", 1.6, ""),
    "ax": ("#1f6feb", 1.6, ""),
    "optuna_gp": ("#2a9d5c", 1.6, ""),
    "optuna_tpe": ("#2a9d5c", 1.3, "5 3"),
}
"""Colour, width and dash; the others, which are far behind nearly everywhere, are grey."""
FAINT = {"cmaes": "6 3", "smac": "2 3", "puffer": "4 1", "sobol": "1 2", "random": ""}
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, COLUMNS, LEGEND, LEAST = 330, 220, 48, 30, 36, 3, 54, 1e-3

Curves = Mapping[str, Mapping[str, Sequence[Sequence[float]]]]


def mean_curve(problems: Mapping[str, Sequence[Sequence[float]]], family: str) -> list[float]:
    """Return the regret by run, the mean over seeds and then over the problems of a family."""
    means = [
        [sum(each) / len(each) for each in zip(*seeds, strict=True)]
        for problem, seeds in problems.items()
        if problem.partition("/")[0] == family
    ]
    return [max(LEAST, sum(each) / len(each)) for each in zip(*means, strict=True)]


def draw(found: Curves) -> str:
    """Return the plot: a panel for each family, all with the same names and colours."""
    shown = [peer for peer in NAMES if peer in found]
    panels = [_panel(found, shown, family, title) for family, title in FAMILIES.items()]
    rows = math.ceil(len(panels) / COLUMNS)
    placed = [
        f'<g transform="translate({WIDTH * (place % COLUMNS)} {LEGEND + HEIGHT * (place // COLUMNS)})">{panel}</g>'
        for place, panel in enumerate(panels)
    ]
    width, height = WIDTH * COLUMNS, LEGEND + HEIGHT * rows
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = ' font-family="sans-serif" font-size="12" fill="#333"'
    return f'{head}{style}><rect width="100%" height="100%" fill="white"/>{_legend(shown)}{"".join(placed)}</svg>\n'


def _panel(found: Curves, shown: Sequence[str], family: str, title: str) -> str:
    curves = {peer: mean_curve(found[peer], family) for peer in shown}
    low = math.log10(min(value for curve in curves.values() for value in curve))
    high = math.log10(max(value for curve in curves.values() for value in curve))
    parts = [f'<text x="{LEFT}" y="20" font-weight="600">{escape(title)}</text>']

    def at(run: float, value: float) -> tuple[float, float]:
        across = LEFT + (run - 1) / 49 * (WIDTH - LEFT - 14)
        up = (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(HEIGHT - BOTTOM - up, 1)

    for tick in _ticks(10**low, 10**high):
        x, y = at(1, tick)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - 14}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for run in (1, 10, 25, 50):
        x, _ = at(run, 10**low)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{run}</text>')
    for peer in reversed(shown):
        path = " ".join(f"{x},{y}" for x, y in (at(run, value) for run, value in enumerate(curves[peer], start=1)))
        parts.append(f'<polyline points="{path}" fill="none" {_stroke(peer)}/>')
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Return two to five round numbers between two others."""
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        found = [round(step * 10.0**power, 6) for power in range(-4, 2) for step in steps]
        inside = [tick for tick in found if low * 0.99 <= tick <= high * 1.01]
        if len(inside) >= 3:
            return inside[:: max(1, len(inside) // 5)]
    return [low, high]


def _stroke(peer: str) -> str:
    color, width, dash = STYLES.get(peer, ("#a9b0b8", 1.2, FAINT.get(peer, "")))
    return f'stroke="{color}" stroke-width="{width}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _legend(shown: Sequence[str]) -> str:
    parts = ['<text x="12" y="18">Normalized regret (0: the optimum, 1: a random point) by number of runs</text>']
    x = 12.0
    for peer in shown:
        parts.append(f'<line x1="{x}" y1="38" x2="{x + 26}" y2="38" {_stroke(peer)}/>')
        parts.append(f'<text x="{x + 32}" y="42">{escape(NAMES[peer])}</text>')
        x += 52 + 7.2 * len(NAMES[peer])
    return "".join(parts)


if __name__ == "__main__":
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    (HERE / "results.svg").write_text(draw(results), encoding="utf-8")
