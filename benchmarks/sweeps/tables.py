"""Make the tables and the figure of what sweeps left: RESULTS.md, results.json and results.svg with ``--write``.

python -m benchmarks.sweeps.tables --out OUT [--write]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sweeps.drawing import NAMES, draw
from benchmarks.sweeps.tasks import TASKS

HERE = Path(__file__).parent
OURS = ("protein", "protein_early", "protein_early_confirm")
JUDGED = "protein_early"
"""The contender that the others are compared with, seed by seed."""
CALIBRATED_FROM = 10
"""Runs before which an interval does not count."""
Sweeps = Mapping[str, Mapping[str, Sequence[dict[str, Any]]]]
"""By task and contender, a sweep a seed, in the order of the seeds."""


def read(out: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return all sweeps that are there."""
    found: dict[str, dict[str, dict[int, dict[str, Any]]]] = {}
    for path in out.glob("*.json"):
        contender, task, seed = path.stem.split(".")
        found.setdefault(task, {}).setdefault(contender, {})[int(seed)] = json.loads(path.read_text("utf-8"))
    return {
        task: {name: [seeds[seed] for seed in sorted(seeds)] for name in NAMES if (seeds := found[task].get(name))}
        for task in TASKS
        if task in found
    }


def value_at(sweep: Mapping[str, Any], at_s: float) -> float:
    """Return what the policy that would be deployed at a time is worth; the first one's before there is any."""
    values = [step["value"] for step in sweep["path"] if step["at_s"] <= at_s]
    return float(values[-1] if values else sweep["path"][0]["value"])


def time_to(sweeps: Sequence[Mapping[str, Any]], level: float) -> float | None:
    """Return the time at which the mean over sweeps has reached a level; None where it never does."""
    times = sorted({step["at_s"] for sweep in sweeps for step in sweep["path"]})
    return next((at for at in times if np.mean([value_at(sweep, at) for sweep in sweeps]) >= level), None)


def results(found: Sweeps) -> str:
    """Return the whole page."""
    parts = ["# Results\n\nMade by `python -m benchmarks.sweeps.tables`; [how to read them](README.md).\n"]
    parts += [_task_table(task, by_name) for task, by_name in found.items()]
    parts.append("## Intervals of Protein\n\n" + calibration(found))
    return "\n".join(parts)


def _task_table(task: str, by_name: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    budget_s, digits = TASKS[task].budget_s, TASKS[task].digits
    ends = {name: {sweep["seed"]: value_at(sweep, budget_s) for sweep in of} for name, of in by_name.items()}
    level = max(float(np.mean(list(values.values()))) for name, values in ends.items() if name not in OURS)
    first = np.mean([sweep["path"][0]["value"] for sweeps in by_name.values() for sweep in sweeps])
    lines = [
        f"## {TASKS[task].title}: {budget_s:.0f} s of training a sweep\n",
        f"| | sweeps | reward of the deployed policy | by sweep | less than {NAMES[JUDGED]} | runs | to their end "
        "| s to the best other's end | own s |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| shipped settings, one run | | {first:.{digits}f} | | | 1 | 1 | | |",
    ]
    for name, values in sorted(ends.items(), key=lambda each: -float(np.mean(list(each[1].values())))):
        sweeps = by_name[name]
        runs = np.mean([len(sweep["runs"]) for sweep in sweeps])
        full = np.mean([sum(run["end"] == "finished" for run in sweep["runs"]) for sweep in sweeps])
        took_s = np.mean([sweep["ask_s"] + sweep["judge_s"] for sweep in sweeps])
        reached = time_to(sweeps, level)
        less = [ends[JUDGED][seed] - value for seed, value in values.items() if seed in ends[JUDGED]]
        lines.append(
            f"| {NAMES[name]} | {len(sweeps)} | {_with_error(list(values.values()), digits)} "
            f"| {' '.join(f'{value:.{digits - 1}f}' for value in values.values())} "
            f"| {'' if name == JUDGED else _with_error(less, digits)} | {runs:.0f} | {full:.0f} "
            f"| {'never' if reached is None else f'{reached:.0f}'} | {took_s:.1f} |"
        )
    return "\n".join(lines) + "\n"


def _with_error(values: Sequence[float], digits: int) -> str:
    """Return a mean with its standard error, where there are enough for one."""
    if len(values) < 2:
        return "".join(f"{value:.{digits}f}" for value in values)
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.{digits}f}"


def calibration(found: Sweeps) -> str:
    """Return how often what runs gave lay in the intervals of their suggestions, from the tenth run on and before."""
    early, late = [], []
    for task in found.values():
        for name in ("protein", "protein_early"):
            for sweep in task.get(name, ()):
                for number, run in enumerate(sweep["runs"]):
                    if "predicted" in run and run["end"] == "finished":
                        low, middle, high = run["predicted"]
                        score = run["reports"][-1][1]
                        inside = (low <= score <= high, score > middle)
                        (late if number >= CALIBRATED_FROM else early).append(inside)
    lines = ["| suggestions | results | in their 90% interval | better than the median expected |", "|---|---|---|---|"]
    for title, rows in (("before the tenth run", early), ("from the tenth run on", late)):
        shares = [f"{np.mean(column):.0%}" for column in zip(*rows, strict=True)] if rows else ["", ""]
        lines.append(f"| {title} | {len(rows)} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def compact(found: Sweeps) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return what is kept of all sweeps, values in the order of the task's parameters."""
    return {
        task: {
            name: [{**sweep, "runs": [_compact(run) for run in sweep["runs"]]} for sweep in sweeps]
            for name, sweeps in by_name.items()
        }
        for task, by_name in found.items()
    }


def _compact(run: Mapping[str, Any]) -> dict[str, Any]:
    reports = [[score, round(cost_s, 2)] for _, score, cost_s in run["reports"]]
    return {**run, "params": [float(f"{value:.4g}") for value in run["params"].values()], "reports": reports}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="keep them beside this file")
    told = parser.parse_args()
    found = read(told.out)
    page = results(found)
    print(page)
    if told.write:
        (HERE / "RESULTS.md").write_text(page, encoding="utf-8")
        (HERE / "results.json").write_text(json.dumps(compact(found), separators=(",", ":")), encoding="utf-8")
        (HERE / "results.svg").write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    main()
