"""CPU-seconds of one suggestion at growing histories, ten parameters, one thread.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.latency [--write]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from metta_sweep import Protein

SIZES = (10, 50, 100, 250, 500, 1000)
TARGETS = {50: 0.15, 250: 0.4, 1000: 2.0}
DIM = 10


def suggestion_cpu_s(size: int, repeats: int = 3) -> float:
    """Return the least CPU-seconds of a suggestion after ``size`` noisy observations."""
    parameters = {f"p{i}": {"distribution": "uniform", "min": 0.0, "max": 1.0} for i in range(DIM)}
    protein, rng = Protein(parameters, seed=1), np.random.default_rng(0)

    def observe() -> None:
        x = rng.random(DIM)
        score = -sum((x[i] - 0.3 - 0.04 * i) ** 2 * (1 + i % 3) for i in range(DIM)) + 0.05 * rng.standard_normal()
        protein.observe({f"p{i}": float(x[i]) for i in range(DIM)}, score=score, cost=float(np.exp(x[0])))

    for _ in range(size - 1):
        observe()
    protein.suggest()
    taken = []
    for _ in range(repeats):
        observe()
        started = time.process_time()
        protein.suggest()
        taken.append(time.process_time() - started)
    return min(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="keep the figures beside this file")
    args = parser.parse_args()
    found = {size: round(suggestion_cpu_s(size), 3) for size in SIZES}
    for size, seconds in found.items():
        target = f"   target {TARGETS[size]}" if size in TARGETS else ""
        print(f"N = {size:5d}   {seconds:.3f} CPU-s{target}")
    if args.write:
        Path(__file__).with_name("latency.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
