"""What there is to show of a sweep: frozen rows derived from its state, with no format in them."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metta_sweep.goal import Bound, Goal
from metta_sweep.optimize.port import Source, Suggestion
from metta_sweep.optimize.stopping import whole_cost
from metta_sweep.report.failures import FailureRow, failure_rows
from metta_sweep.report.wording import short_names
from metta_sweep.sweep.events import SweepStopped
from metta_sweep.sweep.front import scores_of, share_of_box
from metta_sweep.sweep.judging import start_share_of
from metta_sweep.sweep.records import Failure, Judgement, Observation, Recommended, Rollout, Run, RunState, SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.verdict import Confirmed, Verdict, ends_of, verdict_of

COMMON = 4
"""Runs that have the same note from which it is said once for all of them."""


class RolloutState(enum.StrEnum):
    """Where a rollout is; derived from its runs."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED_EARLY = "stopped_early"
    """A run of it was ended on its way, as it would not win."""
    FAILED = "failed"
    UNSCORED = "unscored"
    """Every run has a result, but some result lacks the metric."""
    DISCARDED = "discarded"
    """A person has taken all of its runs out of what is learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run."""

    run_id: str
    """``NAME.r.K``."""
    rollout: int
    """Index of its rollout."""
    seed: int
    """Seed of the training."""
    state: RunState
    """Where it is."""
    metric: float | None
    """The sweep's metric, raw; None where there is no finite value."""
    metrics: Mapping[str, float]
    """All final metrics; empty while there is no result."""
    cost_s: float
    """Cost so far, seconds."""
    steps: int | None
    """Training steps, where reported."""
    attempts: int
    """Processes that tried it."""
    failure: Failure | None
    """Why it failed for good."""
    confirms: bool = False
    """Whether it ran the point again after the search, to confirm it."""
    notes: tuple[str, ...] = ()
    """What a person should know of its result and its ending."""
    share: float = 1.0
    """Share of its length that it did, where it was stopped early."""
    whole_cost_s: float = 0.0
    """Seconds that the run would have taken in full, by its pace and by what other runs take to start."""
    judgement: Judgement | None = None
    """Why it was stopped early; None where it was not."""
    went_on: bool = False
    """Whether it was stopped early once and went on after all."""
    discarded: str | None = None
    """Why a person took it out of what is learned; None where nobody did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRow:
    """One rollout with its runs."""

    index: int
    """0 for the first."""
    state: RolloutState
    """Where it is."""
    suggestion: Suggestion
    """The point, its origin and what was expected of it."""
    runs: tuple[RunRow, ...]
    """Its runs, in order."""
    best: RunRow | None
    """The run with the best metric; the first among equals; None while there is none."""
    mean: float | None
    """Mean of the metric over its runs, raw; None while the rollout has no score."""
    standard_error: float | None
    """Standard error of that mean, where several runs tell it."""
    failure: Failure | None
    """The failure that decided it."""
    confirmations: tuple[RunRow, ...] = ()
    """Runs that confirm its point; they have no part in its mean."""
    version: int = 1
    """The version of the search space in which it was suggested."""
    outside: str = ""
    """Why it does not count in the present space; empty where it does."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Mean of every metric of several goals and of bounds, raw; empty where there is one metric and no bound."""
    standard_errors: Mapping[str, float] = field(default_factory=dict)
    """Their standard errors, where several runs tell them."""
    broken: tuple[Bound, ...] = ()
    """The bounds that it does not keep: it is known, and never the best."""

    @property
    def scored(self) -> int:
        """How many runs its mean is of."""
        return sum(run.metric is not None and run.discarded is None for run in self.runs)

    @property
    def params(self) -> Mapping[str, Any]:
        """The suggestion's values by dotted path."""
        return self.suggestion.params

    @property
    def expected_end(self) -> float | None:
        """What was expected of its end when it was stopped early, raw; None where it was not, or no model judged."""
        if self.state is not RolloutState.STOPPED_EARLY:
            return None
        ends = (run.judgement.final for run in self.runs if run.judgement is not None)
        return next((final[0] for final in ends if final is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRows:
    """A sweep as a person asks about it."""

    words: tuple[str, ...]
    """The words of the command that asked for it; empty where they are not known."""
    spec: SweepSpec
    """The latest request."""
    rollouts: tuple[RolloutRow, ...]
    """Every rollout, in order."""
    best_run: RunRow | None
    """The best run of the search, the earliest among equals; the best one of the confirmed point where there is one."""
    best_rollout: RolloutRow | None
    """The confirmed rollout, or while there is none the one with the best mean."""
    failures: tuple[FailureRow, ...]
    """Failures by class, the most frequent first."""
    run_counts: Mapping[RunState, int]
    """Runs by state."""
    reporting: int
    """Finished runs of the search that reported before their end too."""
    decided: int
    """Rollouts whose outcome is known."""
    counted: int
    """Rollouts that count: all but those that were left to other machines."""
    cost_s: float
    """Seconds of all runs that are over."""
    elapsed_s: float
    """Seconds that controllers have spent on the sweep."""
    stopped: SweepStopped | None
    """Why the last controller let go; None while one is at work, or after it died."""
    short: Mapping[str, str]
    """Short name of every parameter by dotted path."""
    dashboard: str
    """Address of the sweep's page at W&B; empty where it has none."""
    versions: int = 1
    """How many search spaces the sweep has had."""
    unspent: float = 0.0
    """Whole rollouts that were saved by stopping runs early."""
    verdict: Verdict | None = None
    """What the confirmation says; None where none was begun."""
    sources: tuple[Source, ...] = ()
    """What other sweeps know that is evidence for this one."""
    evidence: tuple[Observation, ...] = ()
    """What the sweep's own rollouts gave in the present space, to weigh the sources by; empty without any."""
    front: tuple[int, ...] = ()
    """The rollouts of the Pareto front of several goals, in order; there is no one best then."""
    chosen: bool = False
    """Whether one goal or weights chose of the front of a sweep that has several: nothing of it is confirmed."""
    front_share: float | None = None
    """Its hypervolume as a share of the box between the worst and the best seen; None where that box is flat."""
    common_notes: Mapping[str, int] = field(default_factory=dict)
    """Notes that many runs have, and how many: they are said once."""
    recommended: Recommended | None = None
    """What to train again instead of the best run's point; None where nothing is better known than its score."""
    ceiling: float = math.inf
    """Score, larger is better, that no run exceeds by what is declared or was shown; infinite where that is unknown."""

    @property
    def runs(self) -> list[RunRow]:
        """Every run of the search in order, then those that confirm."""
        searching = [run for rollout in self.rollouts for run in rollout.runs]
        return searching + [run for rollout in self.rollouts for run in rollout.confirmations]

    @property
    def ended_runs(self) -> list[RunRow]:
        """Runs that were stopped early, in order."""
        return [run for run in self.runs if run.state is RunState.STOPPED_EARLY]

    @property
    def winner(self) -> Confirmed | None:
        """What the confirmation says of the best; None where the best is not confirmed."""
        return None if self.verdict is None else self.verdict.winner

    @property
    def is_confirming(self) -> bool:
        """Whether a confirmation was begun and is not over."""
        return self.verdict is not None and not self.verdict.is_over and not self.verdict.is_stale

    @property
    def is_complete(self) -> bool:
        """Whether every rollout that was asked for is decided."""
        return self.spec.rollout_count <= self.decided == self.counted


def rows_of(state: SweepState) -> SweepRows:
    """Return the rows of a sweep. O(n) in the number of runs.

    Raises:
        WrongTransitionError: The state is empty.
    """
    spec = state.spec
    start = start_share_of(state)
    rollouts = tuple(rollout_row(state, rollout, start) for rollout in state.rollouts)
    verdict = verdict_of(state)
    winner = None if verdict is None else verdict.winner
    first = winner or state.incumbent
    inside = tuple(row for row in rollouts if not row.outside and not row.broken and not spec.has_front)
    contenders = inside if winner is None else (rollouts[winner.rollout],)
    return SweepRows(
        words=state.asked.words if state.asked is not None else (),
        spec=spec,
        rollouts=rollouts,
        best_run=_best([row.best for row in contenders if row.best is not None], spec.goal),
        best_rollout=None if first is None else rollouts[first.rollout],
        front=tuple(seen.rollout for seen in state.front),
        chosen=state.asked is not None and state.asked.spec.has_front and not spec.has_front,
        front_share=_front_share(state),
        failures=failure_rows(state),
        run_counts=dict(Counter(run.state for run in state.runs.values())),
        reporting=sum(len(run.curve) > 1 and not run.confirms for run in state.runs.values() if run.metrics),
        decided=len(state.decided_rollouts),
        counted=state.counted_rollouts,
        unspent=state.counted_rollouts - state.full_rollouts,
        cost_s=state.total_cost_s,
        elapsed_s=state.elapsed_s,
        stopped=state.stopped,
        short=short_names(name for rollout in rollouts for name in rollout.params),
        dashboard="" if state.registered is None else state.registered.url,
        versions=len(state.versions),
        verdict=verdict,
        sources=state.sources,
        evidence=tuple(state.evidence.values()) if state.sources else (),
        common_notes=_common_notes(state),
        recommended=_recommended(state, winner),
        ceiling=ends_of(state).ceiling,
    )


def _recommended(state: SweepState, winner: Confirmed | None) -> Recommended | None:
    """Return what was recommended when the search ended, as long as what it was compared with is still the best."""
    told = None if state.stopped is None or winner is not None else state.stopped.recommended
    best = state.incumbent
    is_valid = (
        told is not None and best is not None and best.rollout == told.instead_of and told.rollout in state.evidence
    )
    return told if is_valid else None


def _front_share(state: SweepState) -> float | None:
    """Return the hypervolume of the front, of the box of all that keeps the bounds in the present space."""
    objectives = state.spec.objectives
    seen = [one for one in state.evidence.values() if one.metric is not None and not one.broken]
    if not state.front or not seen:
        return None
    return share_of_box(
        [scores_of(one, objectives) for one in state.front], [scores_of(one, objectives) for one in seen]
    )


def _common_notes(state: SweepState) -> dict[str, int]:
    amounts = Counter(note for run in state.runs.values() for note in run.notes)
    return {note: amount for note, amount in amounts.items() if amount >= COMMON}


def rollout_row(state: SweepState, rollout: Rollout, start: float | None = None) -> RolloutRow:
    """Return the row of one rollout.

    Args:
        state: The sweep.
        rollout: One of its rollouts.
        start: See :func:`metta_sweep.sweep.judging.start_share_of`; found out where it is left out.
    """
    start = start_share_of(state) if start is None else start
    runs = tuple(_run_row(run, state.spec, start) for run in state.runs_of(rollout))
    observation = state.observations.get(rollout.index)
    mean = observation.metric if observation is not None else None
    noise = observation.noise if observation is not None else None
    failure = state.failure_of(rollout)
    return RolloutRow(
        index=rollout.index,
        state=_state_of(runs, failure, mean),
        suggestion=rollout.suggestion,
        runs=runs,
        best=_best(runs, state.spec.goal),
        mean=mean,
        standard_error=None if noise is None else math.sqrt(noise),
        failure=failure,
        confirmations=tuple(_run_row(run, state.spec, start) for run in state.confirmations_of(rollout.index)),
        version=state.version_of(rollout).number,
        outside=state.outside(rollout),
        values={} if observation is None else observation.values,
        standard_errors={} if observation is None else {n: math.sqrt(v) for n, v in observation.noises.items()},
        broken=() if observation is None else observation.broken,
    )


def _run_row(run: Run, spec: SweepSpec, start: float) -> RunRow:
    cost_s = run.cost_s or run.wall_s
    metrics = run.metrics or {}
    value = None if spec.missing_in(metrics) else metrics.get(spec.metric)
    return RunRow(
        run_id=run.run_id,
        rollout=run.rollout,
        seed=run.seed,
        state=run.state,
        metric=value if value is not None and math.isfinite(value) else None,
        metrics=metrics,
        cost_s=cost_s,
        steps=run.steps,
        attempts=len(run.attempts),
        failure=run.failure,
        share=run.share,
        whole_cost_s=whole_cost(cost_s, run.share, start),
        judgement=run.judgement if run.state is RunState.STOPPED_EARLY else None,
        went_on=run.ended_before is not None,
        confirms=run.confirms,
        notes=run.notes,
        discarded=run.discarded,
    )


def _state_of(every: tuple[RunRow, ...], failure: Failure | None, mean: float | None) -> RolloutState:
    runs = [run for run in every if run.discarded is None]
    if not runs:
        return RolloutState.DISCARDED
    if failure is not None:
        return RolloutState.FAILED
    if any(run.state is RunState.STOPPED_EARLY for run in runs):
        return RolloutState.STOPPED_EARLY
    if all(run.state is RunState.FINISHED for run in runs):
        return RolloutState.UNSCORED if mean is None else RolloutState.FINISHED
    started = any(run.state is not RunState.WAITING for run in runs)
    return RolloutState.RUNNING if started else RolloutState.WAITING


def _best(runs: list[RunRow] | tuple[RunRow, ...], goal: Goal) -> RunRow | None:
    """Return the run with the best metric; ``max`` keeps the first among equals."""
    scored = [(goal.score(run.metric), run) for run in runs if run.metric is not None and run.discarded is None]
    return max(scored, key=lambda pair: pair[0])[1] if scored else None
