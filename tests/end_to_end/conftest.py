"""Real commands in real processes, each in a directory of its own, with a ledger that the sweep knows nothing of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests import warm

ROOT = Path(__file__).parents[2]

TRIAL = """
import json, os, sys, time
ledger, run_dir, x, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])

def note(what):
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {os.path.basename(run_dir)} {os.getpid()}\\n".encode())

note("start")
time.sleep(seconds)
with open(run_dir + "/result.part", "w") as file:
    json.dump({"metrics": {"loss": (x - 0.3) ** 2}, "cost_s": 1.0 + x}, file)
note("end")
os.rename(run_dir + "/result.part", run_dir + "/result.json")
"""

HELD = TRIAL.replace("time.sleep(seconds)", "while not os.path.exists(ledger + '.go'): time.sleep(0.02)")
"""A trial that goes on until the test lets it go."""

SWEEP_FILE = """
# @package _global_
rollout_count: {rollouts}
num_samples: {samples}
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "{trial}", "{ledger}", "{{run_dir}}", "{{args}}", "{seconds}"]
  parameters:
    x:
      min: 0.0
      max: 1.0
      distribution: uniform
"""


@dataclass
class SweepUnderTest:
    """One sweep in a temporary directory, driven through its command line."""

    root: Path
    name: str = "s"
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *overrides: str) -> list[str]:
        return [sys.executable, "-m", "metta_sweep.commands", "run", f"run={self.name}", *overrides]

    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
        ours = {"DATA_DIR": str(self.root / "data"), "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"}
        return {**kept, **ours, **self.environment}

    def start(self, *overrides: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*overrides),
            cwd=self.root,
            env=self.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *overrides: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return self.type("run", f"run={self.name}", *overrides, timeout=timeout)

    def type(self, *words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run any command of ``metta-sweep``."""
        return warm.run(*words, cwd=self.root, env=self.env(), timeout=timeout)

    def summarize(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.type("summarize", self.name, *options)

    def facts(self) -> dict:
        return json.loads(self.summarize("--format", "json").stdout)

    # ---------------------------------------------------------------- the ledger

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.txt"

    def noted(self, what: str) -> Counter[str]:
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return Counter(line.split()[1] for line in lines if line.startswith(what))

    def let_go(self) -> None:
        """Let trials end that are held."""
        Path(f"{self.ledger}.go").touch()

    def wait_for(self, what: str, amount: int, timeout: float = 180) -> None:
        until = time.monotonic() + timeout
        while sum(self.noted(what).values()) < amount:
            assert time.monotonic() < until, f"never saw {amount} {what}s"
            time.sleep(0.01)

    def wait_for_output(self, controller: subprocess.Popen[str], words: str) -> None:
        """Read what a controller says until these words come; what follows is left for ``communicate``."""
        for line in controller.stdout:
            if words in line:
                return
        raise AssertionError(f"the controller never said {words!r}")

    def write_trial(self, *, rollouts: int = 5, samples: int = 1, seconds: float = 0.1, trial: str = TRIAL) -> str:
        """Write a sweep of a trial that notes its start and end in the ledger; return the override naming it."""
        script = self.root / "trial.py"
        script.write_text(trial.replace("float(sys.argv[3])", "float(sys.argv[3].split('=')[1])"))
        file = self.root / "trial.yaml"
        file.write_text(
            SWEEP_FILE.format(
                rollouts=rollouts,
                samples=samples,
                python=sys.executable,
                trial=script,
                ledger=self.ledger,
                seconds=seconds,
            )
        )
        return f"++sweep_params={file}"

    def processes(self) -> list[psutil.Process]:
        """Return every live process that belongs to this sweep: its command line or directory names our folder."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join([*process.cmdline(), process.cwd()])
                if str(self.root) in words and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def wait_until_quiet(self, timeout: float = 10) -> list[psutil.Process]:
        """Wait until nothing of the sweep is alive, and return what still is."""
        until = time.monotonic() + timeout
        while self.processes() and time.monotonic() < until:
            time.sleep(0.05)
        return self.processes()


@pytest.fixture
def sweep(tmp_path):
    under_test = SweepUnderTest(tmp_path)
    yield under_test
    for process in under_test.processes():
        process.kill()
