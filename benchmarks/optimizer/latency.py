"""CPU-seconds of one suggestion at growing histories, ten parameters, one thread: ours and Optuna's GPSampler by turns.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.latency [--write]

Machines differ threefold, and so does one machine from hour to hour: the ratios are what counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (50, 250, 1000)
LARGE = 5000
"""Observations at which ours is timed alone, against itself at the largest of the sizes."""
TARGETS = {50: 0.6, 250: 0.6, 1000: 0.4}
DIM = 10
COLD = 10
"""Observations of a fresh process whose first suggestion is timed."""


def observations(size: int) -> list[tuple[dict[str, float], float, float]]:
    """Return points with a noisy score and a cost."""
    rng, found = np.random.default_rng(0), []
    for x in rng.random((size, DIM)):
        score = -sum((x[i] - 0.3 - 0.04 * i) ** 2 * (1 + i % 3) for i in range(DIM)) + 0.05 * rng.standard_normal()
        found.append(({f"p{i}": float(x[i]) for i in range(DIM)}, float(score), float(np.exp(x[0]))))
    return found


def ours(size: int) -> Callable[[], Any]:
    """Return what asks Protein after so many observations."""
    from metta_sweep import Protein

    protein = Protein({f"p{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0} for i in range(DIM)}, seed=1)
    for params, score, cost in observations(size):
        protein.observe(params, score=score, cost=cost)
    return protein.suggest


def gp_sampler(size: int) -> Callable[[], Any]:
    """Return what asks Optuna's GPSampler after so many trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.GPSampler(seed=1, deterministic_objective=False)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    space = {f"p{i}": optuna.distributions.FloatDistribution(0.0, 1.0) for i in range(DIM)}
    for params, score, _ in observations(size):
        study.add_trial(optuna.trial.create_trial(params=params, distributions=space, value=score))
    return lambda: study.ask(space)


CONTENDERS = {"ours": ours, "gp_sampler": gp_sampler}


def cpu_s(ask: Callable[[], Any]) -> float:
    """Return the CPU-seconds of a call."""
    started = time.process_time()
    ask()
    return time.process_time() - started


def cold_s(contender: str) -> float:
    """Return the CPU-seconds of a fresh process up to its first suggestion of a model, imports included."""
    code = (
        "import time; from benchmarks.optimizer.latency import COLD, CONTENDERS; "
        f"CONTENDERS[{contender!r}](COLD)(); print(time.process_time())"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def measured(repeats: int) -> dict[str, Any]:
    """Time everything, the two contenders by turns; of each figure the least of the repeats."""
    found: dict[str, Any] = {"cold": {name: min(cold_s(name) for _ in range(repeats)) for name in CONTENDERS}}
    for name in CONTENDERS:
        CONTENDERS[name](COLD)()
    for size in SIZES:
        times: dict[str, list[float]] = {name: [] for name in CONTENDERS}
        for _ in range(repeats):
            for name, make in CONTENDERS.items():
                times[name].append(cpu_s(make(size)))
        found[str(size)] = {name: min(each) for name, each in times.items()}
        print(size, found[str(size)], flush=True)
    found[str(LARGE)] = {"ours": min(cpu_s(ours(LARGE)) for _ in range(repeats))}
    return found


def told(found: dict[str, Any]) -> str:
    """Return the figures as a table."""
    lines = ["| observations | ours | GPSampler | ratio | target |", "|---|---|---|---|---|"]
    for size in SIZES:
        mine, theirs = found[str(size)]["ours"], found[str(size)]["gp_sampler"]
        lines.append(f"| {size} | {mine:.3f} s | {theirs:.3f} s | {mine / theirs:.2f} | {TARGETS[size]} |")
    large, usual = found[str(LARGE)]["ours"], found[str(SIZES[-1])]["ours"]
    lines.append(f"| {LARGE} | {large:.3f} s | | {large / usual:.2f} of ours at {SIZES[-1]} | 2 |")
    mine, theirs = found["cold"]["ours"], found["cold"]["gp_sampler"]
    lines.append(f"| {COLD}, a fresh process | {mine:.2f} s | {theirs:.2f} s | {mine / theirs:.2f} | 1 |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the figures beside this file")
    parser.add_argument("--repeats", type=int, default=2)
    args = parser.parse_args()
    found = measured(args.repeats)
    print(told(found))
    if args.write:
        kept = {key: {name: round(s, 3) for name, s in times.items()} for key, times in found.items()}
        Path(__file__).with_name("latency.json").write_text(json.dumps(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
