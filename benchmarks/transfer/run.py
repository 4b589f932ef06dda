"""Whether sweeps of other environments help: each PPO task with the sweeps of all other tasks as its sources.

    nice -n 15 python -m benchmarks.transfer.run --curves DIR --seeds 8                # goes on where it was cut short
    nice -n 15 python -m benchmarks.transfer.run --curves DIR --seeds 8 --tables       # what is there already

Needs numpy, scipy and the folder with ``curve_problems.py`` and ``rl_curves.npz``.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.transfer.tables import tables
from metta_sweep import Protein
from metta_sweep.optimize.port import Source, SourceRun
from metta_sweep.optimize.protein import transfer
from metta_sweep.space import SearchSpace

ARMS = ("cold", "warm", "shuffled", "opposite")
ROLLOUTS, SOURCE_ROLLOUTS, SOURCE_SWEEPS = 10, 40, 2
OWN_NOISE, SOURCE_NOISE, FIRST_SOURCE_SEED = 11, 7, 1000
HERE = Path(__file__).parent

Sweeps = dict[str, list[list[list[Any]]]]
"""By task its sweeps, each a list of runs: the values in the order of the space's parameters, then the metric."""


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--curves", type=Path, required=True, help="folder with curve_problems.py")
    parser.add_argument("--algorithm", default="ppo", choices=["ppo", "dqn", "sac"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--out", type=Path, default=HERE / "results.json")
    parser.add_argument("--sources", type=Path, default=HERE / "sources.json", help="made where it is missing")
    parser.add_argument("--tables", action="store_true", help="run nothing")
    given = parser.parse_args()
    results = json.loads(given.out.read_text()) if given.out.exists() else {}
    if not given.tables:
        _run(given, results)
    sys.stdout.write(tables(results))


def _run(given: argparse.Namespace, results: dict[str, Any]) -> None:
    every = tasks(given.curves.absolute(), given.algorithm)
    if not given.sources.exists():
        given.sources.write_text(json.dumps(source_sweeps(every), separators=(",", ":")))
    known = json.loads(given.sources.read_text())
    _fit_each_source_once()
    for seed, arm, name in itertools.product(range(given.seeds), given.arms.split(","), every):
        kept = results.setdefault(arm, {}).setdefault(name, {})
        if str(seed) in kept:
            continue
        began_s = time.process_time()
        sources = sources_for(name, every, known, arm)
        done = sweep(every[name], seed=seed, rollouts=ROLLOUTS, noise=OWN_NOISE, sources=sources)
        cpu_s = round(time.process_time() - began_s, 2)
        kept[str(seed)] = {"regret": [round(regret, 4) for regret in regrets(every[name], done)], "cpu_s": cpu_s}
        given.out.write_text(json.dumps(results))


def tasks(curves: Path, algorithm: str) -> dict[str, Any]:
    """Return an algorithm's tasks by name."""
    sys.path.insert(0, str(curves))
    loaded = importlib.import_module("curve_problems").load("rl_curves.npz")
    found = {task.name: task for task in loaded if task.algorithm == algorithm}
    for task in found.values():
        task.space = SearchSpace.parse(task.parameters)
    return found


def sweep(
    task: Any, *, seed: int, rollouts: int, noise: int, sources: Sequence[Source] = ()
) -> list[tuple[Mapping[str, Any], float]]:
    """Return the runs of one sweep: point, and final metric as the run reports it."""
    settings = {"planned_rollouts": rollouts}
    protein = Protein(task.space, goal="maximize", seed=seed, sources=sources, settings=settings)
    rng, runs = np.random.default_rng([noise, seed]), []
    for _ in range(rollouts):
        params = protein.suggest().params
        metric = task.curve(params, rng)[-1][1]
        protein.observe(params, metric, 1.0)
        runs.append((params, metric))
    return runs


def source_sweeps(every: Mapping[str, Any]) -> Sweeps:
    """Return what is known of every task: sweeps by Protein, begun with nothing."""
    found: Sweeps = {}
    for name, task in every.items():
        for number in range(SOURCE_SWEEPS):
            runs = sweep(task, seed=FIRST_SOURCE_SEED + number, rollouts=SOURCE_ROLLOUTS, noise=SOURCE_NOISE)
            rows = [[*(params.get(key) for key in task.space.names), metric] for params, metric in runs]
            found.setdefault(name, []).append(rows)
    return found


def sources_for(name: str, every: Mapping[str, Any], known: Sweeps, arm: str) -> list[Source]:
    """Return the sweeps of every task but one; shuffled: their scores in another order; opposite: negated."""
    found: list[Source] = []
    for other, sweeps in known.items() if arm != "cold" else ():
        for number, rows in enumerate(sweeps if other != name else ()):
            scores = [row[-1] for row in rows]
            if arm == "shuffled":
                scores = np.random.default_rng([3, len(found)]).permutation(scores).tolist()
            if arm == "opposite":
                scores = [-score for score in scores]
            points = [_point(every[other].space.names, row) for row in rows]
            told = (SourceRun(params=point, metric=score) for point, score in zip(points, scores, strict=True))
            found.append(Source(name=f"{other}.{number}", runs=tuple(told)))
    return found


def _point(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(names, row, strict=False) if value is not None}


def regrets(task: Any, runs: Sequence[tuple[Mapping[str, Any], float]]) -> list[float]:
    """Return after each run the noise-free regret of the one with the best reported score so far."""
    best, found = runs[0], []
    for run in runs:
        best = run if run[1] > best[1] else best
        found.append(task.regret(best[0]))
    return found


def _fit_each_source_once() -> None:
    """Have a source fitted once a task: another seed has the same sources, and no random number is drawn."""
    fit, kept = transfer.source_model, dict[tuple[int, str], Any]()

    def remembered(space: SearchSpace, source: Source, sign: float) -> Any:
        key = (id(space), repr(source))
        if key not in kept:
            kept[key] = fit(space, source, sign)
        return kept[key]

    transfer.source_model = remembered


if __name__ == "__main__":
    main()
