"""How often results lie in the intervals of Protein's suggestions, by the number of the run.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.calibration [--seeds 2] [--runs 20] [--out FILE]

The problems are our own, failing ones left out. A surprise is how far a result lies from the median, in half widths of
the 90% interval on its side: intervals are right where a surprise is below 1 in nine of ten, and above 0 in half.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.optimizer.problems import PROBLEMS
from metta_sweep import Protein

STAGES = ((0, 6), (6, 10), (10, 20), (20, 50))
"""Runs that are looked at together."""


def surprises(problem: Any, seed: int, runs: int) -> list[tuple[int, float]]:
    """Return for each result that had a prediction the number of its run, and how surprising it was."""
    protein = Protein(problem.parameters, constraints=problem.constraints, seed=seed)
    found = []
    for run in range(runs):
        suggestion = protein.suggest()
        score, cost, failed = problem.evaluate(dict(suggestion.params), np.random.default_rng([seed, run]))
        if failed:
            protein.observe_failure(suggestion)
            continue
        said = suggestion.predicted
        if said is not None:
            half = said.score_high - said.score if score > said.score else said.score - said.score_low
            found.append((run, (score - said.score) / max(half, 1e-12)))
        protein.observe(suggestion, score=score, cost=cost)
    return found


def table(found: list[tuple[int, float]]) -> str:
    """Return how the results lie, a line a stage."""
    lines = ["| runs | results | in the 90% interval | above the median | mean surprise |", "|---|---|---|---|---|"]
    for low, high in STAGES:
        mine = np.array([value for run, value in found if low <= run < high])
        if len(mine):
            inside, above = np.mean(np.abs(mine) <= 1.0), np.mean(mine > 0.0)
            center = np.clip(mine, -5.0, 5.0).mean()
            lines.append(f"| {low} to {high - 1} | {len(mine)} | {inside:.0%} | {above:.0%} | {center:+.2f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="keeps every surprise, one JSON line a search")
    told = parser.parse_args()
    found: list[tuple[int, float]] = []
    for seed in range(told.first_seed, told.first_seed + told.seeds):
        for problem in PROBLEMS:
            if problem.family == "failing":
                continue
            found += (mine := surprises(problem, seed, told.runs))
            if told.out:
                with told.out.open("a") as file:
                    file.write(json.dumps({"problem": problem.name, "seed": seed, "surprises": mine}) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
