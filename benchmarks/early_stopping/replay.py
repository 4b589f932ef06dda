"""What learning curves add to final scores, measured on random points: cheap, and with far less noise than searches.

    python -m benchmarks.early_stopping.replay --curves DIR [--seeds 4]

Searches of random points are replayed to the money of 35 full runs, and Protein is told what they gave: finished runs
once by their final scores alone and once with their curves, ended runs as partial curves. Then

- *confirmed*: regret of the best mean of five fresh seeds of three points, those with the best scores or those of which
  Protein expects most;
- *ranked*: correlation of ranks between what Protein expects of 200 other points and their true means, and the mean
  regret of the ten of which it expects most.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.early_stopping.contenders import CONTENDERS, QUICK, with_cost
from benchmarks.early_stopping.run import tasks
from benchmarks.early_stopping.simulate import CONFIRMED, SEARCHED, Trace, fresh_mean, search
from metta_sweep import Protein
from metta_sweep.space import SearchSpace

SEARCHES = ("random", "random_halving", "random_third", "random_asha")
OTHERS, TOP = 200, 10
SCORES, ALONE, CURVES = "best scores", "Protein, final scores alone", "Protein, with curves"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, required=True, help="folder of curve_problems.py and rl_curves.npz")
    parser.add_argument("--searches", default=",".join(SEARCHES))
    parser.add_argument("--seeds", type=int, default=4)
    told = parser.parse_args()
    problems = tasks(told.curves)
    for name in told.searches.split(","):
        print(f"\n{name}, {len(problems)} tasks x {told.seeds} seeds; in brackets against the first line of each kind")
        show([replayed(name, problem, seed) for seed in range(told.seeds) for problem in problems])


def replayed(name: str, problem: Any, seed: int) -> Mapping[tuple[str, str], float]:
    """Return what each choice is worth after one search, by kind and by who chooses."""
    trace = search(problem, CONTENDERS[name](problem, seed), seed, money=SEARCHED)
    curves = [problem.curve(params, np.random.default_rng([seed, run])) for run, params in enumerate(trace.tried)]
    finished = [run for _, run, _ in trace.finals]
    points = [trace.tried[run] for run in finished]
    rng = np.random.default_rng([seed, 2])
    others = [problem.sample(rng) for _ in range(OTHERS)]
    true, regret = (np.array([of(params) for params in others]) for of in (problem.mean, problem.regret))
    found = {("confirmed", SCORES): _confirmed(problem, trace, [score for *_, score in trace.finals], seed)}
    for who, has_curves in ((ALONE, False), (CURVES, True)):
        told = _taught(problem, trace, curves, seed, has_curves=has_curves).expect([*points, *others]) or []
        means = np.array([each.mean for each in told])
        found["confirmed", who] = _confirmed(problem, trace, means[: len(points)].tolist(), seed)
        rest = means[len(points) :]
        found["rank correlation", who] = float(spearmanr(rest, true)[0])
        found[f"regret of the first {TOP}", who] = float(regret[np.argsort(-rest, kind="stable")[:TOP]].mean())
    return found


def _taught(problem: Any, trace: Trace, curves: Sequence[Any], seed: int, *, has_curves: bool) -> Protein:
    protein = Protein(SearchSpace.parse(problem.parameters), seed=seed, settings=QUICK)
    finished = {run for _, run, _ in trace.finals}
    for run, (params, curve) in enumerate(zip(trace.tried, curves, strict=True)):
        if run in finished:
            told = with_cost(curve) if has_curves else ()
            protein.observe(params, score=curve[-1][1], cost=1.0, curve=told)
        elif trace.was_ended[run]:
            protein.observe_partial(params, with_cost(curve[: round(10 * trace.shares[run])]))
    return protein


def _confirmed(problem: Any, trace: Trace, worth: Sequence[float], seed: int) -> float:
    """Return the regret of the best of the most promising points on fresh seeds."""
    runs = [trace.finals[at][1] for at in np.argsort(-np.array(worth), kind="stable")[:CONFIRMED]]
    best = max(runs, key=lambda run: fresh_mean(problem, trace, run, seed))
    return float(problem.regret(trace.tried[best]))


def show(found: Sequence[Mapping[tuple[str, str], float]]) -> None:
    """Print the mean of each kind, and its paired difference from the first of the kind with its standard error."""
    first: dict[str, np.ndarray] = {}
    columns: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in found:
        for key, value in each.items():
            columns[key].append(value)
    for (kind, who), values in sorted(columns.items(), key=lambda each: each[0][0]):
        told = np.array(values)
        difference = told - first.setdefault(kind, told)
        error = difference.std(ddof=1) / np.sqrt(len(told))
        print(f"{kind:24s} {who:28s} {told.mean():.3f} ({difference.mean():+.3f} ± {error:.3f})")


if __name__ == "__main__":
    main()
