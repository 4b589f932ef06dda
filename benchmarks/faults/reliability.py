"""What a sweep of ours does under kills, on each launcher, and how quick it is about it.

    python -m benchmarks.faults.reliability kills --launcher local|slurm|ray|ray-own [--kills 50] [--runs 30]
    python -m benchmarks.faults.reliability times          restarts, idle slots, signals, on this machine
    python -m benchmarks.faults.reliability journal        200 kills of a writer

SLURM and Ray are real ones that the tests' own classes start on this machine. Results go to reliability.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from metta_sweep.commands.process import STOP_SIGNALS
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TRIAL = """
import json, os, sys, time
ledger, run_dir, x = sys.argv[1], sys.argv[2], float(sys.argv[3].split("=")[1])

def note(what):
    fd = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {os.path.basename(run_dir)} {os.getpid()} {time.time():.4f}\\n".encode())

note("start")
time.sleep(float(sys.argv[4]))
with open(run_dir + "/result.part", "w") as file:
    json.dump({"metrics": {"loss": (x - 0.3) ** 2}}, file)
note("end")
os.rename(run_dir + "/result.part", run_dir + "/result.json")
"""
SWEEP = """
rollout_count: {runs}
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "{trial}", "{ledger}", "{{run_dir}}", "{{args}}", "{seconds}"]
  parameters:
    x: {{min: 0.0, max: 1.0, distribution: uniform}}
"""
WRITER = """
import sys
from pathlib import Path
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
journal = SqliteJournal.open(SweepPaths(Path(sys.argv[1]), "my"), create=True)
number = sum(1 for _ in journal.read())
while True:
    journal.append([{"kind": "k", "number": number, "text": "x" * (number % 3000)}])
    number += 1
    print(number, flush=True)
"""


class Sweep:
    """One sweep in a folder, with a ledger that it knows nothing of."""

    def __init__(self, folder: Path, runs: int, seconds: float, *words: str, **environment: str) -> None:
        self.paths = SweepPaths(folder / "data", "s")
        self.ledger = folder / "ledger"
        self._folder = folder
        (folder / "trial.py").write_text(TRIAL)
        values = {"python": sys.executable, "trial": folder / "trial.py", "ledger": self.ledger}
        (folder / "s.yaml").write_text(SWEEP.format(runs=runs, seconds=seconds, **values))
        command = ["run", "run=s", f"++sweep_params={folder / 's.yaml'}", *words]
        self._command = [sys.executable, "-m", "metta_sweep.commands", *command]
        ours = {"DATA_DIR": str(folder / "data"), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **ours, **environment}

    @property
    def log(self) -> Path:
        """What controllers have said."""
        return self._folder / "log"

    def start(self, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        """Start a controller, behind the words of another program where there are any."""
        command = [*before, *self._command]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)

    def noted(self, what: str) -> list[tuple[str, float]]:
        """Return run and time of every such line of the ledger."""
        lines = [line.split() for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []
        return [(line[1], float(line[3])) for line in lines if line[0] == what]

    def counts(self, what: str) -> Counter[str]:
        return Counter(run for run, _ in self.noted(what))

    def alive(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    str(self._folder) in f"{words_of(process)} {process.cwd()}"
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if process.pid != os.getpid()]

    def trials(self) -> list[psutil.Process]:
        """Return the runs that are alive."""
        return [process for process in self.alive() if "trial.py" in words_of(process)]

    def events(self) -> Counter[str]:
        return Counter(event["kind"] for event in read_events(self.paths))


def words_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def cluster_of(launcher: str):
    """Yield the environment that leads to a cluster, which lives as long as this context."""
    if launcher == "local":
        yield {}
        return
    if launcher == "ray-own":
        folder = tempfile.mkdtemp(prefix="o", dir="/tmp")
        try:
            yield {"RAY_TMPDIR": folder, "RAY_ADDRESS": ""}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return
    from tests.launch.ray_cluster import RayCluster
    from tests.launch.slurm_cluster import SlurmCluster

    cluster = SlurmCluster() if launcher == "slurm" else RayCluster()
    try:
        yield cluster.environment
    finally:
        cluster.close()


def kills(launcher: str, kills: int, runs: int, seconds: float) -> dict:
    """Kill the controller at random moments, let it end, and say what became of the runs."""
    rng, done = random.Random(0), 0
    with cluster_of(launcher) as environment, tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        sweep = Sweep(
            Path(folder),
            runs,
            seconds,
            f"launcher={launcher.partition('-')[0]}",
            "launcher.max_parallel=1",
            **environment,
        )
        while done < kills:
            controller = sweep.start()
            try:
                controller.wait(rng.uniform(0.5, 6.0))
                break  # the sweep was over before
            except subprocess.TimeoutExpired:
                controller.kill()
                controller.wait()
                done += 1
        last = sweep.start()
        status = last.wait(seconds * runs + 600)
        time.sleep(3)
        events, started, ended = sweep.events(), sweep.counts("start"), sweep.counts("end")
        return {
            "kills": done,
            "runs": runs,
            "exit": status,
            "started": started.total(),
            "ended": ended.total(),
            "twice": sum(count > 1 for count in (started | ended).values()),
            "recorded": events["run_finished"],
            "lost": runs - events["run_finished"],
            "zombies": events["attempt_started"]
            - events["run_finished"]
            - events["attempt_failed"]
            - events["attempt_interrupted"],
            "orphans": len(sweep.trials()),
        }


def restarts(times: int, *, suggested: bool) -> dict:
    """Return the seconds from starting a sweep again to the next run's start, nothing of it being alive, and CPU-s.

    Args:
        times: How often.
        suggested: The next run was suggested before (its first attempt was ended by SIGTERM); otherwise the controller
            was killed when a run had just ended, and Protein has to suggest the next one first.
    """
    walls, cpus = [], []
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        sweep = Sweep(Path(folder), times + 2, 600.0 if suggested else 0.2)
        controller = sweep.start()
        for round_ in range(times):
            while len(sweep.noted("start" if suggested else "end")) <= round_:
                time.sleep(0.005)
            controller.send_signal(signal.SIGTERM if suggested else signal.SIGKILL)
            controller.wait()
            while sweep.trials():
                time.sleep(0.02)
            before, began_s = len(sweep.noted("start")), time.time()
            controller = sweep.start()
            while len(sweep.noted("start")) <= before:
                time.sleep(0.005)
            cpus.append(sum(psutil.Process(controller.pid).cpu_times()[:2]))
            walls.append(sweep.noted("start")[before][1] - began_s)
        controller.terminate()
        controller.wait()
    return {"wall_s": summary(walls), "cpu_s": summary(cpus)}


def idle(slots: int, runs: int) -> list[float]:
    """Return how long a slot lay idle between two runs, once all were taken."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        sweep = Sweep(Path(folder), runs, 1.0, f"launcher.max_parallel={slots}")
        sweep.start().wait()
        starts, ends = (sorted(time_s for _, time_s in sweep.noted(what)) for what in ("start", "end"))
    return [start - end for end, start in zip(ends, starts[slots:], strict=False)]


