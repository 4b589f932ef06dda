"""The state of a sweep: a pure fold of its events, with nothing stored that can be derived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import singledispatchmethod
from typing import Any

from metta_sweep.optimize.port import Source
from metta_sweep.result.values import as_cost_s, as_metric, as_number, as_steps
from metta_sweep.sweep.attempts import WrongTransitionError, begun, moved
from metta_sweep.sweep.crashes import Crashes
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
from metta_sweep.sweep.front import with_one_more
from metta_sweep.sweep.observing import (
    counted,
    deciding_failure,
    observation_of,
    partial_observation_of,
    says_something,
)
from metta_sweep.sweep.records import (
    AttemptState,
    Evaluated,
    Failure,
    Observation,
    Rollout,
    Run,
    RunState,
    SweepSpec,
)
from metta_sweep.sweep.versions import Placed, Version, Versions


class SweepState:
    """What is known about a sweep. ``apply`` is its only mutator; everything else is read from it.

    Costs: applying an event is O(1) in the number of runs; so are all properties except those that say otherwise.
    """

    def __init__(self) -> None:
        self._spec: SweepSpec | None = None
        self._runs: dict[str, Run] = {}
        self._rollouts: list[Rollout] = []
        self._open: dict[int, Rollout] = {}
        self._decided: list[Rollout] = []
        self._observations: dict[int, Observation] = {}
        self._incumbent: Observation | None = None
        self._front: list[Observation] = []
        self._live: dict[str, None] = {}
        self._crashes = Crashes()
        self._refusals: list[AttemptRefused] = []
        self._ceded: set[int] = set()
        self._stopped_early: dict[str, None] = {}
        self._confirming: dict[int, tuple[str, ...]] = {}
        self._known_when_chosen: dict[int, int] = {}
        self._counted_s: dict[str, float] = {}
        self._to_retry: dict[str, None] = {}
        self._versions = Versions()
        self._added: dict[str, Mapping[str, Any]] = {}
        self._requested: set[str] = set()
        self._given: list[Mapping[str, Any]] = []
        self._sources: dict[str, Source] = {}
        self._unscored: list[Run] = []
        self._unscored_before = 0
        self._is_scored = False
        self.total_cost_s = 0.0
        """Seconds of all runs so far, failed ones included."""
        self.elapsed_s = 0.0
        """Seconds that controllers had spent on the sweep at the last event."""
        self.starts: list[SweepAsked] = []
        """Every request, in order."""
        self.registered: SweepRegistered | None = None
        """Where the dashboard keeps the sweep."""
        self.stopped: SweepStopped | None = None
        """Why the last controller let go; None while one is at work or after it died."""
        self.instructed: Instructed | None = None
        """What was last asked of the controller since it took up the sweep."""
        self._to_end: dict[str, str] = {}
        self.confirmation: ConfirmationChosen | None = None
        """Which points are run again; None while nothing was chosen or after another metric is asked for."""

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

    # ---------------------------------------------------------------- what happened

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
        rescored = before is not None and _judged_by(before) != _judged_by(now)
        self._spec = event.spec
        self.starts.append(event)
        self.instructed = None
        self._refusals.clear()
        self._forget_hopeless()
        self._unscored_before = len(self._unscored)
        renewed = self._versions.take_up(event.spec, rollouts=len(self._rollouts))
        if before is not None and rescored:
            self._rescore(before)
        elif renewed:
            self.confirmation = None
            self._choose_incumbent()

    def _forget_hopeless(self) -> None:
        """Somebody tries again: what stopped the sweep had another cause than the parameters, and is not learned."""
        all_failed = self.stopped is not None and self.stopped.rule == "failed"
        for seen in self._crashes.blameless(all_failed=all_failed):
            self._observations.pop(seen.rollout, None)
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
        self._note_metric(finished)
        self._settle(finished)

    def _note_metric(self, run: Run) -> None:
        """Take note of whether a run that finished has the metrics, which may be misspelled."""
        if not self.spec.missing_in(run.metrics or {}):
            self._is_scored = True
        else:
            self._unscored.append(run)

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
            again = _begun_anew(again, event.seed)
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
        before = self._observations.pop(rollout.index, None)
        if is_decided:
            self._observe(rollout)
        if before != self._observations.get(rollout.index):
            self.confirmation = None
            self._choose_incumbent()

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
        if observation is None:
            return
        self._observations[rollout.index] = observation
        self._consider(observation)

    def _consider(self, observation: Observation) -> None:
        """Make an observation the incumbent where it beats the one so far and its point is one of the space.

        One that breaks a bound never is. Where several metrics are traded off there is none, but a front.
        """
        if observation.metric is None or observation.broken or self.outside(self._rollouts[observation.rollout]):
            return
        if self.spec.has_front:
            self._front = with_one_more(self._front, observation, self.spec.objectives)
            return
        best, score = self._incumbent, self.spec.goal.score
        if best is None or best.metric is None or score(observation.metric) > score(best.metric):
            self._incumbent = observation

    def _choose_incumbent(self) -> None:
        """Choose the best observation anew: which of them count has changed."""
        self._incumbent, self._front = None, []
        for rollout in self._decided:
            if rollout.index in self._observations:
                self._consider(self._observations[rollout.index])

    def _rescore(self, before: SweepSpec) -> None:
        """Derive every observation anew: the metric, the goal or a bound has changed."""
        self._observations.clear()
        self._incumbent = self.confirmation = None
        self._front = []
        self._unscored, self._unscored_before, self._is_scored = [], 0, False
        self._runs = {run_id: _rejudged(run, before, self.spec) for run_id, run in self._runs.items()}
        for run in self._runs.values():
            if run.metrics is not None:
                self._note_metric(run)
        for rollout in self._decided:
            self._observe(rollout)

    def judged_by(self, spec: SweepSpec) -> SweepState:
        """Return the same sweep judged by the metrics, goals and bounds of another request; this one stays as it is.

        For readers: what one goal of several, or weights, make the best. O(n).
        """
        other, before = copy(self), self.spec
        other._observations, other._spec = {}, spec
        other._rescore(before)
        return other

    # ---------------------------------------------------------------- what is so

    @property
    def spec(self) -> SweepSpec:
        """The latest request.

        Raises:
            WrongTransitionError: Nothing was asked yet.
        """
        if self._spec is None:
            raise WrongTransitionError("the journal does not begin with what was asked")
        return self._spec

    @property
    def asked(self) -> SweepAsked | None:
        """The latest request."""
        return self.starts[-1] if self.starts else None

    @property
    def created(self) -> SweepAsked | None:
        """The first request."""
        return self.starts[0] if self.starts else None

    def start_of(self, run: Run) -> SweepAsked | None:
        """Return the request under which a run was last started, in O(starts); None where another machine did it."""
        if not run.attempts or self._rollouts[run.rollout].machine:
            return None
        started_s = run.attempts[-1].started_s
        return next((start for start in reversed(self.starts) if start.elapsed_s <= started_s), None)

    @property
    def queued_points(self) -> list[Mapping[str, Any]]:
        """Points that a person gave and that were not suggested yet, in the order in which they come. O(n) in them."""
        done = list(self._given)
        queue = []
        for point in (*self.spec.points, *self._added.values()):
            if point in done:
                done.remove(point)
            else:
                queue.append(point)
        return queue

    def has_request(self, request_id: str) -> bool:
        """Return whether a request that a person left for the controller is recorded already."""
        return request_id in self._requested

    @property
    def sources(self) -> tuple[Source, ...]:
        """What was read of the sweeps whose runs are evidence in the present request, in its order."""
        return tuple(self._sources[name] for name in self.spec.sources if name in self._sources)

    @property
    def kept_sources(self) -> Mapping[str, Source]:
        """What was ever read of other sweeps, by how a person named them."""
        return self._sources

    @property
    def versions(self) -> Sequence[Version]:
        """Every space that was searched, in order; the last is the present one."""
        return self._versions.all

    def preview(self, now: SweepSpec) -> list[tuple[Rollout, Placed]] | None:
        """Return where every rollout lies in a request's space, in O(n); None where that is the present one."""
        if not self._versions.differs(now):
            return None
        fit = self._versions.fit(now)
        return [(rollout, fit.place(rollout.suggestion.params, self._asked_for(rollout))) for rollout in self._rollouts]

    def placed(self, rollout: Rollout) -> Placed:
        """Return a rollout's point as the present space has it."""
        if len(self._versions.all) < 2:
            return Placed(params=rollout.suggestion.params)
        return self._versions.place(rollout.index, rollout.suggestion.params, self._asked_for(rollout))

    def outside(self, rollout: Rollout) -> str:
        """Return why a rollout's point is not a point of the present space; empty where it is one."""
        return self.placed(rollout).outside

    def version_of(self, rollout: Rollout) -> Version:
        """Return the version in which a rollout was suggested."""
        return self._versions.of(rollout.index)

    def _asked_for(self, rollout: Rollout) -> list[SweepSpec]:
        """Return the requests under which a rollout's runs were started, each once."""
        starts = [self.start_of(run) for run in self.runs_of(rollout)]
        found = {id(start): start.spec for start in starts if start is not None}
        return list(found.values()) or [self._versions.of(rollout.index).spec]

    @property
    def is_empty(self) -> bool:
        """Whether no event was applied yet."""
        return self._spec is None

    @property
    def rollouts(self) -> list[Rollout]:
        """Every rollout, in order."""
        return self._rollouts

    @property
    def counted_rollouts(self) -> int:
        """How many rollouts count: those that were left to others are counted as theirs."""
        return len(self._rollouts) - len(self._ceded)

    @property
    def full_rollouts(self) -> float:
        """How many rollouts of the whole length those that count have taken: a run that was stopped early is a share.

        Costs: O(n) in the runs that were stopped early.
        """
        lost = {run.rollout for run in self.stopped_early_runs}
        unspent = sum(self._unspent(self._rollouts[rollout]) for rollout in lost)
        return self.counted_rollouts - unspent

    def _unspent(self, rollout: Rollout) -> float:
        """Return the share of a rollout that its runs did not do: stopped early, or not started as another lost."""
        shares = [run.share if run.attempts else 0.0 for run in self.runs_of(rollout)]
        return 1.0 - sum(shares) / len(shares)

    @property
    def stopped_early_runs(self) -> list[Run]:
        """Runs that were ended as they would not win, in the order in which they were."""
        return [self._runs[run_id] for run_id in self._stopped_early]

    @property
    def resumable_runs(self) -> list[Run]:
        """Runs that were stopped early and may go on: their points are of the present space, and each goes on once.

        Of several runs a rollout none does: the others of it were not started, and it would be no mean of all.
        """
        return [
            run
            for run in self.stopped_early_runs
            if run.ended_before is None
            and run.discarded is None
            and len(self._rollouts[run.rollout].run_ids) == 1
            and not self._rollouts[run.rollout].machine
            and not self.outside(self._rollouts[run.rollout])
        ]

    @property
    def decided_rollouts(self) -> list[Rollout]:
        """Rollouts whose outcome is known, in the order in which it became known."""
        return self._decided

    @property
    def open_rollouts(self) -> list[Rollout]:
        """Rollouts whose outcome is not known yet, in order."""
        return list(self._open.values())

    @property
    def runs(self) -> Mapping[str, Run]:
        """Every run by id, in the order planned."""
        return self._runs

    def runs_of(self, rollout: Rollout) -> list[Run]:
        """Return the rollout's runs in order."""
        return [self._runs[run_id] for run_id in rollout.run_ids]

    @property
    def live_runs(self) -> list[Run]:
        """Runs of which a process may exist, in the order in which they were started."""
        return [self._runs[run_id] for run_id in self._live]

    def is_to_end(self, run: Run) -> str:
        """Return where somebody asked that a living run end; empty where nobody did."""
        return self._to_end.get(run.run_id, "")

    @property
    def waiting_runs(self) -> list[Run]:
        """Runs that are to be started, in order."""
        searching = (run_id for rollout in self._open.values() for run_id in rollout.run_ids)
        confirming = (run_id for run_ids in self._confirming.values() for run_id in run_ids)
        idle = (self._runs[run_id] for run_id in (*searching, *confirming) if run_id not in self._live)
        return [run for run in idle if run.state is RunState.WAITING]

    def confirmations_of(self, rollout: int) -> list[Run]:
        """Return the runs that confirm a rollout's point, in the order planned."""
        return [self._runs[run_id] for run_id in self._confirming.get(rollout, ())]

    def known_when_chosen(self, rollout: int) -> int:
        """Return how many of these an earlier confirmation had claimed before the points were chosen last."""
        return self._known_when_chosen.get(rollout, 0)

    @property
    def observations(self) -> Mapping[int, Observation]:
        """What came of each rollout that says something, whatever space it was suggested in."""
        return self._observations

    @property
    def evidence(self) -> Mapping[int, Observation]:
        """Those of them that count in the present space, each point as that space has it. O(n)."""
        if len(self._versions.all) < 2:
            return self._observations
        placed = {index: self.placed(self._rollouts[index]) for index in self._observations}
        return {
            index: replace(self._observations[index], params=at.params)
            for index, at in placed.items()
            if not at.outside
        }

    def lesson_of(self, rollout: Rollout) -> Observation | None:
        """Return what Protein is taught of a decided rollout.

        Runs that confirmed it count like its own, but where points are compared on the same seeds: theirs are others.
        """
        runs = counted(self.runs_of(rollout))
        partial, at = partial_observation_of(rollout, runs), self.placed(rollout)
        seen = partial or self._observations.get(rollout.index)
        if seen is None or at.outside:
            return None
        if self.spec.common_seeds and partial is None and seen.metric is not None:
            by_seed = {run.seed: run.metrics[self.spec.metric] for run in runs if run.metrics is not None}
            return replace(seen, params=at.params, by_seed=by_seed)
        confirming = counted(self.confirmations_of(rollout.index))
        again = [run for run in confirming if says_something(run, self.spec)]
        if again and partial is None:
            seen = observation_of(rollout, [*runs, *again], self.spec)
        return seen if seen is None or at.params is seen.params else replace(seen, params=at.params)

    @property
    def incumbent(self) -> Observation | None:
        """The best observation of the present space that keeps the bounds; the earliest among equals.

        None where several metrics are traded off: there is a :attr:`front` then.
        """
        return self._incumbent

    @property
    def front(self) -> Sequence[Observation]:
        """The Pareto front of several metrics: what keeps the bounds and no other beats in all of them, in order."""
        return self._front

    @property
    def has_score(self) -> bool:
        """Whether any rollout of the present space has a score, be it one that breaks a bound. O(n)."""
        if self._incumbent is not None or self._front:
            return True
        return any(seen.metric is not None for seen in self.evidence.values())

    @property
    def hopeless(self) -> list[Failure]:
        """The same failure as often as it came in a row, where that stops the sweep; empty where it does not."""
        return self._crashes.stopping

    @property
    def to_retry(self) -> list[str]:
        """Runs that are done again since their failure, which says nothing of them, had stopped the sweep."""
        return list(self._to_retry)

    @property
    def unscored(self) -> list[Run]:
        """Runs that finished without the metric, while none has ever had it; empty once one has."""
        return [] if self._is_scored else self._unscored

    @property
    def unscored_now(self) -> list[Run]:
        """Those of them that finished since the sweep was taken up last."""
        return self.unscored[self._unscored_before :]

    @property
    def refusals(self) -> list[AttemptRefused]:
        """Attempts that the launcher could not start, as many as came in a row at the end."""
        return self._refusals

    def is_decided(self, rollout: Rollout) -> bool:
        """Whether the rollout's outcome is known: all runs are over, or one failed for good or was stopped early.

        Runs that were discarded decide nothing.
        """
        runs = counted(self.runs_of(rollout))
        decides = (RunState.FAILED, RunState.STOPPED_EARLY)
        return any(run.state in decides for run in runs) or all(run.state.is_over for run in runs)

    def failure_of(self, rollout: Rollout) -> Failure | None:
        """Return the failure that decided the rollout, or None."""
        return deciding_failure(counted(self.runs_of(rollout)))


