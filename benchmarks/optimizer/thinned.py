"""What it costs to condition the models on few of many observations: paired, with all of 300 and with 150 of them.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.thinned [--seeds 3]

Each search begins with the same random points, and goes on for a few suggestions.
"""

from __future__ import annotations

import argparse
import zlib
from typing import Any

import numpy as np

from benchmarks.optimizer.money import QUICK
from benchmarks.optimizer.problems import PROBLEMS
from metta_sweep import Protein
from metta_sweep.optimize.protein import history

KNOWN, KEPT, SUGGESTIONS = 300, 150, 8
NAMES = ("high", "noisy", "mixed", "cost")
"""Families, of each the first problem."""


def regret(problem: Any, seed: int, most: int) -> float:
    """Return the regret of the best point, by its noise-free value, of the suggestions that follow random points."""
    history.MOST = most
    protein = Protein(problem.parameters, constraints=problem.constraints, seed=seed, settings=QUICK)
    rng = np.random.default_rng([zlib.crc32(problem.name.encode()), seed])
    found = []
    for run in range(KNOWN + SUGGESTIONS):
        is_random = run < KNOWN
        params = protein.space.decode(protein.space.sample(1, rng)[0]) if is_random else dict(protein.suggest().params)
        score, cost, failed = problem.evaluate(params, np.random.default_rng([seed, run]))
        if failed:
            protein.observe_failure(params)
        else:
            protein.observe(params, score=score, cost=cost)
            found.append((is_random, problem.regret(params)))
    return min(value for is_random, value in found if not is_random)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    told = parser.parse_args()
    differences = []
    for seed in range(told.seeds):
        for family in NAMES:
            problem = next(each for each in PROBLEMS if each.family == family)
            few, every = regret(problem, seed, KEPT), regret(problem, seed, KNOWN + SUGGESTIONS)
            differences.append(few - every)
            print(f"{problem.name:20} {seed}  {KEPT} of them {few:.4f}   all {every:.4f}", flush=True)
    error = np.std(differences, ddof=1) / len(differences) ** 0.5
    print(f"{KEPT} of them, less all: {np.mean(differences):.4f} +/- {error:.4f} over {len(differences)} pairs")


if __name__ == "__main__":
    main()