def out_after(number: signal.Signals) -> dict:
    """Return the seconds in which a sweep of two long runs is gone after a signal, its exit code and what is left."""
    with tempfile.TemporaryDirectory(prefix="k", dir="/tmp") as folder:
        sweep = Sweep(Path(folder), 2, 60.0, "launcher.max_parallel=2")
        controller = sweep.start()
        while len(sweep.noted("start")) < 2:
            time.sleep(0.02)
        began_s = time.monotonic()
        controller.send_signal(number)
        status = controller.wait()
        seconds = time.monotonic() - began_s
        time.sleep(0.5)
        return {"seconds": round(seconds, 2), "exit": status, "alive": len(sweep.alive())}


def journal(kills: int) -> dict:
    """Kill a writer again and again; return how many acknowledged events there were and how many of them are gone."""
    rng, acknowledged = random.Random(1), 0
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(kills):
            writer = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, text=True)
            writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.1))
            writer.kill()
            said, _ = writer.communicate()
            acknowledged = max([acknowledged, *map(int, said.split("\n")[:-1])])
        numbers = [event["number"] for event in read_events(SweepPaths(Path(folder), "my"))]
    lost = acknowledged - len(numbers) if numbers == list(range(len(numbers))) else -1
    return {"kills": kills, "acknowledged": acknowledged, "lost": max(0, lost)}


def times() -> dict:
    """Measure what takes time, each with the machine's load when it began: other programs make all of it longer."""
    return {
        "idle_slot_s": loaded(lambda: summary(idle(4, 40))),
        "signals": loaded(lambda: {number.name: out_after(number) for number in STOP_SIGNALS}),
        "restart_to_next_run": loaded(
            lambda: {
                "suggested before": restarts(10, suggested=True),
                "to be suggested": restarts(10, suggested=False),
            }
        ),
    }


def loaded(measure: Callable[[], dict]) -> dict:
    load = os.getloadavg()[0]
    return {"load": load, **measure()}


def summary(values: list[float]) -> dict:
    ordered = sorted(values)
    return {
        "n": len(ordered),
        "least": round(ordered[0], 3),
        "median": round(statistics.median(ordered), 3),
        "p90": round(ordered[int(0.9 * (len(ordered) - 1))], 3),
        "most": round(ordered[-1], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("kills", "times", "journal"))
    parser.add_argument("--launcher", choices=("local", "slurm", "ray", "ray-own"), default="local")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--json", type=Path, default=HERE / "reliability.json")
    options = parser.parse_args()
    measured = {
        "kills": lambda: kills(options.launcher, options.kills, options.runs, options.seconds),
        "times": times,
        "journal": lambda: journal(200),
    }[options.what]()
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    if options.what == "kills":
        results.setdefault("kills", {})[options.launcher] = measured
    else:
        results[options.what] = measured
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
