"""What is known about a sweep, as whoever decides or shows something asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metta_sweep.optimize.port import Source
from metta_sweep.sweep.attempts import WrongTransitionError
from metta_sweep.sweep.crashes import Crashes
from metta_sweep.sweep.events import (
    AttemptRefused,
    ConfirmationChosen,
    Instructed,
    SweepAsked,
    SweepRegistered,
    SweepStopped,
)
from metta_sweep.sweep.observing import (
    counted,
    deciding_failure,
    observation_of,
    partial_observation_of,
    says_something,
)
from metta_sweep.sweep.records import Failure, Observation, Rollout, Run, RunState, SweepSpec
from metta_sweep.sweep.scores import Scores
from metta_sweep.sweep.versions import Placed, Version, Versions


class KnownSweep:
    """The answers: read-only views of what the fold of the events keeps.

    Costs: O(1) in the number of runs, except where an answer says otherwise.
    """

    def __init__(self) -> None:
        self._spec: SweepSpec | None = None
        self._runs: dict[str, Run] = {}
        self._rollouts: list[Rollout] = []
        self._open: dict[int, Rollout] = {}
        self._decided: list[Rollout] = []
        self._scores = Scores()
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

    def whole(self, rollouts: Iterable[Rollout]) -> float:
        """Return how many rollouts of the whole length these have taken."""
        lost = {run.rollout for run in self.stopped_early_runs}
        return sum(1.0 - self._unspent(one) if one.index in lost else 1.0 for one in rollouts)

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
        return self._scores.observations

    @property
    def evidence(self) -> Mapping[int, Observation]:
        """Those of them that count in the present space, each point as that space has it. O(n)."""
        if len(self._versions.all) < 2:
            return self._scores.observations
        placed = {index: self.placed(self._rollouts[index]) for index in self._scores.observations}
        return {
            index: replace(self._scores.observations[index], params=at.params)
            for index, at in placed.items()
            if not at.outside
        }

    def lesson_of(self, rollout: Rollout) -> Observation | None:
        """Return what Protein is taught of a decided rollout.

        Runs that confirmed it count like its own, but where points are compared on the same seeds: theirs are others.
        """
        runs = counted(self.runs_of(rollout))
        partial, at = partial_observation_of(rollout, runs), self.placed(rollout)
        seen = partial or self._scores.observations.get(rollout.index)
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
        return self._scores.incumbent

    @property
    def front(self) -> Sequence[Observation]:
        """The Pareto front of several metrics: what keeps the bounds and no other beats in all of them, in order."""
        return self._scores.front

    @property
    def has_score(self) -> bool:
        """Whether any rollout of the present space has a score, be it one that breaks a bound. O(n)."""
        if self._scores.incumbent is not None or self._scores.front:
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
        return self._scores.unscored

    @property
    def unscored_now(self) -> list[Run]:
        """Those of them that finished since the sweep was taken up last."""
        return self._scores.unscored_now

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
