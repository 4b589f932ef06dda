"""What reading a run's numbers beside it costs: CPU seconds a second at ten values a second, start-up apart.

``python benchmarks/readers/tail_cost.py [SECONDS]`` follows one trainer a format, each with a reader of its own, and
prints a table.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from metta_sweep.results.plan import ReadingPlan

RATE_HZ = 10.0
"""Values a second."""


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    print(f"| reader | start-up, CPU-s | tail at {RATE_HZ:g} values a second, share of a core | last reading, CPU-s |")
    print("|---|---|---|---|")
    for name in ("stdout", "csv", "jsonl", "tensorboard", "report"):
        start_s, share, end_s = cost_of(name, seconds)
        print(f"| {name} | {start_s:.2f} | {100 * share:.2f}% | {end_s:.2f} |", flush=True)


def cost_of(reader: str, seconds: float) -> tuple[float, float, float]:
    """Return CPU seconds of the reader's start, its share of a core while it follows, and CPU seconds of its end."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        run.mkdir()
        plan = ReadingPlan(
            metric="loss", maximizes=False, readers=(reader,), path=None if reader == "report" else "logs/**"
        )
        (Path(folder) / "logs").mkdir()
        attempt = {"run_dir": str(run), "cwd": folder, "log_start": 0, "log_limit": 8 << 20, "keeper": os.getpid()}
        command = [sys.executable, "-m", "metta_sweep.results.tail", plan.to_json(), json.dumps(attempt)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
            process.stdout.readline()
            watched = psutil.Process(process.pid)
            start_s = cpu_s(watched)
            write = writer(reader, Path(folder))
            began_s = time.monotonic()
            for step in range(int(seconds * RATE_HZ)):
                write(step, 1.0 / (step + 1))
                time.sleep(max(0.0, began_s + (step + 1) / RATE_HZ - time.monotonic()))
            share = (cpu_s(watched) - start_s) / (time.monotonic() - began_s)
            before_s = cpu_s(watched)
            process.stdin.write(b'{"code": 0}\n')
            while process.stdout.read(1) not in (b"\n", b""):
                end_s = cpu_s(watched) - before_s
        assert json.loads((run / "result.json").read_text())["metrics"]["loss"] > 0
    return start_s, share, end_s


def cpu_s(process: psutil.Process) -> float:
    """Return the CPU seconds that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def writer(reader: str, folder: Path) -> Callable[[int, float], None]:
    """Return what a trainer does to log one value."""
    if reader == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        events = SummaryWriter(str(folder / "logs"), flush_secs=1)
        return lambda step, value: events.add_scalar("loss", value, step)
    path = {"stdout": folder / "run" / "train.log", "report": folder / "run" / "metrics.jsonl"}
    file = path.get(reader, folder / "logs" / f"log.{reader}").open("a", buffering=1)
    if reader == "csv":
        rows = csv.writer(file)
        rows.writerow(["step", "loss", "accuracy", "epoch"])
        return lambda step, value: rows.writerow([step, value, "", step // 100])
    lines = {
        "stdout": lambda step, value: f"epoch {step // 100} step {step} | loss: {value:.6f} | accuracy: 0.5 | lr 0.001",
        "jsonl": lambda step, value: json.dumps({"step": step, "loss": value, "accuracy": 0.5}),
        "report": lambda step, value: json.dumps({"step": step, "time_s": 1.0, "metrics": {"loss": value}}),
    }
    return lambda step, value: print(lines[reader](step, value), file=file)


if __name__ == "__main__":
    main()
