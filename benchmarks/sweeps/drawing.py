"""The figure: reward of the deployed policy by training time, a panel a task; from results.json alone.

python -m benchmarks.sweeps.drawing
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sweeps.tasks import TASKS

NAMES = {
    "protein_early_confirm": "Protein, early_stop and confirm",
    "protein_early": "Protein, early_stop",
    "protein": "Protein, every run to its end",
    "gp_halving": "Optuna GPSampler, SuccessiveHalving",
    "tpe_hyperband": "Optuna TPE, Hyperband",
    "wandb_bayes": "W&B bayes, hyperband",
    "random_asha": "random, ASHA",
    "random": "random",
}
"""The contenders by what people know them as, in the order of the legend."""
STYLES = {
    "protein_early_confirm": ("#111111", 2.4, "6 3"),
    "protein_early": ("#111111", 2.4, ""),
    "protein": ("#111111", 1.3, "2 3"),
    "gp_halving": ("#1f6feb", 1.7, ""),
    "tpe_hyperband": ("#2a9d5c", 1.7, ""),
    "wandb_bayes": ("#d1495b", 1.7, ""),
    "random_asha": ("#8b949e", 1.7, ""),
    "random": ("#8b949e", 1.3, "2 3"),
}
"""Colour, width and dash."""
BANDS = ("protein_early", "gp_halving", "tpe_hyperband", "wandb_bayes")
"""Whose standard error is shown: more would hide each other."""
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, LEGEND = 760, 320, 52, 34, 42, 100
STEPS = 121


def draw(found: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Return the figure of sweeps by task and contender."""
    shown = [name for name in NAMES if any(name in by_name for by_name in found.values())]
    panels = [
        f'<g transform="translate(0 {LEGEND + HEIGHT * place})">{_panel(task, by_name)}</g>'
        for place, (task, by_name) in enumerate(found.items())
    ]
    width, height = WIDTH, LEGEND + HEIGHT * len(found)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = ' font-family="sans-serif" font-size="12" fill="#333"'
    return f'{head}{style}><rect width="100%" height="100%" fill="white"/>{_legend(shown)}{"".join(panels)}</svg>\n'


def _curves(sweeps: Sequence[Mapping[str, Any]], times: np.ndarray) -> np.ndarray:
    """Return what would be deployed is worth at each time ``(sweeps, times)``; NaN before there is anything."""
    rows = np.full((len(sweeps), len(times)), np.nan)
    for row, sweep in zip(rows, sweeps, strict=True):
        for step in sweep["path"]:
            row[times >= step["at_s"]] = step["value"]
    return rows


def _panel(task: str, by_name: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    times = np.linspace(0.0, TASKS[task].budget_s, STEPS)
    curves = {name: _curves(by_name[name], times) for name in NAMES if name in by_name}
    values = np.concatenate([rows.mean(0)[~np.isnan(rows.mean(0))] for rows in curves.values()])
    low, high = values.min(), values.max()
    low, high = low - 0.08 * (high - low), high + 0.12 * (high - low)

    def at(time: float, value: float) -> tuple[float, float]:
        across = LEFT + time / times[-1] * (WIDTH - LEFT - 18)
        up = (min(max(value, low), high) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(HEIGHT - BOTTOM - up, 1)

    parts = [
        f'<text x="{LEFT}" y="22" font-weight="600">{escape(TASKS[task].title)}</text>',
        *_axes(at, times[-1], low, high),
    ]
    for name in reversed(curves):
        rows = curves[name]
        there = ~np.isnan(rows).any(axis=0)
        mean, error = rows[:, there].mean(0), rows[:, there].std(0, ddof=min(1, len(rows) - 1)) / len(rows) ** 0.5
        if name in BANDS and len(rows) > 1:
            edge = [at(t, v) for t, v in zip(times[there], mean + error, strict=True)]
            edge += [at(t, v) for t, v in zip(times[there][::-1], (mean - error)[::-1], strict=True)]
            parts.append(f'<polygon points="{_path(edge)}" fill="{STYLES[name][0]}" opacity="0.12"/>')
        line = [at(t, v) for t, v in zip(times[there], mean, strict=True)]
        parts.append(f'<polyline points="{_path(line)}" fill="none" {_stroke(name)}/>')
    return "".join(parts)


def _axes(at: Any, end_s: float, low: float, high: float) -> list[str]:
    parts = []
    step = next(each for each in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0) if (high - low) / each <= 7)
    for tick in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
        x, y = at(0.0, tick)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{WIDTH - 18}" y2="{y}" stroke="#e3e3e3"/>')
        parts.append(f'<text x="{x - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for time in np.linspace(0.0, end_s, 5):
        x, _ = at(time, low)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{time:g}</text>')
    middle = (LEFT + WIDTH) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">CPU-seconds of training</text>')
    return parts


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _stroke(name: str) -> str:
    color, width, dash = STYLES[name]
    return f'stroke="{color}" stroke-width="{width}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _legend(shown: Sequence[str]) -> str:
    parts = [
        '<text x="12" y="18">Reward of the policy that would be deployed, in fresh episodes: mean over sweeps</text>'
    ]
    for place, name in enumerate(shown):
        x, y = 12 + 290 * (place // 3), 42 + 22 * (place % 3)
        parts.append(f'<line x1="{x}" y1="{y}" x2="{x + 26}" y2="{y}" {_stroke(name)}/>')
        parts.append(f'<text x="{x + 32}" y="{y + 4}">{escape(NAMES[name])}</text>')
    return "".join(parts)


if __name__ == "__main__":
    here = Path(__file__).parent
    kept = json.loads((here / "results.json").read_text(encoding="utf-8"))
    (here / "results.svg").write_text(draw(kept), encoding="utf-8")
