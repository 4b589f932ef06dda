"""Protein: suggest a point, observe what it gave, suggest a better one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metta_sweep.errors import RequestError
from metta_sweep.goal import Bound, Goal
from metta_sweep.optimize.points import Encoder
from metta_sweep.optimize.port import (
    CurvePoint,
    Expectation,
    Insight,
    Measured,
    Outlook,
    Recommendation,
    Source,
    SourceWorth,
    Suggestion,
)
from metta_sweep.optimize.protein.criteria import Criteria
from metta_sweep.optimize.protein.curves import RunCurve, bounded, read_reports
from metta_sweep.optimize.protein.history import CodedObservation, History, read_curve, read_observation
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.known_curves import KnownCurves
from metta_sweep.optimize.protein.outlook import MIN_FULL_RUNS, MIN_SHARE
from metta_sweep.optimize.protein.pairing import paired
from metta_sweep.optimize.protein.settings import ProteinSettings
from metta_sweep.optimize.protein.start import is_usual, space_filling, usual_point, usual_reason
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

if TYPE_CHECKING:
    from metta_sweep.optimize.protein.model import Model
    from metta_sweep.optimize.protein.transfer import SourceTrend, Transfer

FALLBACK = "gp_fit_failed"
"""Origin of a suggestion that the model should have made and could not."""
_FEWEST_TO_EXPECT, _FEWEST_TO_RECOMMEND = 4, 10
"""Rollouts with a score from which on the model says what a point is worth, and from which on it overrules scores."""
_UNSEEN = 8
"""Space-filling points that the model may take one of."""

Point = Mapping[str, Any] | Suggestion
"""Plain values by dotted path, or the suggestion that has them."""


class Protein:
    """A cost-aware Gaussian-process optimizer: pure, seeded, and the same for the same history in any order.

    ``goal`` is applied here and nowhere else: everything inside sees a score of which more is better. ``ask`` and
    ``tell`` are other names of ``suggest`` and ``observe``.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any] | SearchSpace,
        goal: str | Mapping[str, str] = "maximize",
        seed: int = 0,
        constraints: Sequence[str] = (),
        fixed: Mapping[str, Any] | None = None,
        settings: ProteinSettings | Mapping[str, Any] | None = None,
        sources: Sequence[Source] = (),
        bounds: Sequence[str | Bound] = (),
        metric: str = "",
    ) -> None:
        """Make an optimizer that has seen nothing.

        Args:
            parameters: The sweep file's mapping, or a space made from it.
            goal: ``maximize`` or ``minimize``; or the goal of each metric by its name. Several of them give a Pareto
                front: a suggestion is what is expected to add most to the hypervolume that the front dominates.
            seed: Seed of all random numbers; ``settings.seed`` wins.
            constraints: Expressions over config paths that every suggestion satisfies.
            fixed: Base config values by dotted path, for conditions and constraints.
            settings: What a user may set, or the mapping that a sweep file has; the defaults rarely need touching.
            sources: What other sweeps know: evidence that this sweep's own runs weigh, never observations of it.
            bounds: Limits on metrics, as ``latency <= 20``: a point that breaks one is learned from and never the
                best. They need ``goal`` by name, also where there is one.
            metric: What the metric is called, where ``goal`` does not say it: expectations of one that is a share of
                something by its name, as ``accuracy``, end at 1.

        Raises:
            RequestError: The space, the goal, the seed or a setting is wrong.
        """
        if not isinstance(goal, Mapping) and goal not in set(Goal):
            raise RequestError.of(f"need maximize or minimize, got {goal!r}", key="goal")
        if isinstance(goal, str) and bounds:
            raise RequestError.of("bounds need the goal by metric, as {'reward': 'maximize'}", key="goal")
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise RequestError.of(f"need a whole number of at least 0, got {seed!r}", key="seed")
        if not isinstance(parameters, SearchSpace):
            parameters = SearchSpace.parse(parameters, constraints, fixed)
        self.space: SearchSpace = parameters
        self.criteria = None if isinstance(goal, str) else Criteria.read(goal, bounds)
        self.goal: str = goal if isinstance(goal, str) else next(iter(goal.values()))
        self.settings = settings if isinstance(settings, ProteinSettings) else ProteinSettings.parse(settings)
        self.seed = seed if self.settings.seed is None else self.settings.seed
        self.settings.check_metrics((metric,) if self.criteria is None else self.criteria.names)
        self._observations: list[CodedObservation] = []
        self._metric = self.settings.known_of(metric if isinstance(goal, str) else next(iter(goal)))
        self._curves = KnownCurves(Geometry.of(parameters), Goal(self.goal).sign, self._metric)
        self._successes = self._failures = 0
        self._encoder = Encoder(parameters)
        from_usual = self.settings.usual_values and is_usual(parameters)
        self._start_points = space_filling(parameters, self.seed, from_usual=from_usual)
        self._usual = usual_point(parameters) if from_usual else None
        self._sources = tuple(sources)
        self._transfer: Transfer | None = None

    def observe(
        self,
        params: Point,
        score: Measured,
        cost: float = 1.0,
        noise: Measured | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Learn what a rollout gave.

        Args:
            params: Plain values by dotted path, or the suggestion itself.
            score: The metric as reported; where ``goal`` is by name, every metric of the goals and the bounds by its
                name. One that is not finite counts as a failure.
            cost: Seconds, or any other unit that is the same for all; left out, every run costs the same.
            noise: Variance of ``score`` where it is known, as from several runs of one rollout; by name as the score.
            curve: Share of the run's length done (0 to 1], metric and cost so far, a report each. It teaches how
                early reports foretell the end; where ``settings.steps_parameter`` is swept, it also stands for
                shorter runs.

        Raises:
            RequestError: The point is outside the space, a name is unknown, or the cost is not a positive number.
        """
        sign = Goal(self.goal).sign
        seen = self._read(params, score, cost, noise)
        reports, _ = read_reports(curve, sign)
        self._note(seen)
        self._note_curve(seen, reports, curve)

    def _read(self, params: Point, score: Measured, cost: float, noise: Measured | None) -> CodedObservation:
        """Return an observation of what was reported.

        Raises:
            RequestError: See :meth:`observe`.
        """
        sign, point = Goal(self.goal).sign, _values(params)
        if self.criteria is None:
            if isinstance(score, Mapping) or isinstance(noise, Mapping):
                fix = "make it with goal={'METRIC': 'maximize', ...}"
                raise RequestError.of("metrics by name need their goals by name", key="score", fix=fix)
            return read_observation(self.space, point, score=score, cost=cost, noise=noise, sign=sign)
        told, noises = self.criteria.told(score), self.criteria.noises(noise)
        first = math.nan if told is None else sign * told[0]
        seen = read_observation(self.space, point, score=first, cost=cost, noise=noises[0] or None, sign=sign)
        return seen if told is None else replace(seen, told=told, told_noise=noises)

    def observe_by_seed(
        self, params: Point, scores: Mapping[int, float], cost: float = 1.0, curve: Sequence[CurvePoint] = ()
    ) -> None:
        """Learn what a rollout gave by the seed of each of its runs, where points are run with the same seeds.

        Points are then compared by what they gave beside each seed's own effect, and their noise is what is left of
        the differences between runs once that is taken out. One that was observed by :meth:`observe` compares by its
        score as it is.

        Args:
            params: Plain values by dotted path, or the suggestion itself.
            scores: The metric as reported, by seed; where one is not finite, the point counts as a failure.
            cost: Mean cost of a run, in seconds or any other unit that is the same for all.
            curve: As in :meth:`observe`, the mean of the runs.

        Raises:
            RequestError: The point is outside the space, a name is unknown, there is no score, or the cost is not a
                positive number.
        """
        if self.criteria is not None:
            raise RequestError.of("scores by seed are for one goal without a name", key="scores")
        if not scores:
            raise RequestError.of("need a score of at least one seed", key="scores")
        sign = Goal(self.goal).sign
        is_finite = all(map(math.isfinite, scores.values()))
        told = [(seed, bounded(sign * scores[seed])) for seed in sorted(scores)] if is_finite else []
        mean = sign * float(np.mean([score for _, score in told])) if told else math.nan
        seen = read_observation(self.space, _values(params), score=mean, cost=cost, noise=None, sign=sign)
        seen = replace(seen, by_seed=tuple(told))
        reports, _ = read_reports(curve, sign)
        self._note(seen)
        self._note_curve(seen, reports, curve)

    def _note_curve(
        self, seen: CodedObservation, reports: Sequence[tuple[float, float]], curve: Sequence[CurvePoint]
    ) -> None:
        """Remember how a whole run came to its score."""
        if seen.score is None or seen.cost is None:
            return
        before = tuple(report for report in reports if report[0] < 1.0)
        self._curves.add(
            RunCurve(codes=seen.codes, reports=(*before, (1.0, seen.score)), cost=seen.cost, told=tuple(curve))
        )
        has_front = self.criteria is not None and self.criteria.has_front  # a curve is of one metric
        if curve and self.settings.steps_parameter and not has_front:
            sign = Goal(self.goal).sign
            self._observations += read_curve(self.space, seen.codes, self.settings.steps_parameter, curve, sign)

    def observe_failure(self, params: Point) -> None:
        """Learn that a run failed and that the parameters are to blame.

        Raises:
            RequestError: The point is outside the space, or a name is unknown.
        """
        codes = tuple(self.space.encode(_values(params)).tolist())
        self._note(CodedObservation(codes=codes, score=None, cost=None))

    def observe_partial(self, params: Point, curve: Sequence[CurvePoint]) -> None:
        """Learn of a run that was ended early: neither a final score nor a failure.

        Args:
            params: Plain values by dotted path, or the suggestion itself.
            curve: Share of the run's length done (0 to 1], metric and cost so far, a report each.

        Raises:
            RequestError: The point is outside the space, or a report is not a triple of numbers with a share in (0, 1].
        """
        codes = self.space.encode(_values(params))
        reports, cost = read_reports(curve, Goal(self.goal).sign)
        run = RunCurve(codes=tuple(codes.tolist()), reports=reports, cost=cost, told=tuple(curve), ended=True)
        self._curves.add(run)
        self._start_points.take(codes)

    def outlook(
        self,
        params: Point,
        curve: Sequence[CurvePoint],
        pending: Sequence[Point] = (),
        *,
        min_share: float = MIN_SHARE,
        min_full_runs: int = MIN_FULL_RUNS,
    ) -> Outlook:
        """Return what is expected of a run that is on its way, and whether its rest is worth its cost.

        Args:
            params: Plain values by dotted path, or the suggestion itself.
            curve: Share of its length done (0 to 1], metric and cost so far, a report each.
            pending: Points that run beside it. They have no score yet, so none of them is a reason to end this one.
            min_share: Share of its length before which a run is not judged.
            min_full_runs: Runs that were observed with a curve and a final score, before which no run is judged.

        Raises:
            RequestError: A point is outside the space, or a report is not a triple of numbers with a share in (0, 1].
        """
        codes, _ = self.space.encode(_values(params)), self._codes(pending)
        reports, _ = read_reports(curve, Goal(self.goal).sign)
        sign = Goal(self.goal).sign
        return self._curves.outlook(codes, reports, sign, min_share=min_share, min_full_runs=min_full_runs)

    def reconsider(self, points: Sequence[Point]) -> list[Outlook]:
        """Return what is thought by now of runs that were ended early, in their order; empty while there is no model.

        A run whose action is ``continue`` is worth going on with, where its trainer can resume it. What it then gives
        is observed with its whole curve, and takes the place of what was said of it when it was ended.

        Args:
            points: Plain values by dotted path, or the suggestions themselves; each was told to
                :meth:`observe_partial`.

        Raises:
            RequestError: A point is outside the space.
        """
        codes = [self.space.encode(_values(point)) for point in points]
        return self._curves.reconsidered(codes, Goal(self.goal).sign)

    def suggest(self, pending: Sequence[Point] = ()) -> Suggestion:
        """Return the next point to run.

        Args:
            pending: Points that were suggested and not observed yet.

        Raises:
            RequestError: A pending point is outside the space.
        """
        codes = [self._encoder.codes(_values(point)) for point in pending]
        if needs_no_model(self, len(pending)):
            return self._start(codes)
        waiting = np.array(codes).reshape(len(codes), self.space.dim)
        waiting = waiting[np.lexsort(waiting.T[::-1])]
        if self._sources and (first := self._from_sources(waiting)) is not None:
            return first
        if self._sources and is_early(self, len(pending)) and (self._trend is None or self._successes < 2):
            return self._start(codes)
        return self._propose(waiting) or self._start(codes)

    def ask(self, pending: Sequence[Point] = ()) -> Suggestion:
        """Return the next point to run: :meth:`suggest` by its other name."""
        return self.suggest(pending)

    def tell(
        self,
        params: Point,
        score: Measured,
        cost: float = 1.0,
        noise: Measured | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Learn what a rollout gave: :meth:`observe` by its other name."""
        self.observe(params, score, cost, noise, curve)

    def expect(self, points: Sequence[Point]) -> list[Expectation] | None:
        """Return what many runs of each point would give on average; None while there is no model.

        Args:
            points: Plain values by dotted path, or suggestions.

        Raises:
            RequestError: A point is outside the space.
        """
        codes = self._codes(points)
        model = self._choosing_model(_FEWEST_TO_EXPECT) if len(codes) else None
        if model is None:
            return None
        from metta_sweep.optimize.protein.expectation import expectations

        return expectations(model, codes, Goal(self.goal).sign)

    def best(self, points: Sequence[Point] | None = None) -> Recommendation | None:
        """Return the point to train again: the best of many noisy scores is lucky as well as good.

        It is the point with the best score, unless the model, which knows its neighbours and all learning curves,
        gives another one a chance of at least 60% to be better; fewer than ten scores overrule nothing. Where a
        checkpoint is deployed as it is, and nothing is trained again, its own score is what counts: it keeps its luck.

        Args:
            points: Observed points to choose from; None: all that have a score, and keep the bounds.

        Returns:
            The point, what is expected of it and of the luckiest; None where none of the points has a score.

        Raises:
            RequestError: A point is outside the space, or there are several goals.
        """
        if self.criteria is not None and self.criteria.has_front:
            raise RequestError.of("several goals have a Pareto front, and no one best point", key="goal")
        given = {tuple(self.space.encode(_values(point)).tolist()): _values(point) for point in points or ()}
        from metta_sweep.optimize.protein.recommendation import mean_scores, recommended

        scores = mean_scores(self._observations, self.criteria, None if points is None else given)
        if not scores:
            return None
        model = self._choosing_model(_FEWEST_TO_RECOMMEND) if self._successes >= _FEWEST_TO_RECOMMEND else None
        as_given = {codes: given.get(codes) or self.space.decode(np.array(codes)) for codes in scores}
        return recommended(model, scores, as_given, Goal(self.goal).sign)

    def recommend(self, points: Sequence[Point]) -> Recommendation | None:
        """Return the point to train again: :meth:`best` by the name that a sweep calls it by."""
        return self.best(points)

    def _choosing_model(self, fewest: int) -> Model | None:
        """Return the model that finished runs are compared by; None while it knows fewer of them, or has no fit."""
        from metta_sweep.optimize.protein.model import Model
        from metta_sweep.optimize.protein.posterior import FitError

        history = self._history(is_choosing=True)
        if history.rollouts < fewest or self.space.dim == 0:
            return None
        rng, nothing = np.random.default_rng([self.seed, history.count]), np.empty((0, self.space.dim))
        history = history.thinned(Geometry.of(self.space))
        try:
            return Model.fit(Geometry.of(self.space), history, nothing, self.settings.hyper_samples, rng, self._trend)
        except FitError:
            return None

    def insight(self, points: Sequence[Point] = ()) -> Insight | None:
        """Return what the model has learned of every parameter; None while there is too little to learn from.

        Args:
            points: Points whose expectations are wanted with it.

        Raises:
            RequestError: A point is outside the space.
        """
        from metta_sweep.optimize.protein.insight import insight

        return insight(
            self.space,
            self._taught(),
            self._codes(points),
            Goal(self.goal).sign,
            np.random.default_rng(self.seed),
            self._trend,
            self._metric,
        )

    def worth_of_sources(self) -> list[SourceWorth]:
        """Return what each source is worth by this sweep's own runs, in the order in which they were given."""
        if not self._sources:
            return []
        history = self._history()
        return self._fitted().worth(history.points[: history.rollouts], history.scores[: history.rollouts])

    @property
    def _trend(self) -> SourceTrend | None:
        return self._fitted().trend if self._sources else None

    def _fitted(self) -> Transfer:
        """Return the sources, fitted once."""
        from metta_sweep.optimize.protein.transfer import Transfer

        if self._transfer is None:
            self._transfer = Transfer(self.space, self._sources, Goal(self.goal).sign)
        return self._transfer

    def _note(self, seen: CodedObservation) -> None:
        self._observations.append(seen)
        self._successes += seen.score is not None
        self._failures += seen.score is None
        self._start_points.take(np.array(seen.codes))

    def _history(self, *, is_choosing: bool = False) -> History:
        """Return what is known; all curves are weighed where runs were ended, and where finished runs are compared."""
        taught, ended = self._taught(is_choosing=is_choosing), self._curves.ended
        return History.of(taught, self.space.dim, ended, sign=Goal(self.goal).sign, metric=self._metric)

    def _taught(self, *, is_choosing: bool = False) -> list[CodedObservation]:
        seen = paired(self._observations)
        return self._curves.as_taught(seen) if is_choosing or self._curves.has_ended else seen

    def _codes(self, points: Sequence[Point]) -> Array:
        codes = [self.space.encode(_values(point)) for point in points]
        return np.array(codes).reshape(len(points), self.space.dim)

    def _propose(self, waiting: Array) -> Suggestion | None:
        """Ask the model; where it cannot be fitted, the next space-filling point is the one fallback."""
        from metta_sweep.optimize.protein.posterior import FitError
        from metta_sweep.optimize.protein.proposal import propose
        from metta_sweep.optimize.protein.tradeoff import propose_tradeoff

        try:
            sign = Goal(self.goal).sign
            history, trend, unseen = self._history(), self._trend, self._start_points.following(_UNSEEN, waiting)
            known = (self.space, self.settings, history, waiting, self.seed)
            if self.criteria is not None:
                return propose_tradeoff(*known, self.criteria, trend, unseen=unseen)
            return propose(*known, sign, trend, self._curves.lengths, unseen=unseen)
        except FitError as error:
            found = self._start_points.next(waiting)
            reason = f"fills the space, as the model could not be fitted: {error}"
            return None if found is None else self._suggestion(found, FALLBACK, reason)

    def _from_sources(self, waiting: Array) -> Suggestion | None:
        """Return what the sources choose for one of the first points; None later on, and where they say nothing."""
        from metta_sweep.optimize.protein.transfer_start import FIRST, start_from_sources

        trend = self._trend
        if trend is None or self.space.dim == 0:
            return None
        if _tried(self) + len(waiting) >= FIRST and self._successes >= 2:
            return None
        return start_from_sources(self.space, trend, self._history(), waiting, self.seed)

    def _start(self, waiting: Sequence[Array]) -> Suggestion:
        center = self.space.feasible_center
        if self._start_points.is_fresh(center, waiting):
            if self.space.is_center_feasible:
                return self._suggestion(center, "center", "the search center: nothing has been run yet")
            reason = "near the search center, which breaks a rule: nothing has been run yet"
            return self._suggestion(center, "near_center", reason)
        if self._usual is not None and self._start_points.is_fresh(self._usual, waiting):
            return self._suggestion(self._usual, "usual", usual_reason(self.space))
        found = self._start_points.next(waiting)
        if found is not None:
            place = f"{_tried(self) + len(waiting)} so far"
            return self._suggestion(found, "sobol", f"fills the space before the model takes over ({place})")
        return self._suggestion(center, "repeat", "every point of the space has been run: the center again")

    def _suggestion(self, codes: Array, origin: str, reason: str) -> Suggestion:
        return Suggestion(params=self.space.values(codes), origin=origin, reason=reason)


def needs_no_model(protein: Protein, pending: int, ahead: int = 0) -> bool:
    """Return whether a suggestion needs no model, not even of sources; the arguments are those of :func:`is_early`."""
    return not protein._sources and is_early(protein, pending, ahead)


def is_early(protein: Protein, pending: int, ahead: int = 0) -> bool:
    """Return whether there is too little for a model of the sweep's own runs.

    Args:
        protein: What is to make it.
        pending: Points pending when the next suggestion is made.
        ahead: 0 for the next suggestion; 1 for the one after it, where all points until then succeed; and so on.
    """
    early = _tried(protein) + pending + ahead <= protein.settings.random_samples(protein.space)
    successes = protein._successes + (pending + ahead if ahead else 0)
    return early or successes < 2 or protein.space.dim == 0


def _tried(protein: Protein) -> int:
    """Return how many runs are known, those that were ended early too."""
    return protein._successes + protein._failures + len(protein._curves.ended)


def _values(point: Point) -> Mapping[str, Any]:
    return point.params if isinstance(point, Suggestion) else point
