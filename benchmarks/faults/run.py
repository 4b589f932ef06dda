"""What faults do to a sweep: controllers killed again and again, trials that hang or give nothing, ours and peers.

    python -m benchmarks.faults.run [--peer optuna=VENV] [--peer hydra=VENV] [--peer ray=VENV] [--peer syne=VENV]
        [--kills 20] [--trials 30] [--only kills|odd] [--json FILE]

Each tool runs the same trial (trial.py), one at a time, and its own recommended way to resume. The ledger that the
trial writes says what ran; the tool says what it recorded; ``ps`` says what is still alive.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).parent
TOOLS = {
    "ours": ("metta_sweep", "ours.py"),
    "optuna": ("Optuna, SQLite", "optuna_study.py"),
    "hydra": ("hydra-optuna-sweeper, SQLite", "hydra_optuna.py"),
    "ray": ("Ray Tune", "ray_tune.py"),
    "syne": ("Syne Tune", "syne_tune_local.py"),
}
ODDITIES = ("hang", "nan", "inf", "nothing")
START_PATIENCE_S = 120.0
ODD_PATIENCE_S = 240.0


@dataclass(frozen=True)
class Kills:
    """A sweep whose controller was killed with SIGKILL again and again, then left to end."""

    kills: int
    asked: int
    started: int
    ended: int
    repeated: int
    """Trials that were started more than once."""
    recorded: int
    """Trials that the tool calls complete."""
    lost: int
    """Trials that ran to their end and are not recorded."""
    zombies: int
    """Trials that the tool still calls running."""
    alive: int
    """Trial processes that are still alive 5 s after the tool has ended."""
    ended_well: bool


@dataclass(frozen=True)
class Odd:
    """A sweep of six trials of which the third is odd."""

    odd: str
    seconds: float
    ended: bool
    """Within the limit."""
    status: int | None
    recorded: int
    states: list[str]
    ran: int


class Sweep:
    """One tool's sweep in a folder."""

    def __init__(self, python: Path, script: str, folder: Path, trials: int, **settings: object) -> None:
        self._command = [str(python), str(HERE / "tools" / script), str(folder)]
        self._folder = folder
        self._trials = trials
        (folder / "settings.json").write_text(json.dumps({"seconds": 1.0, "odd": "", "odd_at": 0, **settings}))

    def start(self) -> subprocess.Popen[bytes]:
        log = (self._folder / "log").open("ab")
        return subprocess.Popen([*self._command, str(self._trials)], stdout=log, stderr=log, start_new_session=True)

    def report(self) -> dict:
        told = subprocess.run([*self._command, "report"], capture_output=True, text=True, check=False)
        lines = [line for line in told.stdout.splitlines() if line.startswith("{")]
        return json.loads(lines[-1]) if lines else {"completed": 0, "running": 0, "states": ["UNREADABLE"]}

    def noted(self, what: str) -> Counter[str]:
        ledger = self._folder / "ledger"
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        return Counter(line.split()[1] for line in lines if line.startswith(what))

    def wait_for_start(self, process: subprocess.Popen[bytes], before: int) -> bool:
        """Wait until another trial has started, and return whether one has before the tool ended."""
        until_s = time.monotonic() + START_PATIENCE_S
        while time.monotonic() < until_s and process.poll() is None:
            if self.noted("start").total() > before:
                return True
            time.sleep(0.02)
        return False

    def processes(self) -> list[psutil.Process]:
        """Return what is alive of this sweep, trials and tool."""
        found = []
        for process in psutil.process_iter():
            try:
                if str(self._folder) in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def trials_alive(self) -> int:
        return sum("trial.py" in " ".join(process.cmdline()) for process in self.processes())

    def clear(self) -> None:
        for process in self.processes():
            process.kill()


def killed(python: Path, script: str, trials: int, kills: int, seed: int) -> Kills:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="f", dir="/tmp", ignore_cleanup_errors=True) as folder:
        sweep, done = Sweep(python, script, Path(folder), trials), 0
        for _ in range(kills):
            before = sweep.noted("start").total()
            process = sweep.start()
            if sweep.wait_for_start(process, before):
                time.sleep(rng.uniform(0.0, 0.8))
            if process.poll() is None:
                process.kill()
                done += 1
            process.wait()
        last = sweep.start()
        status = patient_wait(last, 60.0 + 10 * trials)
        time.sleep(5)
        alive, told, ended = sweep.trials_alive(), sweep.report(), sweep.noted("end")
        started = sweep.noted("start")
        sweep.clear()
    return Kills(
        kills=done,
        asked=trials,
        started=started.total(),
        ended=ended.total(),
        repeated=sum(count > 1 for count in started.values()),
        recorded=told["completed"],
        lost=max(0, len(ended) - told["completed"]),
        zombies=told["running"],
        alive=alive,
        ended_well=status == 0,
    )


def odd(python: Path, script: str, what: str) -> Odd:
    with tempfile.TemporaryDirectory(prefix="f", dir="/tmp", ignore_cleanup_errors=True) as folder:
        sweep = Sweep(python, script, Path(folder), 6, seconds=0.2, odd=what, odd_at=3)
        began_s = time.monotonic()
        process = sweep.start()
        status = patient_wait(process, ODD_PATIENCE_S)
        seconds = time.monotonic() - began_s
        if status is None:
            process.kill()
            process.wait()
        told, ran = sweep.report(), sweep.noted("start").total()
        sweep.clear()
    return Odd(
        odd=what,
        seconds=round(seconds, 1),
        ended=status is not None,
        status=status,
        recorded=told["completed"],
        states=told["states"],
        ran=ran,
    )


def patient_wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """Return the exit status, or None where the process goes on for longer."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", default=[], metavar="TOOL=VENV")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--only", choices=("kills", "odd"))
    parser.add_argument("--tool", choices=TOOLS)
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    pythons = {"ours": Path(sys.executable)}
    pythons |= {tool: Path(venv) / "bin/python" for tool, venv in (peer.split("=") for peer in options.peer)}
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    for tool, python in pythons.items():
        if options.tool not in (None, tool):
            continue
        name, script = TOOLS[tool]
        row = results.setdefault(name, {})
        if options.only != "odd":
            row["kills"] = asdict(killed(python, script, options.trials, options.kills, seed=1))
        if options.only != "kills":
            row["odd"] = [asdict(odd(python, script, what)) for what in ODDITIES]
        options.json.write_text(json.dumps(results, indent=1) + "\n")
        print(name, json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()
