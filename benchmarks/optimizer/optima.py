"""Find the optimum of every own problem by brute force, and the median of random points; writes ``optima.json``."""

from __future__ import annotations

import json
import math

import numpy as np

from benchmarks.optimizer.problems import OPTIMA, PROBLEMS, Problem
from metta_sweep.space import SearchSpace


def facts(problem: Problem) -> dict[str, float]:
    """Return the best score found by random points and annealed local moves, and the random median."""
    space = SearchSpace.parse(problem.parameters, problem.constraints)
    rng = np.random.default_rng(0)

    def value(row: np.ndarray) -> float:
        score = problem.mean_score(space.decode(row))
        return -math.inf if math.isnan(score) else score

    codes = space.sample(4000, rng)
    scores = np.array([value(row) for row in codes])
    order = np.argsort(-scores)[:16]
    best, at = codes[order], scores[order]
    for round_ in range(1500):
        radius = 0.3 * 0.993**round_
        fresh = space.sample(len(best), rng)
        step = np.clip(best + radius * rng.standard_normal(best.shape) * (rng.random(best.shape) < 0.4), 0, 8)
        step = np.where(rng.random(best.shape) < 0.03, fresh, step)
        step = space.snap(step)
        moved = np.array([value(row) for row in step])
        better = moved > at
        best, at = np.where(better[:, None], step, best), np.where(better, moved, at)
    finite = scores[np.isfinite(scores)]
    return {"optimum": float(at.max()), "random_median": float(np.median(finite))}


if __name__ == "__main__":
    found = {problem.name: facts(problem) for problem in PROBLEMS}
    OPTIMA.write_text(json.dumps(found, indent=1) + "\n")
    for name, row in found.items():
        print(f"{name:20s} optimum {row['optimum']:10.4f}   random median {row['random_median']:10.4f}")
