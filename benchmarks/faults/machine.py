"""What a machine does to a sweep, and what becomes of it: stops, other host names, files removed, many runs at once.

    python -m benchmarks.faults.machine stopped [--seconds 60]   every process of the sweep stopped, and let go on
    python -m benchmarks.faults.machine hosts        killed under one host name, gone on with under another (needs root)
    python -m benchmarks.faults.machine wal          the controller killed, its write-ahead log removed
    python -m benchmarks.faults.machine vanished     the directory of a running run removed
    python -m benchmarks.faults.machine many [--runs 200]        so many runs at once

Results go to machine.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.faults.reliability import HERE, ROOT, Sweep


def outcome(sweep: Sweep, runs: int, status: int, **more: object) -> dict:
    """Return what ran, what is recorded and what is alive."""
    until_s = time.monotonic() + 10
    while sweep.alive() and time.monotonic() < until_s:
        time.sleep(0.1)
    events, started = sweep.events(), sweep.counts("start")
    return {
        "exit": status,
        "runs": runs,
        "started": started.total(),
        "twice": sum(count > 1 for count in started.values()),
        "recorded": events["run_finished"],
        "lost": runs - events["run_finished"],
        "alive": len(sweep.alive()),
        **more,
    }


def wait_for(sweep: Sweep, what: str, amount: int, patience_s: float = 120.0) -> None:
    until_s = time.monotonic() + patience_s
    while len(sweep.noted(what)) < amount:
        if time.monotonic() > until_s:
            raise TimeoutError(f"{amount} {what}")
        time.sleep(0.01)


def stopped(folder: Path, seconds: float) -> dict:
    """Stop every process of a sweep for so long."""
    sweep = Sweep(folder, 6, 2.0, "launcher.max_parallel=2")
    controller = sweep.start()
    wait_for(sweep, "start", 3)
    found = sweep.alive()
    for process in found:
        process.suspend()
    time.sleep(seconds)
    for process in found:
        process.resume()
    return outcome(sweep, 6, controller.wait(300), stopped_s=seconds, processes=len(found))


def hosts(folder: Path) -> dict:
    """Kill the controller under one host name and go on under another, on the same directory."""
    sweep = Sweep(folder, 4, 20.0, "launcher.max_parallel=2")
    elsewhere = ["unshare", "--uts", "sh", "-c", 'hostname other-host; exec "$@"', "sh"]
    first = sweep.start()
    wait_for(sweep, "start", 2)
    second = sweep.start(before=elsewhere)
    refused = second.wait(120)
    said = "controlled by another process" in sweep.log.read_text()
    first.kill()
    first.wait()
    return outcome(sweep, 4, sweep.start(before=elsewhere).wait(300), second_controller_exit=refused, is_told=said)


def wal(folder: Path) -> dict:
    """Kill the controller and remove what its journal had not put into the main file yet."""
    sweep = Sweep(folder, 5, 1.0)
    controller = sweep.start()
    wait_for(sweep, "end", 2)
    wait_for(sweep, "start", 3)
    controller.kill()
    controller.wait()
    journal = sweep.paths.journal
    removed = [path.name for path in journal.parent.glob("sweep.db-*")]
    for name in removed:
        (journal.parent / name).unlink()
    while sweep.trials():
        time.sleep(0.1)
    refused = sweep.start().wait(120)
    doctor = [sys.executable, "-m", "metta_sweep.commands", "doctor", "s", "--repair"]
    environment = {**os.environ, "DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"}
    mended = subprocess.run(doctor, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    said = [line for line in mended.stdout.splitlines() if "repair" in line]
    again = sweep.start().wait(300)
    return outcome(sweep, 5, again, removed=removed, refused=refused, repaired=mended.returncode, said=said)


def vanished(folder: Path) -> dict:
    """Remove the directory of a running run."""
    sweep = Sweep(folder, 3, 6.0)
    controller = sweep.start()
    wait_for(sweep, "start", 1)
    time.sleep(1.0)
    began_s = time.time()
    shutil.rmtree(sweep.paths.run("s.r.0").root)
    wait_for(sweep, "start", 2)
    found_s = sweep.noted("start")[1][1] - began_s
    return outcome(sweep, 3, controller.wait(300), again_after_s=round(found_s, 2))


def many(folder: Path, runs: int) -> dict:
    """Have so many runs at once."""
    sweep = Sweep(folder, runs, 160.0, f"launcher.max_parallel={runs}", "optimizer=random")
    began_s = time.monotonic()
    controller = sweep.start()
    process, most, files, memory, cpu_s = psutil.Process(controller.pid), 0, 0, 0, 0.0
    while controller.poll() is None:
        time.sleep(2.0)
        try:
            most = max(most, len(sweep.noted("start")) - len(sweep.noted("end")))
            files, memory = max(files, process.num_fds()), max(memory, process.memory_info().rss)
            cpu_s = sum(process.cpu_times()[:2])
        except psutil.Error:
            continue
    figures = {
        "most_at_once": most,
        "wall_s": round(time.monotonic() - began_s, 1),
        "controller_cpu_s": round(cpu_s, 1),
    }
    return outcome(sweep, runs, controller.returncode, **figures, open_files=files, memory_mb=round(memory / 2**20))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("stopped", "hosts", "wal", "vanished", "many"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--json", type=Path, default=HERE / "machine.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="m", dir="/tmp") as name:
        folder = Path(name)
        measured = {
            "stopped": lambda: stopped(folder, options.seconds),
            "hosts": lambda: hosts(folder),
            "wal": lambda: wal(folder),
            "vanished": lambda: vanished(folder),
            "many": lambda: many(folder, options.runs),
        }[options.what]()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    results[options.what] = measured
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({options.what: measured}, indent=1))


if __name__ == "__main__":
    main()
