"""How far the loop reaches: the real loop, state and journal against a simulated launcher, run store and clock.

    python -m benchmarks.scale.simulate [--runs 10000] [--slots 1000] [--json FILE]

Runs last an hour on average, time is simulated, the journal is real and on disk. Protein's place is taken by a stub, so
that what is measured is everything beside its thinking. CPU-seconds of this process, memory and the journal's size are
read whenever another tenth of the runs has been started: a decision is all that happens from one start to the next.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Suggestion
from metta_sweep.result import Evaluation, RunPaths, RunResult
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import AttemptSubmitted, Event, SweepAsked, from_json
from metta_sweep.sweep.loop import LoopSettings, SweepLoop
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.thinking import Thinker

PARAMETERS = 10
"""Values in a suggestion."""

EVALUATIONS = 20
"""Points on a run's learning curve."""

MEAN_RUN_S = 3600.0
"""Simulated seconds that a run takes on average."""


class Machine:
    """Launcher, run store and clock in one: what happens next is on a heap, and sleeping goes straight there."""

    def __init__(self, slots: int, seed: int = 0) -> None:
        self._slots = slots
        self._random = random.Random(seed)
        self._now_s = 0.0
        self._ends: list[float] = []
        self._end_s: dict[str, float] = {}

    # the clock

    def now_s(self) -> float:
        return 1.7e9 + self._now_s

    def monotonic_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds
        if self._ends and self._ends[0] > self._now_s:
            self._now_s = self._ends[0]
        while self._ends and self._ends[0] <= self._now_s:
            heapq.heappop(self._ends)

    # the launcher

    def capacity(self) -> int:
        return self._slots

    def submit(self, spec: JobSpec) -> Handle:
        end_s = self._now_s + MEAN_RUN_S * self._random.uniform(0.5, 1.5)
        self._end_s[spec.attempt_id] = end_s
        heapq.heappush(self._ends, end_s)
        return {"launcher": "local", "attempt_id": spec.attempt_id, "run_dir": str(spec.run_dir), "host": "h"}

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        running = JobStatus(state=JobState.RUNNING)
        over = JobStatus(state=JobState.EXITED, code=0, wall_s=MEAN_RUN_S)
        return [over if self._end_s[handle["attempt_id"]] <= self._now_s else running for handle in handles]

    def cancel(self, handle: Handle, grace_s: float) -> None:
        raise NotImplementedError("nothing is cancelled here")

    def find(self, spec: JobSpec) -> Handle | None:
        del spec
        return None

    def close(self) -> None:
        pass

    # the run store

    def prepare(self, run_id: str, *, config: Mapping[str, Any], suggestion: Mapping[str, Any]) -> RunPaths:
        del config, suggestion
        return self.paths(run_id)

    def paths(self, run_id: str) -> RunPaths:
        return RunPaths(Path("/nowhere/train_dir/sweep/scale/runs") / run_id)

    def result(self, run_id: str) -> RunResult:
        return RunResult(metrics={"reward": len(run_id) * 0.1, "loss": 0.1}, cost_s=MEAN_RUN_S, steps=1_000_000)

    def set_result_aside(self, run_id: str, attempt: int) -> None:
        pass

    def ask_to_stop(self, run_id: str) -> bool:
        del run_id
        return False

    def saw_stop(self, run_id: str) -> bool:
        del run_id
        return False

    def evaluations(self, run_id: str) -> list[Evaluation]:
        del run_id
        return [Evaluation(step=k, time_s=k * 1.5, metrics={"reward": 0.1 * k}) for k in range(EVALUATIONS)]

    def has_checkpoint(self, run_id: str) -> bool:
        del run_id
        return False

    def log_tail(self, run_id: str) -> str:
        del run_id
        return ""


class Stub:
    """Stands where Protein does and thinks nothing."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        del pending
        return Suggestion(
            params={f"trainer.parameter_{k}": self._random.random() for k in range(PARAMETERS)}, origin="stub"
        )

    def observe(self, *lesson: object) -> None:
        pass

    def observe_failure(self, *lesson: object) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What was read when so many runs had been started."""

    runs: int
    cpu_ms_a_decision: float
    """Mean since the reading before: what ended is recorded, the next run is chosen, recorded and started."""
    memory_mib: float
    """Resident memory of the process beyond what it had before the sweep."""
    journal_mib: float
    """Size of the database with its write-ahead log."""


class Meter:
    """Listens to the sweep and reads the clocks whenever another tenth of the runs has been started."""

    def __init__(self, runs: int, journal: Path) -> None:
        self.readings: list[Reading] = []
        self._every = max(1, runs // 10)
        self._journal = journal
        self._started = 0
        self._memory_before = memory_mib()
        self._cpu_s = time.process_time()

    def on_note(self, text: str) -> None:
        pass

    def on_event(self, event: Event, state: SweepState) -> None:
        del state
        if not isinstance(event, AttemptSubmitted):
            return
        self._started += 1
        if self._started % self._every == 0:
            now_s = time.process_time()
            reading = Reading(
                runs=self._started,
                cpu_ms_a_decision=1e3 * (now_s - self._cpu_s) / self._every,
                memory_mib=memory_mib() - self._memory_before,
                journal_mib=sum(file.stat().st_size for file in self._journal.parent.glob("sweep.db*")) / 2**20,
            )
            self.readings.append(reading)
            self._cpu_s = time.process_time()


def memory_mib() -> float:
    """Return this process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def simulate(runs: int, slots: int, folder: Path) -> tuple[list[Reading], float]:
    """Do a sweep; return the readings and the CPU-seconds that a new controller takes to read its journal."""
    paths = SweepPaths(folder, "scale")
    machine = Machine(slots)
    journal = SqliteJournal.open(paths, create=True)
    meter = Meter(runs, paths.journal)
    recorder = Recorder(journal, machine, [meter])
    training = {"trainer": {f"parameter_{k}": 0.5 for k in range(PARAMETERS)}}
    spec = SweepSpec(name="scale", metric="reward", goal=Goal.MAXIMIZE, rollout_count=runs, training=training)
    recorder.record(SweepAsked(spec=spec, versions={}))
    SweepLoop(
        recorder=recorder,
        launcher=machine,
        runs=machine,
        thinker=Thinker(Stub(), machine),
        clock=machine,
        settings=LoopSettings(),
    ).run()
    journal.close()
    began_s = time.process_time()
    state = SweepState.fold(map(from_json, read_events(paths)))
    if len(state.decided_rollouts) != runs:
        raise SystemExit(f"{len(state.decided_rollouts)} of {runs} rollouts are there")
    return meter.readings, time.process_time() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        readings, restart_s = simulate(options.runs, options.slots, Path(folder))
    print("| runs started | CPU-ms a decision | memory, MiB | journal, MiB |\n|---|---|---|---|")
    for reading in readings:
        cells = (f"{reading.cpu_ms_a_decision:.2f}", f"{reading.memory_mib:.0f}", f"{reading.journal_mib:.1f}")
        print(f"| {reading.runs} | {' | '.join(cells)} |")
    print(f"\nreading the journal again: {restart_s:.1f} CPU-s")
    if options.json is not None:
        content = {"slots": options.slots, "readings": [asdict(r) for r in readings], "restart_cpu_s": restart_s}
        options.json.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
