"""Run the early-stopping benchmark: searches of every contender on the tasks, a file each, so that it can be cut short.

    python -m benchmarks.early_stopping.run --curves DIR --out OUT [--contenders a,b] [--seeds 3] [--workers 4]

``DIR`` is where the tasks and their loader ``curve_problems.py`` lie; they are no part of this repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.early_stopping.contenders import CONTENDERS
from benchmarks.early_stopping.simulate import search, summary


def tasks(folder: Path) -> list[Any]:
    """Load the tasks from their own loader."""
    spec = importlib.util.spec_from_file_location("curve_problems", folder / "curve_problems.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder}: no curve_problems.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["curve_problems"] = module
    spec.loader.exec_module(module)
    return module.load("rl_curves.npz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, required=True, help="folder of curve_problems.py and rl_curves.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--tasks", default="", help="names, with commas between; all of them where it is left out")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    problems = [each for each in tasks(told.curves) if not told.tasks or each.name in told.tasks.split(",")]
    for seed in range(told.first_seed, told.first_seed + told.seeds):
        for problem in problems:
            for name in told.contenders.split(","):
                path = told.out / f"{name}.{problem.name}.{seed}.w{told.workers}.json"
                if not path.exists():
                    path.write_text(json.dumps(_searched(name, problem, seed, told.workers)))


def _searched(name: str, problem: Any, seed: int, workers: int) -> dict[str, Any]:
    started = time.process_time()
    trace = search(problem, CONTENDERS[name](problem, seed), seed, workers=workers)
    told = {"contender": name, "task": problem.name, "seed": seed, "workers": workers}
    return {**told, **summary(problem, trace, seed), "cpu": round(time.process_time() - started, 1)}


if __name__ == "__main__":
    main()
