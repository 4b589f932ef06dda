"""Samples per CPU-second of the whole PPO loop: ours, SB3, and a CleanRL-style file; one thread each, interleaved.

    python -m benchmarks.trainer.throughput --sb3-python /path/to/venv/bin/python [--rounds 5] [--out FILE]

SB3 needs an environment of its own, made outside of the repository:
``python -m venv V && V/bin/pip install torch==2.13.0 stable-baselines3==2.9.2 sb3-contrib==2.9.2 pydantic pyyaml``.
The workload with a memory is played by ours and sb3-contrib's RecurrentPPO.
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

from benchmarks.trainer.workloads import WORKLOADS, measure

ROOT = Path(__file__).parents[2]
CONTENDERS = {"ours": "contender_ours", "cleanrl-style": "peer_cleanrl_style", "sb3": "peer_sb3"}


def one(contender: str, workload: str, seconds: float) -> float:
    """Measure in this process."""
    import torch

    torch.set_num_threads(1)
    work = WORKLOADS[workload]
    made = importlib.import_module(f"benchmarks.trainer.{CONTENDERS[contender]}").Contender(work)
    return measure(made.update, work.batch, seconds)


def in_a_process(python: str, contender: str, workload: str, seconds: float) -> float:
    env = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "benchmarks.trainer.throughput", "--one", contender, workload, "--seconds", str(seconds)]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=True, cwd=ROOT)
    return float(result.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, metavar=("CONTENDER", "WORKLOAD"))
    parser.add_argument("--sb3-python")
    parser.add_argument("--only", choices=WORKLOADS, help="this workload alone")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        print(one(*arguments.one, arguments.seconds))
        return
    pythons = {"ours": sys.executable, "cleanrl-style": sys.executable, "sb3": arguments.sb3_python}
    figures: dict[str, dict[str, list[float]]] = {}
    for round_ in range(arguments.rounds):
        for workload in [arguments.only] if arguments.only else WORKLOADS:
            for contender, python in pythons.items():
                if python and not (WORKLOADS[workload].memory and contender == "cleanrl-style"):
                    figure = in_a_process(python, contender, workload, arguments.seconds)
                    figures.setdefault(workload, {}).setdefault(contender, []).append(round(figure))
                    print(round_, workload, contender, f"{figure:,.0f} samples per CPU-second", flush=True)
    report(figures, arguments.out)


def report(figures: dict[str, dict[str, list[float]]], out: Path | None) -> None:
    for workload, by_contender in figures.items():
        for contender, rounds in by_contender.items():
            ratios = [mine / theirs for mine, theirs in zip(by_contender["ours"], rounds, strict=True)]
            median, ratio = statistics.median(rounds), statistics.median(ratios)
            print(f"{workload:6} {contender:14} {median:10,.0f}  ours is {ratio:.2f} times as fast")
    if out:
        out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
