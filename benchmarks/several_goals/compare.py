"""Hypervolume by run of Protein, random search and two of Optuna's samplers on standard problems with two goals.

``python -m benchmarks.several_goals.compare [--runs 20] [--seeds 2]`` writes ``results.json`` beside it and prints the
table of the README. Every problem is minimized over the unit cube; the hypervolume is a share of that of the known or
densely sampled front above the reference point.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna

from metta_sweep import Protein
from metta_sweep.sweep.front import hypervolume

RESULTS = Path(__file__).with_name("results.json")
CUTS = (10, 20)
Point = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Two goals to minimize over the unit cube, and constraints that are kept where they are at most 0."""

    dim: int
    goals: Callable[[Point], tuple[float, float]]
    reference: tuple[float, float]
    broken_by: Callable[[Point], tuple[float, ...]] = lambda _: ()


def zdt1(x: Point) -> tuple[float, float]:
    """Return ZDT1 (Zitzler, Deb & Thiele 2000) in three dimensions."""
    g = 1.0 + 9.0 * sum(x[1:]) / (len(x) - 1)
    return x[0], g * (1.0 - math.sqrt(x[0] / g))


def branin_currin(x: Point) -> tuple[float, float]:
    """Return the Branin and the Currin function (Belakaria et al. 2019)."""
    u, v = 15.0 * x[0] - 5.0, 15.0 * x[1]
    branin = (v - 5.1 / (4 * math.pi**2) * u**2 + 5 / math.pi * u - 6) ** 2
    branin += 10 * (1 - 1 / (8 * math.pi)) * math.cos(u) + 10
    head = 1.0 if x[1] == 0 else 1.0 - math.exp(-1.0 / (2.0 * x[1]))
    rest = (2300 * x[0] ** 3 + 1900 * x[0] ** 2 + 2092 * x[0] + 60) / (
        100 * x[0] ** 3 + 500 * x[0] ** 2 + 4 * x[0] + 20
    )
    return branin, head * rest


def bnh(x: Point) -> tuple[float, float]:
    """Return the goals of BNH (Binh & Korn 1997)."""
    u, v = 5.0 * x[0], 3.0 * x[1]
    return 4 * u**2 + 4 * v**2, (u - 5) ** 2 + (v - 5) ** 2


def bnh_limits(x: Point) -> tuple[float, ...]:
    """Return the constraints of BNH."""
    u, v = 5.0 * x[0], 3.0 * x[1]
    return (u - 5) ** 2 + v**2 - 25.0, 7.7 - (u - 8) ** 2 - (v + 3) ** 2


PROBLEMS = {
    "ZDT1, 3 parameters": Problem(dim=3, goals=zdt1, reference=(1.1, 6.0)),
    "Branin-Currin, 2 parameters": Problem(dim=2, goals=branin_currin, reference=(18.0, 6.0)),
    "BNH, 2 parameters, 2 bounds": Problem(dim=2, goals=bnh, reference=(140.0, 50.0), broken_by=bnh_limits),
}


def kept_points(problem: Problem, tried: Sequence[Point]) -> list[tuple[float, float]]:
    """Return the goals of the points that keep the constraints, larger is better."""
    kept = [x for x in tried if all(limit <= 0.0 for limit in problem.broken_by(x))]
    return [(-a, -b) for a, b in map(problem.goals, kept)]


def volume(problem: Problem, tried: Sequence[Point]) -> float:
    """Return the hypervolume of what was tried."""
    return hypervolume(kept_points(problem, tried), (-problem.reference[0], -problem.reference[1]))


def whole(problem: Problem) -> float:
    """Return the hypervolume of the front: of a fine grid, or of what is known of ZDT1."""
    if problem.goals is zdt1:
        return volume(problem, [(x, 0.0, 0.0) for x in np.linspace(0, 1, 2001).tolist()])
    side = np.linspace(0, 1, 401).tolist()
    return volume(problem, [(x, y) for x in side for y in side])


def by_protein(problem: Problem, runs: int, seed: int) -> list[Point]:
    """Return what Protein tries."""
    names = [f"x{i}" for i in range(problem.dim)]
    limits = [f"limit{i}" for i in range(len(problem.broken_by((0.5,) * problem.dim)))]
    protein = Protein(
        {name: {"distribution": "uniform", "min": 0.0, "max": 1.0} for name in names},
        goal={"a": "minimize", "b": "minimize"},
        bounds=[f"{name} <= 0" for name in limits],
        seed=seed,
        settings={"planned_rollouts": runs},
    )
    tried: list[Point] = []
    for _ in range(runs):
        params = protein.suggest().params
        point = [params[name] for name in names]
        values = dict(zip("ab", problem.goals(point), strict=True))
        protein.observe(params, {**values, **dict(zip(limits, problem.broken_by(point), strict=True))})
        tried.append(point)
    return tried


def by_optuna(make: Callable[..., optuna.samplers.BaseSampler]) -> Callable[[Problem, int, int], list[Point]]:
    """Return what tries points as one of Optuna's samplers does."""

    def tried_by(problem: Problem, runs: int, seed: int) -> list[Point]:
        def limits(trial: optuna.trial.FrozenTrial) -> tuple[float, ...]:
            return problem.broken_by([trial.params[f"x{i}"] for i in range(problem.dim)])

        constrained = {"constraints_func": limits} if problem.broken_by((0.5,) * problem.dim) else {}
        study = optuna.create_study(directions=["minimize"] * 2, sampler=make(seed=seed, **constrained))
        tried: list[Point] = []
        for _ in range(runs):
            trial = study.ask()
            point = [trial.suggest_float(f"x{i}", 0.0, 1.0) for i in range(problem.dim)]
            study.tell(trial, problem.goals(point))
            tried.append(point)
        return tried

    return tried_by


def by_random(problem: Problem, runs: int, seed: int) -> list[Point]:
    """Return what random search tries."""
    drawn: list[Point] = np.random.default_rng(seed).random((runs, problem.dim)).tolist()
    return drawn


OPTIMIZERS: dict[str, Callable[[Problem, int, int], list[Point]]] = {
    "Protein": by_protein,
    "Optuna TPE": by_optuna(optuna.samplers.TPESampler),
    "Optuna NSGA-II (10 a generation)": by_optuna(
        lambda **more: optuna.samplers.NSGAIISampler(population_size=10, **more)
    ),
    "random": by_random,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, problem in PROBLEMS.items():
        most = whole(problem)
        for optimizer, tries in OPTIMIZERS.items():
            began_s, shares = time.process_time(), []
            for seed in range(asked.seeds):
                tried = tries(problem, asked.runs, seed)
                shares.append([volume(problem, tried[: k + 1]) / most for k in range(asked.runs)])
            curve = [statistics.fmean(column) for column in zip(*shares, strict=True)]
            cpu_s = (time.process_time() - began_s) / asked.seeds
            found.setdefault(name, {})[optimizer] = {
                "curve": curve,
                "at_end": [share[-1] for share in shares],
                "cpu_s": [cpu_s],
            }
            cells = " | ".join(f"{curve[cut - 1]:.1%}" for cut in CUTS if cut <= asked.runs)
            print(f"| {name} | {optimizer} | {cells} | {cpu_s:.1f} s |", flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    main()
