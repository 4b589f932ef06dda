"""Readable histories for tests: a sweep told event by event, with a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.result import RunPaths
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptStarted,
    AttemptSubmitted,
    ConfirmationChosen,
    ConfirmationPlanned,
    Event,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    SweepAsked,
    SweepStopped,
)
from metta_sweep.sweep.records import CodeRevision, Failure, FailureClass, Recommended, SweepSpec
from metta_sweep.sweep.state import SweepState

GUIDE_PARAMETERS = {
    "trainer.learning_rate": {"min": 0.0001, "max": 0.01, "mean": 0.001, "scale": 1, "distribution": "log_normal"},
    "trainer.batch_size": {"min": 32, "max": 128, "mean": 64, "scale": 1, "distribution": "uniform_pow2"},
    "trainer.gamma": {"min": 0.95, "max": 0.999, "mean": 0.99, "scale": 1, "distribution": "uniform"},
}
"""The search space of the guide's example."""


def prediction(score: float = 0.5, width: float = 0.2, cost: float = 10.0, success: float = 0.95) -> Prediction:
    return Prediction(
        score=score,
        score_low=score - width,
        score_high=score + width,
        cost=cost,
        cost_low=cost / 2,
        cost_high=cost * 2,
        success=success,
    )


@dataclass
class History:
    """Tells a sweep: each method adds the events of one thing that happens, 1 s after the one before."""

    name: str = "my_test"
    metric: str = "reward"
    goal: Goal = Goal.MAXIMIZE
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request."""
    events: list[Event] = field(default_factory=list)
    clock_s: float = 0.0
    code: CodeRevision | None = None
    """The revision that the next start finds."""
    words: tuple[str, ...] = ("run=my_test", "++sweep_params=sweep/my_test_sweep")
    """What was typed; empty where that is not known."""

    def __post_init__(self) -> None:
        self.ask()

    @property
    def state(self) -> SweepState:
        return SweepState.fold(self.events)

    @property
    def spec(self) -> SweepSpec:
        given = {"rollout_count": 3, "parameters": GUIDE_PARAMETERS, "sweep_file": "sweep/my_test_sweep", **self.asked}
        return SweepSpec(name=self.name, metric=self.metric, goal=self.goal, **given)

    def add(self, kind: type[Event], **fields: Any) -> None:
        self.clock_s += 1
        self.events.append(kind(at=1_700_000_000 + self.clock_s, elapsed_s=self.clock_s, **fields))

    def ask(self, **changes: Any) -> History:
        self.asked = {**self.asked, **changes}
        self.add(SweepAsked, spec=self.spec, versions={"metta_sweep": "0.1.0"}, code=self.code, words=self.words)
        return self

    def suggest(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        origin: str = "protein",
        reason: str = "",
        predicted: Prediction | None = None,
        retries: int = 2,
    ) -> History:
        state = self.state
        point = {"trainer.learning_rate": 0.001, "trainer.batch_size": 64, "trainer.gamma": 0.99}
        first, samples = len(state.runs), state.spec.num_samples
        seed = 0 if state.spec.common_seeds else first
        self.add(
            RolloutSuggested,
            rollout=len(state.rollouts),
            suggestion=Suggestion(
                params=point if params is None else params, origin=origin, reason=reason, predicted=predicted
            ),
            runs=tuple(PlannedRun(run_id=self.run(first + k), seed=seed + k) for k in range(samples)),
            max_retries=retries,
        )
        return self

    def run(self, number: int) -> str:
        return f"{self.name}.r.{number}"

    def start(self, number: int) -> History:
        attempt = len(self.state.runs[self.run(number)].attempts) + 1
        self.add(AttemptStarted, run_id=self.run(number), attempt=attempt)
        self.add(AttemptSubmitted, run_id=self.run(number), attempt=attempt, handle={"pid": number})
        return self

    def _attempt(self, number: int) -> dict[str, Any]:
        return {"run_id": self.run(number), "attempt": len(self.state.runs[self.run(number)].attempts)}

    def finish(self, number: int, value: float, *, cost_s: float | None = 10.0, **metrics: float) -> History:
        found = {self.metric: value, **metrics}
        self.add(RunFinished, **self._attempt(number), metrics=found, cost_s=cost_s, steps=2048, wall_s=12.0)
        return self

    def fail(self, number: int, kind: str = "oom", message: str = "CUDA out of memory", detail: str = "") -> History:
        failure = Failure(kind=FailureClass(kind), message=message, detail=detail)
        self.add(AttemptFailed, **self._attempt(number), failure=failure, wall_s=3.0)
        return self

    def choose(self, *rollouts: int, expected: float | None = None, top_k: int = 0) -> History:
        decided, wanted = len(self.state.decided_rollouts), top_k or len(rollouts)
        said = (expected,) * len(rollouts)
        self.add(ConfirmationChosen, rollouts=rollouts, expected=said, top_k=wanted, decided=decided)
        return self

    def again(self, rollout: int, *values: float | None) -> History:
        """Run a rollout's point on fresh seeds: these values, None for a run that fails."""
        for value in values:
            number = len(self.state.runs)
            planned = PlannedRun(run_id=self.run(number), seed=number)
            self.add(ConfirmationPlanned, rollout=rollout, run=planned, max_retries=2)
            self.start(number)
            self.fail(number) if value is None else self.finish(number, value)
        return self

    def interrupt(self, number: int) -> History:
        self.add(AttemptInterrupted, **self._attempt(number), wall_s=4.0)
        return self

    def stop(
        self,
        rule: str = "rollout_count",
        message: str = "all 3 rollouts are done",
        recommended: Recommended | None = None,
    ) -> History:
        self.add(SweepStopped, rule=rule, message=message, recommended=recommended)
        return self

    def rollout(self, *values: float, params: Mapping[str, Any] | None = None, **suggested: Any) -> History:
        """Suggest a point and finish its runs with these values."""
        self.suggest(params, **suggested)
        first = len(self.state.runs) - len(values)
        for number, value in enumerate(values, first):
            self.start(number).finish(number, value)
        return self


@dataclass(frozen=True)
class Directories:
    """Where a told sweep would lie."""

    name: str = "my_test"

    def run(self, run_id: str) -> RunPaths:
        return RunPaths(Path("train_dir/sweep") / self.name / "runs" / run_id)


def guide_history() -> History:
    """The sweep of the guide's example, with its figures."""
    overrides = {
        "trainer": {"total_timesteps": 2048, "evaluate_interval": 10},
        "env": {"game": {"max_steps": 32, "objects": {"altar": {"hp": 5, "cooldown": 5}}}},
    }
    history = History(asked={"overrides": overrides})
    for value, rate, batch, gamma in ((2.45, 0.0023, 64, 0.98), (3.12, 0.0045, 128, 0.99), (3.89, 0.0031, 64, 0.995)):
        point = {"trainer.learning_rate": rate, "trainer.batch_size": batch, "trainer.gamma": gamma}
        history.rollout(value, params=point)
    return history.stop()
