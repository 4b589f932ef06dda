"""A world in which sweeps run without processes, disk or time: the real loop against simulated ports."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Expectation, Recommendation, Suggestion
from metta_sweep.result import Evaluation, RunPaths, RunResult
from metta_sweep.sweep.events import Correction, PointAdded, SweepAsked
from metta_sweep.sweep.loop import SweepLoop
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.next_actions import Stop
from metta_sweep.sweep.peers import Peers
from metta_sweep.sweep.ports import Handle, Instruction, JobSpec, JobState, JobStatus
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.thinking import Submit, Thinker, at_once


class ControllerKilled(BaseException):
    """Stands for kill -9: no handler of the code under test may catch it."""


@dataclass
class SimulatedClock:
    seconds: float = 1_000.0
    epoch: float = 1_700_000_000.0

    def now_s(self) -> float:
        return self.epoch + self.seconds

    def monotonic_s(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class MemoryJournal:
    """Keeps events; kills the controller at the n-th append, before or after the event is stored."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    kill_at: int | None = None
    kill_after_store: bool = True
    appends: int = 0

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        self.appends += 1
        dies = self.kill_at == self.appends
        if dies and not self.kill_after_store:
            raise ControllerKilled
        self.events.extend(events)
        if dies:
            raise ControllerKilled

    def read(self) -> Iterable[Mapping[str, Any]]:
        return list(self.events)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Outcome:
    """What a simulated run does: a result after some seconds, or an ending without one."""

    seconds: float = 1.0
    metrics: Mapping[str, float] | None = None
    status: JobStatus = field(default_factory=lambda: JobStatus(state=JobState.EXITED, code=0))
    log: str = ""
    reports: tuple[tuple[float, int, Mapping[str, float]], ...] = ()
    """Evaluations: after how many seconds, at which step, what."""


def reward(value: float, seconds: float = 1.0) -> Outcome:
    return Outcome(seconds=seconds, metrics={"reward": value})


def always(value: float, seconds: float = 1.0) -> Script:
    """Return the script in which every run ends with this reward."""
    return lambda run_id, attempt, config: reward(value, seconds)


def exits(code: int, log: str = "", seconds: float = 1.0) -> Outcome:
    return Outcome(seconds=seconds, status=JobStatus(state=JobState.EXITED, code=code), log=log)


def killed(number: int = signal.SIGKILL, seconds: float = 0.5) -> Outcome:
    return Outcome(seconds=seconds, status=JobStatus(state=JobState.EXITED, signal=number))


Script = Callable[[str, int, Mapping[str, Any]], Outcome]
"""What an attempt does, from its run id, its number and its config."""


