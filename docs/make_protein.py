"""Draw the figures of docs/protein.md with Protein itself, as SVG: python -m docs.make_protein."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from metta_sweep.optimize.port import Expectation
from metta_sweep.optimize.protein import Protein

PICTURES = Path(__file__).resolve().parent / "pictures"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 300, 230, 44, 12, 34, 40
INK, MODEL, POINT, NEXT, FAINT = "#333", "#1f6feb", "#111", "#d1495b", "#999"
RATE = {"rate": {"min": 0.0001, "max": 0.1, "distribution": "log_normal"}}
SIZE = {"rate": RATE["rate"], "width": {"min": 16, "max": 1024, "distribution": "log_normal", "mean": 128}}

Line = Sequence[tuple[float, float]]


def score_of(rate: float) -> float:
    """Return what a training with this learning rate reaches: a lower hill, a higher one, and nothing beyond them."""
    x = math.log10(rate)
    return 0.6 * math.exp(-((x + 3.2) ** 2) / 0.3) + math.exp(-((x + 2.0) ** 2) / 0.2)


class Panel:
    """One plot, with a logarithmic axis across."""

    def __init__(
        self, title: str, across: tuple[float, float], up: tuple[float, float], names: tuple[str, str]
    ) -> None:
        self.across, self.up, self.parts = (
            across,
            up,
            [
                f'<text x="{LEFT}" y="18" font-weight="600">{escape(title)}</text>',
                f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" '
                f'fill="none" stroke="{FAINT}"/>',
                f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 6}" '
                f'text-anchor="middle">{escape(names[0])}</text>',
                f'<text x="12" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" '
                f'transform="rotate(-90 12 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(names[1])}</text>',
            ],
        )
        self._ticks()

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a value lies, in pixels."""
        low, high = map(math.log10, self.across)
        right = (math.log10(x) - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        top = (min(self.up[1], max(self.up[0], y)) - self.up[0]) / (self.up[1] - self.up[0])
        return round(LEFT + right, 1), round(HEIGHT - BOTTOM - top * (HEIGHT - TOP - BOTTOM), 1)

    def _ticks(self) -> None:
        first, last = (math.log10(end) for end in self.across)
        for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1):
            x, y = self.at(10.0**power, self.up[0])
            self.parts.append(f'<text x="{x}" y="{y + 15}" text-anchor="middle">{10.0**power:g}</text>')
        for share in (0.0, 0.5, 1.0):
            value = self.up[0] + share * (self.up[1] - self.up[0])
            x, y = self.at(self.across[0], value)
            self.parts.append(f'<text x="{x - 5}" y="{y + 4}" text-anchor="end">{value:.2g}</text>')

    def line(self, points: Line, color: str, *, dashed: bool = False) -> None:
        """Draw a line."""
        path = " ".join(f"{x},{y}" for x, y in (self.at(*point) for point in points))
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.6"{dash}/>')

    def band(self, low: Line, high: Line) -> None:
        """Fill what lies between two lines."""
        path = " ".join(f"{x},{y}" for x, y in (self.at(*point) for point in [*high, *reversed(low)]))
        self.parts.append(f'<polygon points="{path}" fill="{MODEL}" opacity="0.18"/>')

    def dot(self, x: float, y: float, color: str = POINT, size: float = 3.5) -> None:
        """Draw a point."""
        cx, cy = self.at(x, y)
        self.parts.append(f'<circle cx="{cx}" cy="{cy}" r="{size}" fill="{color}"/>')


def picture(panels: Sequence[Panel]) -> str:
    """Return panels beside each other as one SVG."""
    shown = "".join(
        f'<g transform="translate({WIDTH * place} 0)">{"".join(panel.parts)}</g>' for place, panel in enumerate(panels)
    )
    width = WIDTH * len(panels)
    size = f'viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="white"/>{shown}</svg>\n'
    )


def search(
    parameters: dict[str, object], runs: int, tried: Callable[[dict[str, float]], tuple[float, float]]
) -> tuple[Protein, list[tuple[dict[str, float], float]]]:
    """Return Protein after so many runs, and the runs."""
    protein, done = Protein(parameters, goal="maximize", seed=3), []
    for _ in range(runs):
        params = dict(protein.suggest().params)
        score, cost = tried(params)
        protein.observe(params, score=score, cost=cost)
        done.append((params, score))
    return protein, done


def steps() -> str:
    """Return what Protein believes of one learning rate after four, six and nine runs."""
    rates = [10 ** (-4 + 3 * k / 200) for k in range(201)]
    panels = []
    for runs in (4, 6, 9):
        protein, done = search(RATE, runs, lambda params: (score_of(params["rate"]), 1.0))
        told: list[Expectation] = protein.expect([{"rate": rate} for rate in rates]) or []
        panel = Panel(f"after {runs} runs", (1e-4, 1e-1), (-0.4, 1.4), ("learning rate", "score"))
        panel.band(
            [(rate, one.low) for rate, one in zip(rates, told, strict=True)],
            [(rate, one.high) for rate, one in zip(rates, told, strict=True)],
        )
        panel.line([(rate, score_of(rate)) for rate in rates], FAINT, dashed=True)
        panel.line([(rate, one.mean) for rate, one in zip(rates, told, strict=True)], MODEL)
        for params, score in done:
            panel.dot(params["rate"], score)
        chosen = protein.suggest().params["rate"]
        panel.line([(chosen, -0.4), (chosen, 1.4)], NEXT)
        panels.append(panel)
    return picture(panels)


def money() -> str:
    """Return which widths are tried where a wide network costs more, with and without a look at the cost."""
    panels = []
    for title, aware in (("cost counts", True), ("cost is ignored", False)):

        def tried(params: dict[str, float], *, aware: bool = aware) -> tuple[float, float]:
            score = score_of(params["rate"]) + 0.15 * math.log2(params["width"] / 16) / 6
            return score, params["width"] if aware else 1.0

        _, done = search(SIZE, 24, tried)
        spent = sum(params["width"] for params, _ in done)
        panel = Panel(
            f"{title}: {spent / 1000:.1f} units spent", (13, 1300), (0, 25), ("width, which is the cost", "run")
        )
        for number, (params, score) in enumerate(done, start=1):
            panel.dot(params["width"], number, NEXT if score > 1.0 else MODEL if score > 0.5 else FAINT)
        panels.append(panel)
    return picture(panels)


def main() -> None:
    """Write the figures."""
    for name, draw in (("protein_steps", steps), ("protein_cost", money)):
        (PICTURES / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
