"""The sweep command, its runs, the mirror and the server together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.companion import SHORTEST_END_S
from tests.track.comparing import assert_mirrored
from tests.track.server import Fault
from tests.track.told import environment

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

TRIAL = """
import os, pathlib, sys, time
sys.path.insert(0, {root!r})
import metta_sweep
here = pathlib.Path({met!r}, pathlib.Path(os.environ["DATA_DIR"]).name)
here.mkdir(parents=True, exist_ok=True)
while len(list(here.parent.iterdir())) < {machines}:
    time.sleep(0.05)
x = float(sys.argv[1].split("=")[1])
for step in range(1, 4):
    time.sleep({seconds} / 3)
    metta_sweep.report(step=step, loss=(x - 0.3) ** 2 + 1 / step)
if x > 0.8:
    raise MemoryError("out of memory")
metta_sweep.finish(loss=(x - 0.3) ** 2, steps=3)
"""

SWEEP_FILE = """
# @package _global_
rollout_count: {rollouts}
num_samples: 1
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "{trial}", "{{args}}"]
  parameters:
    x: {{min: 0.0, max: 1.0, distribution: uniform}}
"""


@dataclass(frozen=True)
class SweepOnDisk:
    """What ``assert_mirrored`` compares: the sweep as its journal has it."""

    paths: SweepPaths

    @property
    def state(self) -> SweepState:
        return SweepState.fold(map(from_json, read_events(self.paths)))


def run(cwd: Path, arguments: Sequence[str], environ: dict[str, str], timeout: float = 280) -> str:
    done = subprocess.run(arguments, cwd=cwd, env=environ, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environ_of(server, tmp_path):
    return environment(server, PYTHONPATH=str(ROOT), DATA_DIR=str(tmp_path / "data"), TMPDIR=str(tmp_path))


def short_runs(tmp_path, *, rollouts=8, seconds=0.6, machines=1):
    """Write a sweep of a script that knows nothing of W&B, and whose runs wait until so many machines have one."""
    trial, file = tmp_path / "trial.py", tmp_path / "short.yaml"
    trial.write_text(TRIAL.format(root=str(ROOT), seconds=seconds, met=str(tmp_path / "met"), machines=machines))
    file.write_text(SWEEP_FILE.format(rollouts=rollouts, python=sys.executable, trial=trial))
    return f"++sweep_params={file}"


def test_a_sweep_of_the_bundled_trainer_is_whole_there(server, tmp_path, no_process_left):
    overrides = ["run=bundled", "++sweep_params=sweep/my_test_sweep", "trainer.total_timesteps=1024", "rollout_count=2"]
    said = run(ROOT, [sys.executable, "-m", "metta_sweep.commands", "run", *overrides], environ_of(server, tmp_path))
    sweep = SweepOnDisk(SweepPaths(tmp_path / "data", "bundled"))
    assert "W&B: online, with the key of WANDB_API_KEY" in said
    assert "W&B: 2 runs, all there" in said
    assert sweep.state.registered.url in said
    assert sweep.state.registered.sweep_id in server.world.sweeps
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_a_sweep_whose_server_fails_at_random_loses_nothing_and_is_hardly_slower(server, tmp_path, no_process_left):
    chosen, environ = short_runs(tmp_path), environ_of(server, tmp_path)
    times = {}
    for name, mode in (("warm", "off"), ("off", "off"), ("on", "online")):
        if mode == "online":
            server.faults.order(Fault(kind="lost", chance=0.05), Fault(status=500, chance=0.05))
        began_s = time.monotonic()
        line = [sys.executable, "-m", "metta_sweep.commands", "run", f"run={name}", chosen, f"wandb={mode}"]
        run(tmp_path, line, environ)
        times[name] = time.monotonic() - began_s
    state = SweepOnDisk(SweepPaths(tmp_path / "data", "on")).state
    assert len(state.decided_rollouts) == 8
    server.faults.clear()
    run(tmp_path, [sys.executable, "-m", "metta_sweep.commands", "sync", "on"], environ)
    assert_mirrored(server, SweepOnDisk(SweepPaths(tmp_path / "data", "on")))
    assert times["on"] < 1.1 * times["off"] + SHORTEST_END_S + 4


@pytest.mark.long
def test_a_controller_killed_with_its_mirror_leaves_what_the_next_start_completes(server, tmp_path, no_process_left):
    chosen, environ = short_runs(tmp_path, rollouts=4, seconds=1.5), environ_of(server, tmp_path)
    line = [sys.executable, "-m", "metta_sweep.commands", "run", "run=killed", chosen, "wandb=online"]
    for seconds in (4.0, 5.0):
        process = subprocess.Popen(
            line, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.kill()
        process.wait()
    run(tmp_path, line, environ)
    run(tmp_path, [sys.executable, "-m", "metta_sweep.commands", "sync", "killed"], environ)
    assert_mirrored(server, SweepOnDisk(SweepPaths(tmp_path / "data", "killed")))


MEASURED = """
import sys, time
from rich.console import Console
from metta_sweep.commands.controller import compose, run_sweep
from metta_sweep.track.companion import MirrorCompanion

spent = {"cpu": 0.0, "calls": 0}
tick = MirrorCompanion.tick

def timed(self):
    cpu = time.process_time()
    tick(self)
    spent["cpu"] += time.process_time() - cpu
    spent["calls"] += 1

MirrorCompanion.tick = timed
run_sweep(compose(sys.argv[1:]), sys.argv[1:], Console(stderr=True))
assert "wandb" not in sys.modules
print(spent["cpu"], spent["calls"])
"""


@pytest.mark.long
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_the_mirror_costs_the_loop_next_to_nothing_a_run(server, tmp_path, no_process_left, mode):
    rollouts = 12
    chosen, environ = short_runs(tmp_path, rollouts=rollouts, seconds=0.3), environ_of(server, tmp_path)
    said = run(tmp_path, [sys.executable, "-c", MEASURED, f"run={mode}", chosen, f"wandb={mode}"], environ)
    cpu_s, calls = map(float, said.split())
    assert calls > rollouts
    assert cpu_s / rollouts < 0.02


@pytest.mark.long
def test_an_interrupted_sweep_lets_go_quickly_and_goes_on_in_the_same_runs(server, tmp_path, no_process_left):
    chosen, environ = short_runs(tmp_path, rollouts=3, seconds=3.0), environ_of(server, tmp_path)
    line = [sys.executable, "-m", "metta_sweep.commands", "run", "run=stopped", chosen, "wandb=online"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(line, cwd=tmp_path, env=environ, **silent)
    deadline = time.monotonic() + 60
    while not any(remote.history for remote in server.world.runs.values()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    began_s = time.monotonic()
    assert process.wait(30) == 130
    assert time.monotonic() - began_s < 25
    run(tmp_path, line, environ)
    run(tmp_path, [sys.executable, "-m", "metta_sweep.commands", "sync", "stopped"], environ)
    assert_mirrored(server, SweepOnDisk(SweepPaths(tmp_path / "data", "stopped")))
