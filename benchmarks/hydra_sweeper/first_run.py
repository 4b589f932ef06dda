"""How long after the app's own import the first run starts, median of five.

python -m benchmarks.hydra_sweeper.first_run --out first_run.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.hydra_sweeper.kills import ENVIRONMENT, HERE


def seconds(words: list[str], folder: Path) -> float:
    """Return how long a command of the app takes."""
    began_s = time.time()
    subprocess.run([sys.executable, str(HERE / "app.py"), *words], cwd=folder, env=ENVIRONMENT, check=True, stdout=-3)
    return time.time() - began_s


def until_first_run() -> tuple[float, float]:
    """Return the seconds until the app has imported and composed, and until its first run's process is there."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        imported_s = seconds(["--cfg", "job"], folder)
        began_s = time.time()
        settings = ["hydra.sweeper.rollout_count=1", f"hydra.sweeper.controller={sys.executable}", "median_s=0.01"]
        words = ["-m", "hydra/sweeper=protein", f"times={folder}/times", "x=interval(-5,5)", *settings]
        seconds(words, folder)
        (run,) = (json.loads(path.read_text()) for path in (folder / "times").glob("*.json"))
        return imported_s, run["born_s"] - began_s


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "first_run.json")
    asked = parser.parse_args()
    measured = [until_first_run() for _ in range(5)]
    found = {
        "import_s": round(median(imported for imported, _ in measured), 2),
        "first_run_s": round(median(first for _, first in measured), 2),
        "after_import_s": round(median(first - imported for imported, first in measured), 2),
        "load": os.getloadavg()[0],
    }
    sys.stdout.write(json.dumps(found) + "\n")
    asked.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
