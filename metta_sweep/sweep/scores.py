"""What finished runs are worth: an observation a rollout, the best of them or their Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from metta_sweep.sweep.front import with_one_more
from metta_sweep.sweep.records import Observation, Rollout, Run, SweepSpec


class Scores:
    """What was observed under one metric, goal and bounds. Another metric begins another of these."""

    def __init__(self) -> None:
        self.observations: dict[int, Observation] = {}
        """By rollout, whatever space it was suggested in."""
        self.incumbent: Observation | None = None
        """The best that counts; the earliest among equals. None where several metrics are traded off."""
        self.front: list[Observation] = []
        """What keeps the bounds and no other beats in all metrics, in order."""
        self._unscored: list[Run] = []
        self._unscored_before = 0
        self._is_scored = False

    def observe(self, observation: Observation, spec: SweepSpec, *, is_outside: bool) -> None:
        """Take an observation into account; of a point outside the present space it is kept, and does not count."""
        self.observations[observation.rollout] = observation
        if not is_outside:
            self._consider(observation, spec)

    def choose_anew(self, decided: Iterable[Rollout], spec: SweepSpec, is_outside: Callable[[Rollout], bool]) -> None:
        """Choose the best or the front anew: which of the observations count has changed. O(n)."""
        self.incumbent, self.front = None, []
        for rollout in decided:
            observation = self.observations.get(rollout.index)
            if observation is not None and not is_outside(rollout):
                self._consider(observation, spec)

    def _consider(self, observation: Observation, spec: SweepSpec) -> None:
        """Make an observation the incumbent where it beats the one so far, or one of the front.

        One that breaks a bound never is.
        """
        if observation.metric is None or observation.broken:
            return
        if spec.has_front:
            self.front = with_one_more(self.front, observation, spec.objectives)
            return
        best, score = self.incumbent, spec.goal.score
        if best is None or best.metric is None or score(observation.metric) > score(best.metric):
            self.incumbent = observation

    def note_metric(self, run: Run, spec: SweepSpec) -> None:
        """Take note of whether a run that finished has the metrics, which may be misspelled."""
        if not spec.missing_in(run.metrics or {}):
            self._is_scored = True
        else:
            self._unscored.append(run)

    def take_up(self) -> None:
        """Take note that the sweep is started again: what finished without the metric so far was told of."""
        self._unscored_before = len(self._unscored)

    @property
    def unscored(self) -> list[Run]:
        """Runs that finished without the metric, while none has ever had it; empty once one has."""
        return [] if self._is_scored else self._unscored

    @property
    def unscored_now(self) -> list[Run]:
        """Those of them that finished since the sweep was taken up last."""
        return self.unscored[self._unscored_before :]


def judged_by(spec: SweepSpec) -> tuple[object, ...]:
    """Return everything that decides what a run's metrics are worth."""
    return spec.metric, spec.goal, spec.objectives, spec.bounds


def rejudged(runs: Mapping[str, Run], before: SweepSpec, now: SweepSpec) -> dict[str, Run]:
    """Return runs, by id, as they are judged from now on."""
    return {run_id: _rejudged(run, before, now) for run_id, run in runs.items()}


def _rejudged(run: Run, before: SweepSpec, now: SweepSpec) -> Run:
    """Return a run as it is judged from now on; its curve was of the metric before."""
    curve = run.curve if before.metric == now.metric else ()
    if run.metrics is None:
        return replace(run, curve=curve)
    reported = {name: value for name, value in run.metrics.items() if not before.is_weighted or name != before.metric}
    return replace(run, curve=curve, metrics=now.with_value(reported))
