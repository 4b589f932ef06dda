"""Reward after the same number of steps: ours and SB3, same environment, network, settings and evaluation.

python -m benchmarks.trainer.learning --sb3-python V/bin/python [--seeds 5] [--steps 100000 300000] [--out FILE]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.trainer.throughput import CONTENDERS, ROOT
from benchmarks.trainer.workloads import LEARNING


def one(contender: str, seed: int, steps: list[int]) -> list[float]:
    import torch

    torch.set_num_threads(1)
    made = importlib.import_module(f"benchmarks.trainer.{CONTENDERS[contender]}").Contender(LEARNING, seed)
    scores, done = [], 0
    for mark in steps:
        while done < mark:
            made.update()
            done += LEARNING.batch
        scores.append(round(made.score(), 4))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "SEED"))
    parser.add_argument("--sb3-python")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[100_000, 300_000])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], int(arguments.one[1]), arguments.steps)))
        return
    scores: dict[str, list[list[float]]] = {"ours": [], "sb3": []}
    for seed in range(arguments.seeds):
        for contender, python in (("ours", sys.executable), ("sb3", arguments.sb3_python)):
            command = [python, "-m", "benchmarks.trainer.learning", "--one", contender, str(seed), "--steps"]
            env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            marks = map(str, arguments.steps)
            result = subprocess.run([*command, *marks], env=env, capture_output=True, text=True, check=True, cwd=ROOT)
            scores[contender].append(json.loads(result.stdout.splitlines()[-1]))
            print(seed, contender, scores[contender][-1], flush=True)
    for k, mark in enumerate(arguments.steps):
        for contender, by_seed in scores.items():
            values = [row[k] for row in by_seed]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            print(f"{mark:9,} steps  {contender:5} reward {statistics.mean(values):.3f} +/- {spread:.3f} over seeds")
    if arguments.out:
        arguments.out.write_text(json.dumps({"steps": arguments.steps, "rewards": scores}, indent=1) + "\n")


if __name__ == "__main__":
    main()
