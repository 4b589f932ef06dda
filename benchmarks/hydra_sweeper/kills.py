"""Twenty times kill -9 of the app or of its controller: the total is exact, and no run is lost or done twice.

python -m benchmarks.hydra_sweeper.kills --out kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths

HERE = Path(__file__).parent
PLUGIN = str(HERE.parents[1] / "plugins" / "hydra-protein-sweeper")
ENVIRONMENT = {**os.environ, "PYTHONPATH": PLUGIN, "OMP_NUM_THREADS": "1"}
TOTAL, SLOTS = 40, 4


def command(folder: Path) -> list[str]:
    """Return the words of the sweep; they are the same at every start."""
    settings = [f"hydra.sweeper.rollout_count={TOTAL}", f"hydra.sweeper.launcher.max_parallel={SLOTS}"]
    own = [f"hydra.sweeper.controller={sys.executable}", f"times={folder}/times", "median_s=3", "x=interval(-5,5)"]
    return [sys.executable, str(HERE / "app.py"), "-m", "hydra/sweeper=protein", *settings, *own]


def kill(process: subprocess.Popen[bytes], *, app: bool, after_s: float) -> str:
    """Kill the app or the controller so long after the controller is there; return which."""
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            if "metta_sweep.commands" in child.cmdline():
                time.sleep(after_s)
                (process if app else child).kill()
                return "app" if app else "controller"
        time.sleep(0.05)
    return "nothing"


def main() -> None:
    """Kill and start again, then count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE / "kills.json")
    asked = parser.parse_args()
    draw, killed = random.Random(0), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(asked.kills):
            process = subprocess.Popen(command(folder), cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
            killed[kill(process, app=number % 2 == 0, after_s=draw.uniform(0.0, 10.0))] += 1
            process.wait()
        done = subprocess.run(command(folder), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        runs = state_of(SweepPaths(folder / "train_dir", "app")).runs.values()
        executed = Counter(json.loads(path.read_text())["number"] for path in (folder / "times").glob("*.json"))
    found = {
        "kills": dict(killed),
        "exit_code": done.returncode,
        "asked": TOTAL,
        "finished": sum(str(run.state) == "finished" for run in runs),
        "runs": len(runs),
        "run_twice": sum(amount > 1 for amount in executed.values()),
        "never_run": TOTAL - len(executed),
        "attempts": dict(Counter(len(run.attempts) for run in runs)),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
