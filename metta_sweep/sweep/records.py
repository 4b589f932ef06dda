"""Frozen values of the domain: what was asked, rollouts, runs, attempts, failures."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metta_sweep.config.settings import ConfirmSettings, EarlyStopSettings, LimitSettings
from metta_sweep.goal import Bound, Goal, Objective, in_words, weighted
from metta_sweep.optimize.port import CurvePoint, Suggestion
from metta_sweep.sweep.tracebacks import without_values

Evaluated = tuple[float, float, float]
"""Steps done, the metric (raw) and the seconds spent at one evaluation."""


CALLED = "metta_sweep.run"
"""Stands for the program in a command where runs are calls of a Python function, whose name follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSpec:
    """What was asked for: everything that decides what a sweep does."""

    name: str
    """The sweep's name, ``run=NAME``."""
    metric: str
    """Name of the metric as runs report it; of several, the first one, or what their weighted sum is called."""
    goal: Goal
    """Direction of the metric."""
    rollout_count: int
    """Total number of rollouts, over all starts of the sweep."""
    num_samples: int = 1
    """Runs a rollout, each with its own seed."""
    objectives: tuple[Objective, ...] = ()
    """All of several metrics with their goals; empty where there is one."""
    bounds: tuple[Bound, ...] = ()
    """Limits on reported metrics that a point must keep to count."""
    common_seeds: bool = False
    """Whether those seeds are the same for every rollout."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The search space as the sweep file writes it."""
    constraints: tuple[str, ...] = ()
    """Expressions that hold for every suggestion."""
    points: tuple[Mapping[str, Any], ...] = ()
    """Points to run first, in full or in part, by dotted path."""
    sources: tuple[str, ...] = ()
    """Sweeps whose runs are evidence for this one, as a person named them."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """The base training config, resolved."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The sweep file's own training overrides, for the summary."""
    command: tuple[str, ...] = ()
    """Template of the training command; empty for the bundled trainer."""
    optimizer: str = "protein"
    """Name of what suggests; it may change between starts."""
    protein: Mapping[str, Any] = field(default_factory=dict)
    """Settings of Protein."""
    limits: LimitSettings = field(default_factory=LimitSettings)
    """Stop rules."""
    early_stop: EarlyStopSettings | None = None
    """How runs that will not win are ended on their way; None for not at all."""
    confirm: ConfirmSettings | None = None
    """How the best are run again after the search; None for not at all."""
    confirms_only: bool = False
    """Whether the search itself is not to go on: a confirmation of what is there was asked for."""
    seed: int = 0
    """Seed of Protein and, with the run's place in the sweep, of every run."""
    sweep_file: str = ""
    """Where the request was read from."""
    results: Mapping[str, Any] = field(default_factory=dict)
    """Where a run's numbers come from, as the sweep file writes it; empty where runs write them themselves."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every run of a command, with their blanks."""
    workdir: str = "here"
    """Where a command is started: ``here``, the controller's working directory, or ``run``, one of the run's own."""
    reruns: str = ""
    """The run that is done again and kept; empty for a search."""

    @property
    def called(self) -> str:
        """Name of the Python function whose calls are the runs; empty where they are commands."""
        return self.command[1] if self.command[:1] == (CALLED,) and len(self.command) > 1 else ""

    @property
    def has_front(self) -> bool:
        """Whether several metrics are traded off and no weights decide between them: there is no one best."""
        return any(one.weight is None for one in self.objectives)

    @property
    def is_weighted(self) -> bool:
        """Whether the metric is a weighted sum of several that runs report."""
        return bool(self.objectives) and not self.has_front

    @property
    def aims(self) -> tuple[Objective, ...]:
        """What the search trades off: each metric of a front, else the one metric."""
        return self.objectives if self.has_front else (Objective(metric=self.metric, goal=self.goal),)

    @property
    def read_metrics(self) -> tuple[str, ...]:
        """Every metric that a run has to report, each once."""
        own = [one.metric for one in self.objectives] or [self.metric]
        return tuple(dict.fromkeys([*own, *(bound.metric for bound in self.bounds)]))

    def key_of(self, metric: str) -> str:
        """Return the key of the sweep file that names a metric: ``metric`` or ``bounds``."""
        return "metric" if metric in [one.metric for one in self.objectives] or metric == self.metric else "bounds"

    @property
    def told_metrics(self) -> tuple[str, ...]:
        """The metrics that the optimizer is told by name; none where there is one metric and no bound."""
        if not self.has_front and not self.bounds:
            return ()
        return tuple(dict.fromkeys([*(one.metric for one in self.aims), *(bound.metric for bound in self.bounds)]))

    @property
    def named_goals(self) -> tuple[Objective, ...]:
        """The goals as the optimizer is given them: by name where there are several or bounds, else none."""
        return self.aims if self.told_metrics else ()

    @property
    def aim(self) -> str:
        """What is searched for, in words: ``maximize reward, minimize latency with energy <= 5``."""
        return in_words(self.metric, self.goal, self.objectives, self.bounds)

    def with_value(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return a run's metrics together with their weighted sum, where that is what is searched for."""
        value = weighted(self.objectives, metrics) if self.is_weighted else None
        return metrics if value is None else {**metrics, self.metric: value}

    def value_in(self, metrics: Mapping[str, float]) -> float | None:
        """Return what is searched for in a run's metrics: the metric, or the weighted sum; None where it is missing."""
        return self.with_value(metrics).get(self.metric)

    def missing_in(self, metrics: Mapping[str, float]) -> list[str]:
        """Return the metrics that a run has to report and did not."""
        return [name for name in self.read_metrics if name not in metrics]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRevision:
    """The git revision of the trainer's folder, and what differed from it."""

    commit: str = ""
    """Full hash; empty where it is not known."""
    changed: tuple[str, ...] = ()
    """Tracked files that differed from the commit, by their path from the top of the repository."""
    untracked: tuple[str, ...] = ()
    """Files and folders that git knows nothing of and was not told to ignore; their content is not kept."""
    unlisted: int = 0
    """Further names of either kind, beyond those that are listed."""
    diff: str = ""
    """The changes as a file below the sweep's folder; empty where there are none."""
    unkept: tuple[str, ...] = ()
    """Changed files that the diff leaves out: binary, or too large."""
    unknown: str = ""
    """Why nothing is known: no git, no repository; empty where it is known."""
    folder: str = ""
    """The top of the repository; empty where the sweep was started somewhere in it."""

    @property
    def is_dirty(self) -> bool:
        """Whether anything differed from the commit."""
        return bool(self.changed or self.untracked or self.unlisted)


class FailureClass(enum.StrEnum):
    """Why an attempt gave no score."""

    OOM = "oom"
    DIVERGED = "diverged"
    INVALID_CONFIG = "invalid_config"
    TIMEOUT = "timeout"
    NO_RESULT = "no_result"
    KILLED = "killed"
    INFRASTRUCTURE = "infrastructure"
    CRASH = "crash"
    STOPPED = "stopped"

    @property
    def blames_parameters(self) -> bool:
        """Whether Protein learns from it that the parameters do not work."""
        return self in _TAUGHT

    @property
    def is_retried(self) -> bool:
        """Whether the run is started again, since its parameters are not to blame."""
        return self in (FailureClass.KILLED, FailureClass.INFRASTRUCTURE)


_TAUGHT = frozenset({FailureClass.OOM, FailureClass.DIVERGED, FailureClass.INVALID_CONFIG, FailureClass.TIMEOUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A classified failure of one attempt."""

    kind: FailureClass
    """The class."""
    message: str
    """One line for a person."""
    detail: str = ""
    """Evidence: the traceback or the end of the log, bounded."""
    external: bool = False
    """Whether it came from outside the program: killed, preempted, its node lost, the disk full."""

    @property
    def signature(self) -> str:
        """What makes two failures the same one: class and message, without what differs from run to run."""
        return f"{self.kind}: {without_values(self.message)}"


class AttemptState(enum.StrEnum):
    """Life of an attempt; see ``attempts.TRANSITIONS`` for what may follow what."""

    STARTING = "starting"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def is_live(self) -> bool:
        """Whether a process of it may exist."""
        return self in (AttemptState.STARTING, AttemptState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process (or job) that tries to do a run."""

    number: int
    """1 for the first attempt."""
    state: AttemptState
    """Where it is."""
    launcher: str = ""
    """Kind of the launcher that it was given to."""
    handle: Mapping[str, Any] | None = None
    """The launcher's handle once it is submitted."""
    unknown: str = ""
    """Why it is not known what it does; empty where that is known."""
    failure: Failure | None = None
    """Why it failed."""
    started_s: float = 0.0
    """Sweep time at which it was started, seconds."""
    wall_s: float = 0.0
    """Seconds it took, once it is over."""


class RunState(enum.StrEnum):
    """Where a run is; derived from its attempts, never stored."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped_early"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in (RunState.FINISHED, RunState.STOPPED_EARLY, RunState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Why a run is ended on its way, as it was judged then."""

    reason: str
    """One sentence for a person."""
    share: float
    """Share of its length that it had done."""
    steps: float
    """Steps of its whole length."""
    final: tuple[float, float, float] | None = None
    """Median, 5% and 95% quantile of what was expected of its end, raw; None where no model judged."""
    chance: float | None = None
    """Chance to beat the best that it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training of one suggestion with one seed."""

    run_id: str
    """``NAME.r.K``."""
    rollout: int
    """The rollout that it belongs to."""
    seed: int
    """Seed of the training."""
    attempts: tuple[Attempt, ...] = ()
    """Attempts so far."""
    metrics: Mapping[str, float] | None = None
    """Final metrics, raw; None while there is no result."""
    cost_s: float = 0.0
    """Cost in seconds: as reported, or the wall time of all attempts."""
    steps: int | None = None
    """Training steps, where reported."""
    curve: tuple[Evaluated, ...] = ()
    """The metric at evaluations on the way."""
    notes: tuple[str, ...] = ()
    """What a person should know of its result and its ending, one line each."""
    max_retries: int = 0
    """How often a failure that is not the parameters' may be retried."""
    forgiven: int = 0
    """Attempts that a person does not count: the run is done again whatever became of them."""
    confirms: bool = False
    """Whether it runs a point of the search again to confirm it; it decides no rollout."""
    judgement: Judgement | None = None
    """Why it is to end on its way; None where it is not."""
    is_stopped_early: bool = False
    """Whether it was ended for that."""
    ended_before: Judgement | None = None
    """Why it was ended the first time, where it went on after all; it goes on once."""
    discarded: str | None = None
    """Why a person took it out of what is learned; None where nobody did."""
    anew: int = 0
    """Attempts before it was begun anew: what they left is kept beside the run and counts no more."""

    @property
    def state(self) -> RunState:
        """Where the run is."""
        if self.metrics is not None:
            return RunState.FINISHED
        if self.is_stopped_early:
            return RunState.STOPPED_EARLY
        if not self.attempts:
            return RunState.WAITING
        last = self.attempts[-1]
        if last.state.is_live:
            return RunState.RUNNING
        if last.failure is None or last.number <= self.forgiven:
            return RunState.WAITING
        if last.failure.kind.is_retried and self.retries < self.max_retries:
            return RunState.WAITING
        return RunState.FAILED

    @property
    def retries(self) -> int:
        """How many attempts that count failed for reasons that are retried, the last one left out."""
        counted = self.attempts[self.forgiven : -1]
        return sum(attempt.failure is not None and attempt.failure.kind.is_retried for attempt in counted)

    @property
    def failure(self) -> Failure | None:
        """The failure that ended the run, or None."""
        return self.attempts[-1].failure if self.state is RunState.FAILED else None

    @property
    def wall_s(self) -> float:
        """Seconds of all attempts that are over, since it was begun anew where it was."""
        return sum(attempt.wall_s for attempt in self.attempts[self.anew :])

    @property
    def begins_anew(self) -> bool:
        """Whether what an earlier attempt left is still in its place: nothing was started since."""
        return self.anew > 0 and all(attempt.handle is None for attempt in self.attempts[self.anew :])

    @property
    def share(self) -> float:
        """Share of its length that a run counts for: 1 unless it was stopped early."""
        if self.state is not RunState.STOPPED_EARLY or self.judgement is None:
            return 1.0
        done = max((steps for steps, _, _ in self.curve), default=0.0) / self.judgement.steps
        return min(1.0, max(self.judgement.share, done))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One suggestion and the runs that evaluate it."""

    index: int
    """0 for the first."""
    suggestion: Suggestion
    """What is evaluated."""
    run_ids: tuple[str, ...]
    """Its runs, in the order of their seeds."""
    machine: str = ""
    """The machine that did it, where another one did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What Protein learns from a rollout."""

    rollout: int
    """Where it comes from."""
    params: Mapping[str, Any]
    """The suggestion's values."""
    metric: float | None
    """Mean of the metric over the runs, raw; None for an infeasible point."""
    noise: float | None = None
    """Variance of that mean, where at least two runs tell it; raw units squared."""
    cost_s: float = 0.0
    """Mean cost of a run, seconds."""
    curve: tuple[Evaluated, ...] = ()
    """Mean learning curve, at the steps that all runs evaluated."""
    steps: float | None = None
    """Mean training steps of a whole run, where known."""
    is_stopped_early: bool = False
    """Whether a run was ended on its way: its curve is all that is known of the point."""
    by_seed: Mapping[int, float] = field(default_factory=dict)
    """The metric of each run by its seed, raw, where points are compared on the same seeds."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Mean of every metric of several goals and of bounds, raw; empty where there is one metric and no bound."""
    noises: Mapping[str, float] = field(default_factory=dict)
    """Variances of those means, where at least two runs tell them."""
    broken: tuple[Bound, ...] = ()
    """The bounds that it does not keep: it is known, and never the best."""

    @property
    def curve_by_share(self) -> tuple[CurvePoint, ...]:
        """The curve by the share of a run's length; where that is not known, the last evaluation is its end."""
        length = self.steps or max((steps for steps, _, _ in self.curve), default=0.0)
        seen = ((steps / length, metric, cost) for steps, metric, cost in self.curve if steps > 0.0)
        return tuple((min(1.0, share), metric, cost) for share, metric, cost in seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """The rollout whose point to train again instead of the best run's, whose score is more luck than merit."""

    rollout: int
    """The rollout."""
    mean: float
    """What the optimizer takes many runs of its point to give, raw metric."""
    low: float
    """5% quantile of that mean."""
    high: float
    """95% quantile of that mean."""
    chance: float
    """Chance that its point is better than the other's."""
    instead_of: int
    """The rollout with the best score."""
    instead_mean: float
    """What the optimizer takes many runs of that one's point to give."""