@dataclass
class SimulatedMachine:
    """Launcher and run store in one: jobs outlive controllers, and every start is counted."""

    clock: SimulatedClock
    script: Script
    slots: int = 1
    started: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    checkpointed: Container[str] = ()
    """Runs that have left a checkpoint."""
    most_alive: int = 0
    forget_submissions: bool = False
    says: Callable[[], JobStatus | None] = lambda: None
    """What it says of every job instead of the truth, where it says something."""
    _jobs: dict[str, tuple[float, Outcome]] = field(default_factory=dict)
    _configs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _ended_s: dict[str, float] = field(default_factory=dict)
    _aside: set[str] = field(default_factory=set)

    def capacity(self) -> int:
        return self.slots

    def submit(self, spec: JobSpec) -> Handle:
        if spec.attempt_id not in self._jobs:
            run_id, _, number = spec.attempt_id.rpartition(".a")
            outcome = self.script(run_id, int(number), self._configs[run_id])
            self._jobs[spec.attempt_id] = (self.clock.seconds, outcome)
            self.started.append(spec.attempt_id)
            self.most_alive = max(self.most_alive, len(self.alive))
        return {"attempt": spec.attempt_id}

    def find(self, spec: JobSpec) -> Handle | None:
        return {"attempt": spec.attempt_id} if spec.attempt_id in self._jobs else None

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        return [self.says() or self._status(handle["attempt"]) for handle in handles]

    def _status(self, attempt_id: str) -> JobStatus:
        if attempt_id in self.cancelled:
            return JobStatus(state=JobState.EXITED, signal=signal.SIGTERM, reason="cancelled")
        if not self._is_over(attempt_id):
            return JobStatus(state=JobState.RUNNING)
        return self._jobs[attempt_id][1].status

    def _is_over(self, attempt_id: str) -> bool:
        began, outcome = self._jobs[attempt_id]
        return self.clock.seconds >= began + outcome.seconds

    @property
    def alive(self) -> list[str]:
        return [job for job in self._jobs if job not in self.cancelled and not self._is_over(job)]

    def cancel(self, handle: Handle, grace_s: float) -> None:
        if not self._is_over(handle["attempt"]):
            self.cancelled.append(handle["attempt"])
            self._ended_s.setdefault(handle["attempt"], self.clock.seconds)

    def close(self) -> None:
        pass

    def prepare(
        self,
        run_id: str,
        *,
        config: Mapping[str, Any],
        suggestion: Mapping[str, Any],
        has_workdir: bool = False,
        files: Mapping[str, str] | None = None,
    ) -> RunPaths:
        self._configs.setdefault(run_id, config)
        return self.paths(run_id)

    def paths(self, run_id: str) -> RunPaths:
        return RunPaths(Path("/nowhere") / run_id)

    def set_result_aside(self, run_id: str, attempt: int) -> None:
        self._aside.add(f"{run_id}.a{attempt}")

    def ask_to_stop(self, run_id: str) -> bool:
        return False

    def saw_stop(self, run_id: str) -> bool:
        return False

    def set_run_aside(self, run_id: str, attempt: int) -> None:
        self._configs.pop(run_id, None)
        self._aside.update(f"{run_id}.a{number}" for number in range(1, attempt + 1))

    def result(self, run_id: str) -> RunResult | None:
        for attempt_id, (_, outcome) in self._jobs.items():
            mine = attempt_id.rpartition(".a")[0] == run_id and attempt_id not in self._aside
            if mine and outcome.metrics is not None and self._is_over(attempt_id) and attempt_id not in self.cancelled:
                return RunResult(metrics=outcome.metrics)
        return None

    def evaluations(self, run_id: str) -> list[Evaluation]:
        return [
            Evaluation(step=step, time_s=seconds, metrics=metrics)
            for job, (began, outcome) in self._jobs.items()
            for seconds, step, metrics in outcome.reports
            if job.rpartition(".a")[0] == run_id and self._until(job) >= began + seconds
        ]

    def _until(self, job: str) -> float:
        return self._ended_s.get(job, self.clock.seconds)

    def report_bytes(self, run_id: str) -> int:
        return len(self.evaluations(run_id))

    def has_checkpoint(self, run_id: str) -> bool:
        return run_id in self.checkpointed

    def log_tail(self, run_id: str) -> str:
        last = [o.log for job, (_, o) in self._jobs.items() if job.rpartition(".a")[0] == run_id]
        return last[-1] if last else ""