def _judged_by(spec: SweepSpec) -> tuple[object, ...]:
    """Return everything that decides what a run's metrics are worth."""
    return spec.metric, spec.goal, spec.objectives, spec.bounds


def _rejudged(run: Run, before: SweepSpec, now: SweepSpec) -> Run:
    """Return a run as it is judged from now on; its curve was of the metric before."""
    curve = run.curve if before.metric == now.metric else ()
    if run.metrics is None:
        return replace(run, curve=curve)
    reported = {name: value for name, value in run.metrics.items() if not before.is_weighted or name != before.metric}
    return replace(run, curve=curve, metrics=now.with_value(reported))


def _begun_anew(run: Run, seed: int | None) -> Run:
    """Return a run of which nothing so far counts any more."""
    return replace(
        run,
        seed=run.seed if seed is None else seed,
        anew=len(run.attempts),
        metrics=None,
        cost_s=0.0,
        steps=None,
        curve=(),
        notes=(),
        judgement=None,
        is_stopped_early=False,
        ended_before=None,
    )


def _curve(points: Iterable[tuple[float, float, float]]) -> tuple[Evaluated, ...]:
    """Return the points that are three numbers each."""
    return tuple(point for point in points if len(point) == 3 and None not in map(as_metric, point))


def _numbers(metrics: Mapping[str, object]) -> dict[str, float]:
    """Return the metrics that are numbers: an older version stored whatever a run had reported."""
    return {name: number for name, value in dict(metrics).items() if (number := as_number(value)) is not None}


def _seconds(value: object) -> float:
    """Return a time that a launcher measured; 0 where an older version stored something that is none."""
    return as_cost_s(value) or 0.0
