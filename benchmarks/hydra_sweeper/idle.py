"""How much of eight slots is idle: hydra/sweeper=protein beside hydra-optuna-sweeper with the joblib launcher.

    python -m benchmarks.hydra_sweeper.idle --python PYTHON_WITH_HYDRA_OPTUNA_SWEEPER --out results.json

The runs sleep for log-normal times with sigma 1, the same for each number under both sweepers. A slot is busy while it
has a run: from the run's process on (ours; what the app imports is the run's), or from the function under
``@hydra.main`` on, which holds start-up against the sweeper. Joblib's processes stay, so there only the latter counts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SLOTS = 8


def idle_shares(runs: list[dict[str, float]], slots: int, begin: str) -> dict[str, float]:
    """Return the share of slots that no run has: until the last start, while there is work for all, and to the end.

    Args:
        runs: What each run has noted.
        slots: How many there are.
        begin: ``began_s`` counts a run from its function, ``born_s`` from its process.
    """
    first, last = min(run[begin] for run in runs), max(run[begin] for run in runs)
    found: dict[str, float] = {}
    for name, end in (("until_last_start", last), ("until_end", max(run["ended_s"] for run in runs))):
        busy = sum(max(0.0, min(run["ended_s"], end) - run[begin]) for run in runs)
        found[name] = round(1 - busy / (slots * (end - first)), 4)
    return found


def told(runs: list[dict[str, float]], *, has_processes: bool) -> dict[str, Any]:
    """Return what a sweep's runs say; ``has_processes``: whether each has a process of its own."""
    first = min(run["began_s"] for run in runs)
    return {
        "runs": len(runs),
        "numbers": len({run["number"] for run in runs}),
        "idle_by_function": idle_shares(runs, SLOTS, "began_s"),
        **({"idle_by_process": idle_shares(runs, SLOTS, "born_s")} if has_processes else {}),
        "makespan_s": round(max(run["ended_s"] for run in runs) - first, 1),
    }


def swept(python: str, words: list[str], env: dict[str, str]) -> dict[str, Any]:
    """Run one sweep in an empty folder and return its idle shares."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times"
        command = [python, str(HERE / "app.py"), "-m", f"times={times}", "x=interval(-5,5)", "y=interval(-5,5)", *words]
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False
        )
        runs = [json.loads(path.read_text()) for path in times.glob("*.json")]
        if done.returncode != 0 or not runs:
            sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
        return told(runs, has_processes="hydra/sweeper=protein" in words)


def main() -> None:
    """Measure both and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", required=True, help="a Python with hydra-optuna-sweeper and hydra-joblib-launcher")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--median-s", type=float, default=15.0)
    parser.add_argument("--only", choices=["protein", "optuna"])
    parser.add_argument("--out", type=Path, default=HERE / "idle.json")
    asked = parser.parse_args()
    plugin = str(HERE.parents[1] / "plugins" / "hydra-protein-sweeper")
    median = f"median_s={asked.median_s}"
    commands = {
        "protein": (
            [
                "hydra/sweeper=protein",
                f"hydra.sweeper.rollout_count={asked.trials}",
                f"hydra.sweeper.launcher.max_parallel={SLOTS}",
                f"hydra.sweeper.controller={sys.executable}",
            ],
            {"PYTHONPATH": plugin, "OMP_NUM_THREADS": "1"},
        ),
        "optuna": (
            [
                "hydra/sweeper=optuna",
                "hydra/launcher=joblib",
                f"hydra.launcher.n_jobs={SLOTS}",
                f"hydra.sweeper.n_jobs={SLOTS}",
                f"hydra.sweeper.n_trials={asked.trials}",
                "hydra.sweeper.direction=minimize",
            ],
            {"OMP_NUM_THREADS": "1"},
        ),
    }
    found = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    for name, (words, env) in commands.items():
        if asked.only in (None, name):
            found[name] = {
                **swept(asked.python, [median, *words], env),
                "median_s": asked.median_s,
                "load": os.getloadavg()[0],
            }
            print(name, found[name], flush=True)
            asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
