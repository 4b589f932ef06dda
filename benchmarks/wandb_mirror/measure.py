"""What W&B costs a sweep, against a server on 127.0.0.1: overhead a run, a read of 1,000 runs, a server that fails.

    python -m benchmarks.wandb_mirror.measure [--runs 20] [--seconds 2] [--repeats 2] [--faulty-runs 30]

Sweeps of a command that sleeps are done with W&B off, offline and online in turn, within each repeat. *Overhead* is
the sweep's own time less that of its runs and of Protein's thinking; *glance* is what the controller spends on the
mirror, measured around that call. The failing server loses 5% of its replies after the deed and answers 500 to 5% of
the requests.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.client import SEND_VARIABLE
from tests.track.server import Fault, LoopbackServer
from tests.track.test_reading import READ, fill
from tests.track.told import environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

SWEEP = """
rollout_count: {runs}
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "-c", "import sys, time; sys.path.insert(0, '{root}'); import metta_sweep; time.sleep({seconds}); metta_sweep.finish(loss=float(sys.argv[1][4:]))", "{{args}}"]
  parameters:
    x: {{min: 0.0, max: 1.0, distribution: uniform}}
"""  # noqa: E501  # one word of a YAML list

CONTROLLER = """
import sys, time
from rich.console import Console
from metta_sweep.commands.controller import compose, run_sweep
from metta_sweep.track.companion import MirrorCompanion

spent, tick = [0.0, 0.0], MirrorCompanion.tick

def timed(self):
    cpu, wall = time.process_time(), time.perf_counter()
    tick(self)
    spent[0] += time.process_time() - cpu
    spent[1] += time.perf_counter() - wall

MirrorCompanion.tick = timed
run_sweep(compose(sys.argv[1:]), sys.argv[1:], Console(stderr=True))
assert "wandb" not in sys.modules
print(*spent)
"""


@dataclass(frozen=True)
class Timing:
    """One sweep."""

    wall_s: float
    """The whole command."""
    sweep_s: float
    """Until its last run was over; what follows is the sending of the rest."""
    overhead_s: float
    """Of that beside runs and thinking, a run."""
    glance_cpu_s: float
    """What the controller spends on the mirror, a run."""
    glance_wall_s: float
    requests: float
    """Requests to the server, a run; reading the sweep's state every 15 s included."""


def sweep(server: LoopbackServer, mode: str, *, runs: int, seconds: float) -> Timing:
    """Do one sweep."""
    with tempfile.TemporaryDirectory() as folder:
        place, data = Path(folder), Path(folder) / "data"
        (place / "sleep.yaml").write_text(
            SWEEP.format(runs=runs, seconds=seconds, root=ROOT, python=sys.executable), encoding="utf-8"
        )
        words = ["run=measured", f"++sweep_params={place / 'sleep.yaml'}", f"wandb={mode}"]
        environ = environment(server, PYTHONPATH=str(ROOT), DATA_DIR=str(data))
        environ.pop(SEND_VARIABLE)  # the tests' pace; here it is the product's own
        began_s = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CONTROLLER, *words],
            cwd=place,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        wall_s = time.perf_counter() - began_s
        cpu_s, glance_s = map(float, done.stdout.split()[-2:])
        events = read_events(SweepPaths(data, "measured"))
    runs_s = sum(event["wall_s"] for event in events if event["kind"] == "run_finished")
    think_s = sum(event["think_s"] for event in events if event["kind"] == "rollout_suggested")
    sweep_s = max(event["elapsed_s"] for event in events if event["kind"] == "sweep_stopped")
    overhead_s = (sweep_s - runs_s - think_s) / runs
    return Timing(wall_s, sweep_s, overhead_s, cpu_s / runs, glance_s / runs, server.requests.total() / runs)


def medians(timings: list[Timing]) -> dict[str, float]:
    """Return the median of each figure."""
    rows = [asdict(timing) for timing in timings]
    return {name: round(statistics.median(row[name] for row in rows), 4) for name in rows[0]}


def read_thousand() -> Mapping[str, float]:
    """Read a sweep of 1,000 runs back; return requests and seconds, start of the client included."""
    with LoopbackServer() as server, tempfile.TemporaryDirectory() as folder:
        sweep_id = fill(server, 1000)
        began_s = time.perf_counter()
        command = [sys.executable, "-c", READ, folder, sweep_id]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(server, PYTHONPATH=str(ROOT)), capture_output=True, text=True, check=True
        )
        assert len(json.loads(done.stdout)) == 1000
        return {"requests": server.requests.total(), "seconds": round(time.perf_counter() - began_s, 2)}


def main() -> None:
    """Measure, print and keep the results beside this file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--faulty-runs", type=int, default=30)
    options = parser.parse_args()
    found: dict[str, object] = {"asked": vars(options), "cores": os.cpu_count(), "read_1000": read_thousand()}
    timings: dict[str, list[Timing]] = {"off": [], "offline": [], "online": []}
    for _ in range(options.repeats):
        for mode, kept in timings.items():
            with LoopbackServer() as server:
                kept.append(sweep(server, mode, runs=options.runs, seconds=options.seconds))
    found["modes"] = {mode: medians(kept) for mode, kept in timings.items()}
    faulty: dict[str, Timing] = {}
    for mode in ("off", "online"):
        with LoopbackServer(seed=1) as server:
            server.faults.order(Fault(kind="lost", chance=0.05), Fault(status=500, chance=0.05))
            faulty[mode] = sweep(server, mode, runs=options.faulty_runs, seconds=2 * options.seconds)
            found["faults"] = server.faults.happened
    found["faulty"] = {mode: asdict(timing) for mode, timing in faulty.items()}
    found["faulty_ratio"] = round(faulty["online"].wall_s / faulty["off"].wall_s, 3)
    text = json.dumps(found, indent=1)
    (HERE / "results.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
