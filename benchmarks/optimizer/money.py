"""Protein told of the money that ends its search, and not told, each until it is spent: paired, one JSON line a pair.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.money --out FILE [--measured DIR] [--seeds 6]
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.optimizer.measured import measured
from benchmarks.optimizer.problems import PROBLEMS
from metta_sweep import Protein

QUICK = {"candidates": 150, "hyper_samples": 3}
"""A shorter search and fewer samples for both, so that it takes minutes."""
CENTERS = 60
"""The money, in runs of the center."""
MOST_RUNS = 80


def regret(problem: Any, seed: int, money: float, settings: Mapping[str, Any]) -> tuple[float, int]:
    """Return the regret of the best that was observed when the money is spent, and the runs."""
    protein = Protein(problem.parameters, constraints=problem.constraints, seed=seed, settings={**QUICK, **settings})
    spent, best = 0.0, (-np.inf, 1.0)
    for run in range(MOST_RUNS):
        params = dict(protein.suggest().params)
        rng = np.random.default_rng([zlib.crc32(problem.name.encode()), seed, run])
        score, cost, failed = problem.evaluate(params, rng)
        spent += cost
        if spent > money:
            break
        if failed:
            protein.observe_failure(params)
        else:
            protein.observe(params, score=score, cost=cost)
            best = max(best, (score, problem.regret(params)))
    return best[1], run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--measured", type=Path, help="folder of the measured tuning data")
    parser.add_argument("--seeds", type=int, default=6)
    told = parser.parse_args()
    problems = [each for each in PROBLEMS if each.family == "cost"]
    problems += [each for each in (measured(told.measured) if told.measured else []) if costs_differ(each)]
    kept = told.out.read_text().splitlines() if told.out.exists() else []
    done = {(row["problem"], row["seed"]) for row in map(json.loads, kept)}
    for seed in range(told.seeds):
        for problem in problems:
            if (problem.name, seed) not in done:
                _pair(problem, seed, told.out)


def costs_differ(problem: Any) -> bool:
    """Return whether runs of a problem cost more or less by their point."""
    space, rng = Protein(problem.parameters, constraints=problem.constraints).space, np.random.default_rng(0)
    costs = [problem.evaluate(space.decode(codes), rng)[1] for codes in space.sample(20, rng)]
    return float(np.std(np.log(costs))) > 0.2


def _pair(problem: Any, seed: int, out: Path) -> None:
    center = dict(Protein(problem.parameters, constraints=problem.constraints).suggest().params)
    money = CENTERS * float(np.mean([problem.evaluate(center, np.random.default_rng(k))[1] for k in range(3)]))
    row = {"problem": problem.name, "seed": seed}
    row["untold"], row["runs_untold"] = regret(problem, seed, money, {})
    row["told"], row["runs_told"] = regret(problem, seed, money, {"planned_cost": money})
    line = json.dumps(row, default=float)
    with out.open("a") as file:
        file.write(f"{line}\n")
    print(line, flush=True)


if __name__ == "__main__":
    main()
