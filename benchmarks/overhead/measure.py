"""What a sweep costs beside its runs: seconds a no-op run and seconds to the first, ours and peers in one run.

    python -m benchmarks.overhead.measure --optuna VENV1 --hydra-optuna VENV2 [--trials 20] [--repeats 3]

Each peer has a venv of its own: VENV1 with optuna, VENV2 with hydra-optuna-sweeper (which pins an old Optuna).
Each tool does TRIALS and 3*TRIALS runs; the slope is its cost a run, start-up excluded. Repeats are interleaved.
Peak memory is read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

PARAMETERS = """
  parameters:
    trainer.learning_rate: {min: 0.00001, max: 0.01, distribution: log_normal}
    trainer.gamma: {min: 0.9, max: 0.999, distribution: uniform}
"""
BUNDLED = """
rollout_count: COUNT
sweep:
  trainer: {total_timesteps: 32, batch_size: 32, minibatch_size: 32, num_steps: 32, update_epochs: 1}
"""
COMMAND = f"""
rollout_count: COUNT
sweep:
  command: ["{HERE / "trial.sh"}", "{{run_dir}}"]
"""


@dataclass(frozen=True)
class Timing:
    """One sweep: wall seconds of the whole command, and of it what was training and thinking."""

    wall_s: float
    runs_s: float = 0.0
    think_s: float = 0.0
    first_start_s: float = 0.0
    peak_mib: float = 0.0
    protein_mib: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optuna", type=Path)
    parser.add_argument("--hydra-optuna", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    tools: dict[str, Callable[[int, Path], Timing]] = {
        "metta_sweep, bundled trainer": lambda n, folder: ours(BUNDLED, n, folder),
        "metta_sweep, any command": lambda n, folder: ours(COMMAND, n, folder),
        "plain process": plain,
    }
    if options.optuna:
        tools["Optuna + subprocess"] = lambda n, folder: optuna(options.optuna / "bin/python", n, folder)
    if options.hydra_optuna:
        tools["hydra-optuna-sweeper"] = lambda n, folder: hydra_optuna(options.hydra_optuna / "bin/python", n, folder)
    rows = {name: [] for name in tools}
    for _ in range(options.repeats):
        for name, tool in tools.items():
            with tempfile.TemporaryDirectory() as short, tempfile.TemporaryDirectory() as long:
                rows[name].append((tool(options.trials, Path(short)), tool(3 * options.trials, Path(long))))
    table = {name: summary(pairs, options.trials) for name, pairs in rows.items()}
    options.json.write_text(json.dumps(table, indent=1) + "\n")
    print("| tool | s a run | own overhead, s a run | first run started, s | peak MiB | Protein's process, MiB |")
    print("|---|---|---|---|---|---|")
    for name, row in table.items():
        cells = [f"{row[key]:.3f}" if row[key] else "" for key in ("slope_s", "own_s", "first_start_s")]
        cells += [f"{row[key]:.0f}" if row[key] else "" for key in ("peak_mib", "protein_mib")]
        print(f"| {name} | {' | '.join(cells)} |")


def summary(pairs: list[tuple[Timing, Timing]], trials: int) -> dict[str, float]:
    """Return medians over repeats; ``own_s`` leaves out training and thinking, as the journal records them."""
    slopes = [(long.wall_s - short.wall_s) / (2 * trials) for short, long in pairs]
    own = [
        ((long.wall_s - long.runs_s - long.think_s) - (short.wall_s - short.runs_s - short.think_s)) / (2 * trials)
        for short, long in pairs
    ]
    knows_runs = any(long.runs_s for _, long in pairs)
    return {
        "slope_s": statistics.median(slopes),
        "own_s": statistics.median(own) if knows_runs else 0.0,
        "first_start_s": statistics.median(short.first_start_s for short, _ in pairs),
        "peak_mib": max(long.peak_mib for _, long in pairs),
        "protein_mib": max(long.protein_mib for _, long in pairs),
    }


def ours(text: str, count: int, folder: Path) -> Timing:
    file = folder / "noop.yaml"
    file.write_text(text.replace("COUNT", str(count)) + PARAMETERS)
    command = [sys.executable, "-m", "metta_sweep.commands", "run", "run=noop", f"++sweep_params={file}", "wandb=off"]
    epoch = time.time()
    wall_s, peak, protein = timed(command, cwd=folder, DATA_DIR=str(folder), PYTHONPATH=str(ROOT))
    with sqlite3.connect(folder / "sweep" / "noop" / "sweep.db") as journal:
        rows = journal.execute("select kind, body from events order by seq")
        events = [{"kind": kind, **json.loads(body)} for kind, body in rows]
    submitted = [event["at"] for event in events if event["kind"] == "attempt_submitted"]
    finished = [event["wall_s"] for event in events if event["kind"] == "run_finished"]
    if len(finished) != count:
        raise SystemExit(f"{len(finished)} of {count} runs finished")
    think_s = sum(event["think_s"] for event in events if event["kind"] == "rollout_suggested")
    return Timing(wall_s, sum(finished), think_s, submitted[0] - epoch, peak, protein)


def plain(count: int, folder: Path) -> Timing:
    began = time.monotonic()
    for _ in range(count):
        subprocess.run([HERE / "trial.sh", str(folder)], check=True)
    return Timing(time.monotonic() - began)


def optuna(python: Path, count: int, folder: Path) -> Timing:
    wall_s, peak, _ = timed([python, HERE / "optuna_subprocess.py", str(count), str(folder)], cwd=folder)
    return Timing(wall_s, peak_mib=peak)


def hydra_optuna(python: Path, count: int, folder: Path) -> Timing:
    space = ["+lr=interval(0.00001,0.01)", "+gamma=interval(0.9,0.999)"]
    settings = ["hydra/sweeper=optuna", f"hydra.sweeper.n_trials={count}", "hydra.sweeper.direction=maximize"]
    command = [python, HERE / "hydra_optuna.py", "--multirun", *settings, *space]
    wall_s, peak, _ = timed(command, cwd=folder)
    return Timing(wall_s, peak_mib=peak)


def timed(command: list[object], *, cwd: Path, **environment: str) -> tuple[float, float, float]:
    """Run a command; return wall seconds and the peak memory, MiB, of its own process and of the one that thinks."""
    began = time.monotonic()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    peaks = {"": 0.0, "protein": 0.0}
    watcher = threading.Thread(target=watch, args=(psutil.Process(process.pid), peaks))
    watcher.start()
    _, said = process.communicate()
    wall_s = time.monotonic() - began
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{command} failed:\n{said[-2000:]}")
    return wall_s, peaks[""], peaks["protein"]


def watch(process: psutil.Process, peaks: dict[str, float]) -> None:
    """Note the peak memory of a process, and of its child that thinks, until it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
        while True:
            peaks[""] = peak_mib(process.pid) or peaks[""]
            thinks = [child for child in process.children() if "metta_sweep.optimize.worker" in child.cmdline()]
            peaks["protein"] = max([peaks["protein"], *(peak_mib(child.pid) for child in thinks)])
            time.sleep(0.1)


def peak_mib(pid: int) -> float:
    """Return the peak memory of a process; 0 for one that has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
