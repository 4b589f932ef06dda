"""Learning curves of the three environments, as the bundled trainer reports them.

    python -m benchmarks.trainer.curves [--seeds 3] [--only altar]

Writes ``results/curve-ENV.svg`` and ``results/curves.json`` beside this file.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainer.drawing import line_plot
from benchmarks.trainer.workloads import shipped
from metta_sweep.result import RunPaths, read_evaluations
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import Training

RESULTS = Path(__file__).parent / "results"

CURVES: dict[str, dict[str, Any]] = {
    "altar": {"steps": 500_000, "env": "altar", "sim": "default", "title": "Altar: reward of an episode"},
    "pong": {"steps": 500_000, "env": "pong", "sim": "default", "title": "Pong: points won minus points lost, of 5"},
    "cogeval": {
        "steps": 1_500_000,
        "env": "cogeval",
        "sim": "cogeval",
        "evaluations": 5,
        "title": "Cogeval: reward, task by task",
    },
}


def config(curve: dict[str, Any], seed: int) -> dict[str, Any]:
    made = shipped(f"env={curve['env']}", f"sim={curve['sim']}", f"seed={seed}", "device=cpu")
    updates = curve["steps"] // made["trainer"]["batch_size"]
    interval = max(1, math.ceil(updates / curve.get("evaluations", 20)))
    made["trainer"] |= {"total_timesteps": curve["steps"], "evaluate_interval": interval}
    return made


def run(curve: dict[str, Any], seed: int) -> list[tuple[int, dict[str, float]]]:
    run_dir = Path(tempfile.mkdtemp())
    Training(parse(config(curve, seed)), run_dir, torch.device("cpu"), print).run()
    return [(evaluation.step, dict(evaluation.metrics)) for evaluation in read_evaluations(RunPaths(run_dir))]


def summary(runs: list[list[tuple[int, dict[str, float]]]], metric: str) -> list[tuple[float, float, float]]:
    curve = []
    for at_one_step in zip(*runs, strict=True):
        values = [metrics[metric] for _, metrics in at_one_step]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        curve.append((float(at_one_step[0][0]), round(statistics.mean(values), 4), round(spread, 4)))
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=CURVES)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    RESULTS.mkdir(exist_ok=True)
    kept = RESULTS / "curves.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    for name, curve in CURVES.items():
        if arguments.only in (None, name):
            runs = [run(curve, seed) for seed in range(arguments.seeds)]
            metrics = [metric for metric in runs[0][0][1] if metric == "reward" or metric.endswith(".reward")]
            curves = {metric.removeprefix("sim.").removesuffix(".reward"): summary(runs, metric) for metric in metrics}
            figures[name] = {"seeds": arguments.seeds, "curves": curves}
            drawn = line_plot(f"{curve['title']} ({arguments.seeds} seeds)", "agent-steps", "", curves)
            (RESULTS / f"curve-{name}.svg").write_text(drawn)
    kept.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
