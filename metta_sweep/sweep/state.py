"""The state of a sweep: a pure fold of its events, with nothing stored that can be derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import replace
from functools import singledispatchmethod
from typing import Any

from metta_sweep.result.values import as_cost_s, as_metric, as_number, as_steps
from metta_sweep.sweep.attempts import WrongTransitionError, begun, begun_anew, moved
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptRefused,
    AttemptStarted,
    AttemptSubmitted,
    AttemptUnknown,
    ConfirmationChosen,
    ConfirmationPlanned,
    CorrectionRefused,
    Event,
    Instructed,
    PlannedRun,
    PointAdded,
    RolloutCeded,
    RolloutSuggested,
    RunDiscarded,
    RunFinished,
    RunJudged,
    RunRestored,
    RunResumed,
    RunRetried,
    RunStoppedEarly,
    SourcesRead,
    SweepAsked,
    SweepRegistered,
    SweepStopped,
)
from metta_sweep.sweep.known import KnownSweep
from metta_sweep.sweep.observing import counted, observation_of
from metta_sweep.sweep.records import AttemptState, Evaluated, Rollout, Run, RunState, SweepSpec
from metta_sweep.sweep.scores import Scores, judged_by, rejudged


class SweepState(KnownSweep):
    """What is known about a sweep. ``apply`` is its only mutator; everything else is read from it.

    Costs: applying an event is O(1) in the number of runs.
    """

    @classmethod
    def fold(cls, events: Iterable[Event]) -> SweepState:
        """Return the state after all events in order.

        Raises:
            WrongTransitionError: An event does not fit what came before it.
        """
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        self._apply(event)
        self.elapsed_s = max(self.elapsed_s, event.elapsed_s)
        if not isinstance(event, SweepStopped | SweepRegistered | RunDiscarded | RunRestored | CorrectionRefused):
            self.stopped = None
            if not isinstance(event, SweepAsked | RunRetried):
                self._to_retry.clear()

    @singledispatchmethod
    def _apply(self, event: Event) -> None:
        raise WrongTransitionError(f"no rule for event {event.KIND!r}")

    @_apply.register
    def _(self, event: SweepAsked) -> None:
        before, now = self._spec, event.spec
        rescored = before is not None and judged_by(before) != judged_by(now)
        self._spec = event.spec
        self.starts.append(event)
        self.instructed = None
        self._refusals.clear()
        self._forget_hopeless()
        self._scores.take_up()
        renewed = self._versions.take_up(event.spec, rollouts=len(self._rollouts))
        if before is not None and rescored:
            self._rescore(before)
        elif renewed:
            self.confirmation = None
            self._choose_best()

    def _forget_hopeless(self) -> None:
        """Somebody tries again: what stopped the sweep had another cause than the parameters, and is not learned."""
        all_failed = self.stopped is not None and self.stopped.rule == "failed"
        for seen in self._crashes.blameless(all_failed=all_failed):
            self._scores.observations.pop(seen.rollout, None)
            self._to_retry[seen.run_id] = None
        self._crashes.clear()

    @_apply.register
    def _(self, event: RolloutSuggested) -> None:
        if event.rollout != len(self._rollouts):
            raise WrongTransitionError(f"rollout {event.rollout} suggested after {len(self._rollouts)} rollouts")
        rollout = Rollout(
            index=event.rollout,
            suggestion=event.suggestion,
            run_ids=tuple(run.run_id for run in event.runs),
            machine=event.machine,
        )
        for planned in event.runs:
            self._plan(planned, event)
        if event.given is not None:
            self._given.append(event.given)
        self._rollouts.append(rollout)
        self._open[rollout.index] = rollout

    @_apply.register
    def _(self, event: PointAdded) -> None:
        self._added.setdefault(event.id, event.point)
        self._requested.add(event.id)

    @_apply.register
    def _(self, event: SourcesRead) -> None:
        self._sources |= {source.name: source for source in event.sources}

    @_apply.register
    def _(self, event: RolloutCeded) -> None:
        if event.rollout not in self._open or any(
            run.state is RunState.RUNNING for run in self.runs_of(self._rollouts[event.rollout])
        ):
            raise WrongTransitionError(f"rollout {event.rollout} is running or over and cannot be left to others")
        del self._open[event.rollout]
        self._ceded.add(event.rollout)

    @_apply.register
    def _(self, event: ConfirmationChosen) -> None:
        self.confirmation = event
        self._known_when_chosen = {index: len(counted(self.confirmations_of(index))) for index in self._confirming}

    @_apply.register
    def _(self, event: ConfirmationPlanned) -> None:
        if event.rollout >= len(self._rollouts):
            raise WrongTransitionError(f"run {event.run.run_id} confirms rollout {event.rollout}, which does not exist")
        self._plan(event.run, event)
        self._confirming[event.rollout] = (*self._confirming.get(event.rollout, ()), event.run.run_id)

    def _plan(self, planned: PlannedRun, event: RolloutSuggested | ConfirmationPlanned) -> None:
        if planned.run_id in self._runs:
            raise WrongTransitionError(f"run {planned.run_id} is planned twice")
        self._runs[planned.run_id] = Run(
            run_id=planned.run_id,
            rollout=event.rollout,
            seed=planned.seed,
            max_retries=event.max_retries,
            confirms=isinstance(event, ConfirmationPlanned),
        )

    @_apply.register
    def _(self, event: AttemptStarted) -> None:
        self._runs[event.run_id] = begun(self._run(event.run_id), event.attempt, event.elapsed_s, event.launcher)
        self._live[event.run_id] = None
        self._versions.forget(self._runs[event.run_id].rollout)

    @_apply.register
    def _(self, event: AttemptSubmitted) -> None:
        self._change(event.run_id, event.attempt, AttemptState.RUNNING, handle=event.handle)
        self._refusals.clear()

    @_apply.register
    def _(self, event: AttemptUnknown) -> None:
        run = self._run(event.run_id)
        last = run.attempts[-1] if run.attempts else None
        if last is None or last.number != event.attempt or not last.state.is_live:
            raise WrongTransitionError(f"{run.run_id}: attempt {event.attempt} is not alive and cannot become unknown")
        self._runs[run.run_id] = replace(run, attempts=(*run.attempts[:-1], replace(last, unknown=event.reason)))

    @_apply.register
    def _(self, event: AttemptRefused) -> None:
        self._change(event.run_id, event.attempt, AttemptState.INTERRUPTED)
        self._refusals.append(event)

    @_apply.register
    def _(self, event: AttemptInterrupted) -> None:
        self._change(event.run_id, event.attempt, AttemptState.INTERRUPTED, wall_s=_seconds(event.wall_s))

    @_apply.register
    def _(self, event: AttemptFailed) -> None:
        wall_s = _seconds(event.wall_s)
        run = self._change(event.run_id, event.attempt, AttemptState.FAILED, failure=event.failure, wall_s=wall_s)
        if not run.confirms and not self._rollouts[run.rollout].machine:
            self._crashes.add(event.failure, run)
        if run.state is RunState.FAILED:
            self._settle(replace(run, cost_s=run.wall_s))

    @_apply.register
    def _(self, event: RunFinished) -> None:
        run = self._change(event.run_id, event.attempt, AttemptState.FINISHED, wall_s=_seconds(event.wall_s))
        cost_s = as_cost_s(event.cost_s)
        finished = replace(
            run,
            metrics=self.spec.with_value(_numbers(event.metrics)),
            cost_s=run.wall_s if cost_s is None else cost_s,
            steps=as_steps(event.steps),
            curve=_curve(event.curve),
            notes=event.notes,
        )
        self._crashes.succeed()
        self._scores.note_metric(finished, self.spec)
        self._settle(finished)

    @_apply.register
    def _(self, event: RunJudged) -> None:
        run = self._run(event.run_id)
        if run.state is not RunState.RUNNING or run.attempts[-1].number != event.attempt:
            raise WrongTransitionError(f"{run.run_id}: attempt {event.attempt} is not under way and cannot be judged")
        self._runs[run.run_id] = replace(run, judgement=event.judgement)

    @_apply.register
    def _(self, event: RunStoppedEarly) -> None:
        wall_s = _seconds(event.wall_s)
        run = self._change(event.run_id, event.attempt, AttemptState.INTERRUPTED, wall_s=wall_s)
        if run.judgement is None:
            raise WrongTransitionError(f"{run.run_id}: stopped early without having been judged")
        self._stopped_early[run.run_id] = None
        self._settle(replace(run, is_stopped_early=True, cost_s=run.wall_s, curve=_curve(event.curve)))

    @_apply.register
    def _(self, event: RunRetried) -> None:
        run = self._run(event.run_id)
        if run.state is RunState.RUNNING:
            raise WrongTransitionError(f"{run.run_id}: only a run that is over is retried, and it is {run.state}")
        self._to_retry.pop(run.run_id, None)
        self._crashes.forget(run.run_id)
        again = replace(run, forgiven=len(run.attempts), discarded=None)
        if event.seed is not None or run.state in (RunState.FINISHED, RunState.STOPPED_EARLY):
            again = begun_anew(again, event.seed)
            self._counted_s.pop(run.run_id, None)
            self._stopped_early.pop(run.run_id, None)
        self._note_request(event.id)
        self._replace(again)

    @_apply.register
    def _(self, event: RunDiscarded) -> None:
        run = self._run(event.run_id)
        if not run.state.is_over:
            raise WrongTransitionError(f"{run.run_id}: only a run that is over is discarded, and it is {run.state}")
        self._to_retry.pop(run.run_id, None)
        self._crashes.forget(run.run_id)
        self._note_request(event.id)
        self._replace(replace(run, discarded=event.why))

    @_apply.register
    def _(self, event: RunRestored) -> None:
        self._note_request(event.id)
        self._replace(replace(self._run(event.run_id), discarded=None))

    @_apply.register
    def _(self, event: CorrectionRefused) -> None:
        self._note_request(event.id)

    def _note_request(self, request_id: str) -> None:
        if request_id:
            self._requested.add(request_id)

    def _replace(self, run: Run) -> None:
        """Take another form of a run into account: derive anew whether its rollout is decided, and what it says."""
        self._runs[run.run_id] = run
        if run.confirms or run.rollout in self._ceded:
            return
        rollout = self._rollouts[run.rollout]
        was_decided, is_decided = rollout.index not in self._open, self.is_decided(rollout)
        if was_decided and not is_decided:
            self._open[rollout.index] = rollout
            self._decided.remove(rollout)
        elif is_decided and not was_decided:
            del self._open[rollout.index]
            self._decided.append(rollout)
        before = self._scores.observations.pop(rollout.index, None)
        if is_decided:
            self._observe(rollout)
        if before != self._scores.observations.get(rollout.index):
            self.confirmation = None
            self._choose_best()

    @_apply.register
    def _(self, event: RunResumed) -> None:
        run = self._run(event.run_id)
        if run.state is not RunState.STOPPED_EARLY or run.ended_before is not None:
            raise WrongTransitionError(f"{run.run_id}: only a run that was stopped early goes on, and once")
        self._runs[run.run_id] = replace(run, judgement=None, is_stopped_early=False, ended_before=run.judgement)
        del self._stopped_early[run.run_id]
        rollout = self._rollouts[run.rollout]
        self._open[rollout.index] = rollout
        self._decided.remove(rollout)

    @_apply.register
    def _(self, event: Instructed) -> None:
        if event.run_id:
            self._to_end[event.run_id] = event.source
        else:
            self.instructed = event

    @_apply.register
    def _(self, event: SweepRegistered) -> None:
        self.registered = event

    @_apply.register
    def _(self, event: SweepStopped) -> None:
        self.stopped = event

    def _change(self, run_id: str, number: int, to: AttemptState, **what: Any) -> Run:
        """Move the run's last attempt to another state and return the run."""
        run = self._runs[run_id] = moved(self._run(run_id), number, to, **what)
        if not to.is_live:
            del self._live[run_id]
            self._to_end.pop(run_id, None)
        return run

    def _run(self, run_id: str) -> Run:
        try:
            return self._runs[run_id]
        except KeyError:
            raise WrongTransitionError(f"run {run_id} was never planned") from None

    def _settle(self, run: Run) -> None:
        """Record a run that is over, and its rollout where that is decided by it."""
        self._runs[run.run_id] = run
        self.total_cost_s += run.cost_s - self._counted_before(run)
        self._counted_s[run.run_id] = run.cost_s
        if run.confirms:
            return
        rollout = self._rollouts[run.rollout]
        if run.rollout in self._open and self.is_decided(rollout):
            del self._open[run.rollout]
            self._decided.append(rollout)
        if run.rollout not in self._open:
            self._observe(rollout)

    def _counted_before(self, run: Run) -> float:
        """Return what of a run's cost is counted already: of one that went on, what it had cost until it was ended."""
        counted = self._counted_s.get(run.run_id, 0.0)
        return counted if run.metrics is None or run.ended_before is not None else 0.0

    def _observe(self, rollout: Rollout) -> None:
        observation = observation_of(rollout, counted(self.runs_of(rollout)), self.spec)
        if observation is not None:
            self._scores.observe(observation, self.spec, is_outside=bool(self.outside(rollout)))

    def _choose_best(self) -> None:
        """Choose the best observation anew: which of them count has changed."""
        self._scores.choose_anew(self._decided, self.spec, lambda rollout: bool(self.outside(rollout)))

    def _rescore(self, before: SweepSpec) -> None:
        """Derive every observation anew: the metric, the goal or a bound has changed."""
        self._scores, self.confirmation = Scores(), None
        self._runs = rejudged(self._runs, before, self.spec)
        for run in self._runs.values():
            if run.metrics is not None:
                self._scores.note_metric(run, self.spec)
        for rollout in self._decided:
            self._observe(rollout)

    def judged_by(self, spec: SweepSpec) -> SweepState:
        """Return the same sweep judged by the metrics, goals and bounds of another request; this one stays as it is.

        For readers: what one goal of several, or weights, make the best. O(n).
        """
        other, before = copy(self), self.spec
        other._spec = spec
        other._rescore(before)
        return other


def _curve(points: Iterable[tuple[float, float, float]]) -> tuple[Evaluated, ...]:
    """Return the points that are three numbers each."""
    return tuple(point for point in points if len(point) == 3 and None not in map(as_metric, point))


def _numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    """Return the metrics that are numbers: an older version stored whatever a run had reported."""
    return {name: number for name, value in dict(metrics).items() if (number := as_number(value)) is not None}


def _seconds(value: object) -> float:
    """Return a time that a launcher measured; 0 where an older version stored something that is none."""
    return as_cost_s(value) or 0.0
