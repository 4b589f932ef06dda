"""What the shipped settings reach, seed by seed, and what that costs.

    python -m benchmarks.trainer.shipped env=gymnasium env.id=CartPole-v1 trainer.total_timesteps=50000 [--seeds 0 1 2]

Any override of the sweep's groups can be given. Prints a line a seed. With ``--out FILE`` the seeds are kept as JSON,
and those that are there are not run again; with ``--work DIR`` a run that was cut off goes on from its last
checkpoint; with ``--curve FILE`` the evaluations are drawn as SVG.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainer.drawing import line_plot
from benchmarks.trainer.workloads import shipped
from metta_sweep.result import RunPaths, read_evaluations
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import Training


def rewards_of(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in metrics.items() if name.split(".")[-1] == "reward"}


def one(overrides: list[str], seed: int, run_dir: Path) -> dict[str, Any]:
    """Return the rewards of the last evaluation, over all and by simulation, those before it, and what the run cost."""
    config = parse(shipped(*overrides, f"seed={seed}", "device=cpu"))
    kept = run_dir / "cpu_s"
    before_s = float(kept.read_text()) if kept.exists() else 0.0
    began_s = time.process_time()

    def spent() -> float:
        return round(before_s + time.process_time() - began_s, 1)

    def note(_: str) -> None:
        kept.write_text(str(spent()))  # at an evaluation, which by default a checkpoint follows

    training = Training(config, run_dir, torch.device("cpu"), note)
    training.resume()
    final = rewards_of(training.run())
    course = [
        {"steps": evaluation.step, **rewards_of(dict(evaluation.metrics))}
        for evaluation in read_evaluations(RunPaths(run_dir))
        if "reward" in evaluation.metrics
    ]
    return {"seed": seed, **final, "cpu_s": spent(), "course": course}


def kept_runs(out: Path | None, overrides: list[str]) -> list[dict[str, Any]]:
    """Return the runs that a file of the same overrides already has."""
    if out is None or not out.exists():
        return []
    content = json.loads(out.read_text())
    if content["overrides"] != overrides:
        raise SystemExit(f"{out}: holds runs of {content['overrides']}: need the same overrides, or another file")
    runs: list[dict[str, Any]] = content["runs"]
    return runs


def drawn(runs: list[dict[str, Any]], overrides: list[str]) -> str:
    """Return the rewards of the evaluations, a line a seed, as SVG."""
    lines = {f"seed {run['seed']}": [(one["steps"], one["reward"], 0.0) for one in run["course"]] for run in runs}
    return line_plot(f"Reward of {' '.join(overrides[:2])}", "agent-steps", "", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--curve", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = kept_runs(arguments.out, arguments.overrides)
    for seed in arguments.seeds:
        if seed in [run["seed"] for run in runs]:
            continue
        run_dir = (arguments.work or Path(tempfile.mkdtemp())) / f"seed-{seed}"
        run_dir.mkdir(parents=True, exist_ok=True)
        runs = sorted([*runs, one(arguments.overrides, seed, run_dir)], key=lambda run: run["seed"])
        (last,) = [run for run in runs if run["seed"] == seed]
        print(json.dumps({name: value for name, value in last.items() if name != "course"}), flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps({"overrides": arguments.overrides, "runs": runs}, indent=1) + "\n")
    if arguments.curve:
        arguments.curve.write_text(drawn(runs, arguments.overrides))


if __name__ == "__main__":
    main()