@dataclass
class CountingOptimizer:
    """Proposes 0, 1, 2, … and remembers what it is told."""

    observed: list[tuple[Mapping[str, Any], float, float, float | None]] = field(default_factory=list)
    failed: list[Mapping[str, Any]] = field(default_factory=list)
    pending: list[list[Mapping[str, Any]]] = field(default_factory=list)
    curves: list[Any] = field(default_factory=list)
    prefers: Callable[[Mapping[str, Any]], float] | None = None

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        self.pending.append(list(pending))
        number = len(self.observed) + len(self.failed) + len(pending)
        return Suggestion(params={"trainer.x": number}, origin="counting")

    def observe(
        self, params: Mapping[str, Any], score: float, cost: float, noise: float | None = None, curve: Any = ()
    ) -> None:
        self.observed.append((params, score, cost, noise))
        self.curves.append(curve)

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Without a model the means of the search decide; ``prefers`` is a model that likes some points more."""
        if self.prefers is None:
            return None
        return [Expectation(mean=self.prefers(point), low=0.0, high=1.0) for point in points]

    def recommend(self, points: Sequence[Mapping[str, Any]]) -> Recommendation | None:
        """Recommend what ``prefers`` likes most of the points instead of the one with the best score."""
        if self.prefers is None:
            return None
        scores = {repr(params): score for params, score, *_ in self.observed}
        luckiest, preferred = max(points, key=lambda one: scores[repr(one)]), max(points, key=self.prefers)
        expected, other = (Expectation(mean=self.prefers(one), low=0.0, high=1.0) for one in (preferred, luckiest))
        return Recommendation(
            params=preferred, expected=expected, luckiest=luckiest, luckiest_expected=other, chance=0.7
        )

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        self.failed.append(params)

    def forget(self) -> None:
        self.observed, self.failed, self.curves = [], [], []


def spec(**changes: Any) -> SweepSpec:
    given: dict[str, Any] = {"name": "s", "metric": "reward", "goal": Goal.MAXIMIZE, "rollout_count": 3}
    return SweepSpec(**{**given, **changes})


@dataclass
class World:
    """One sweep's journal and machine, over any number of controllers."""

    script: Script
    slots: int = 1
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    optimizer: CountingOptimizer = field(default_factory=CountingOptimizer)
    heard: list[str] = field(default_factory=list)
    interrupted: Callable[[], int | None] = lambda: None
    instructed: Callable[[], Instruction] = lambda: Instruction.WORK
    fence: Callable[[], None] = lambda: None
    submit: Submit = at_once
    prefers: Callable[[Mapping[str, Any]], float] | None = None
    requests: Callable[[], Sequence[PointAdded | Correction]] = lambda: ()
    fits: Callable[[Mapping[str, Any]], bool] = lambda _: True
    makes: type[CountingOptimizer] = CountingOptimizer

    def __post_init__(self) -> None:
        self.machine = SimulatedMachine(clock=self.clock, script=self.script, slots=self.slots)

    def on_event(self, event: Any, state: Any) -> None:
        self.heard.append(event.KIND)

    def on_note(self, text: str) -> None:
        self.heard.append(text)

    def control(self, asked: SweepSpec, peers: Peers | None = None, **settings: Any) -> Stop:
        """Run one controller to its end."""
        self.optimizer = self.makes(prefers=self.prefers)
        self.recorder = Recorder(self.journal, self.clock, [self])
        self.recorder.record(SweepAsked(spec=asked, versions={}))
        loop = SweepLoop(
            recorder=self.recorder,
            launcher=self.machine,
            runs=self.machine,
            thinker=Thinker(self.optimizer, self.clock, self.submit),
            clock=self.clock,
            settings=LoopSettings(**settings),
            interrupted=lambda: self.interrupted(),
            instructed=lambda: self.instructed(),
            instructed_from=lambda: "W&B",
            peers=peers,
            fence=lambda: self.fence(),
            requests=lambda: self.requests(),
            fits=lambda point: self.fits(point),
        )
        return loop.run()

    def finished_runs(self) -> list[str]:
        return [event["run_id"] for event in self.journal.events if event["kind"] == "run_finished"]


def random_script(seed: int) -> Script:
    """Return a script in which runs finish, fail in every way, and are killed; the same for the same attempt."""

    def script(run_id: str, attempt: int, config: Mapping[str, Any]) -> Outcome:
        rng = random.Random(f"{seed}/{run_id}/{attempt}")
        seconds = rng.choice([0.1, 1.0, 7.0])
        draw = rng.random()
        if draw < 0.15:
            return killed(seconds=seconds)
        if draw < 0.25:
            return exits(1, "CUDA out of memory", seconds)
        if draw < 0.3:
            return Outcome(seconds=seconds, metrics={"reward": float("nan")})
        if draw < 0.35:
            return exits(1, f"ValueError: {rng.random()}", seconds)
        return reward(rng.gauss(0, 1), seconds)

    return script
