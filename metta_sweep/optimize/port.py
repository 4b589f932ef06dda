"""The port of every optimizer: what it is told, what it proposes, and what only one with a model can say.

An optimizer of one's own is a class with the three methods of :class:`Optimizer`, an :class:`OptimizerKind` that makes
it, and an entry point of the group ``metta_sweep.optimizers`` that names the kind.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from metta_sweep.goal import Bound, Objective

if TYPE_CHECKING:
    from metta_sweep.space import SearchSpace

Measured = float | Mapping[str, float]
"""One metric (raw), or each of several by its name: where there are several goals, or bounds on metrics."""
CurvePoint = tuple[float, float, float]
"""Share of the run's length done (0 to 1], the metric (raw) and the cost so far at one report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPrediction:
    """What is expected of one of several metrics, raw; the interval covers 90%."""

    metric: str
    """Its name."""
    value: float
    """Median."""
    low: float
    """5% quantile."""
    high: float
    """95% quantile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the models expect of a suggestion, in the user's own units; intervals cover 90%."""

    score: float
    """Median of the metric, raw: as the user's goal sees it."""
    score_low: float
    """5% quantile of the metric."""
    score_high: float
    """95% quantile of the metric."""
    cost: float
    """Median cost, seconds."""
    cost_low: float
    """5% quantile of the cost, seconds."""
    cost_high: float
    """95% quantile of the cost, seconds."""
    success: float
    """Chance that the run gives a score at all, 0 to 1."""
    others: tuple[MetricPrediction, ...] = ()
    """The other metrics that are looked at: of further goals, and of bounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the model, which has seen every rollout, takes the mean of many runs of a point to be; raw metric."""

    mean: float
    """Expected mean of many runs: less lucky than the point's own score, since its neighbours have a say."""
    low: float
    """5% quantile of that mean."""
    high: float
    """95% quantile of that mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """Which of the points that were run is the one to train again."""

    params: Mapping[str, Any]
    """Values by dotted path."""
    expected: Expectation | None
    """What the model takes many runs of it to give; None while too little is known for a model to choose by."""
    luckiest: Mapping[str, Any]
    """The point with the best score: the same one, unless the model knows better."""
    luckiest_expected: Expectation | None
    """What the model takes many runs of that one to give; None likewise."""
    chance: float
    """Chance that the recommended point is the better of the two; 0.5 where they are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """Proposed parameter values, where they came from and why."""

    params: Mapping[str, Any]
    """Values by dotted path; an inactive conditional parameter is absent."""
    origin: str
    """How the point was found: ``center`` (``near_center`` where that breaks a rule), ``usual``, ``sobol``,
    ``protein``, ``resample``, ``given`` where a person asked for it, ``repeat`` where every point is taken, or
    ``gp_fit_failed`` where the model could not be fitted and a space-filling point stands in."""
    reason: str = ""
    """Why this point, in one sentence for a person."""
    predicted: Prediction | None = None
    """What is expected of it; None while there is no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The model along one parameter, the others at the best point."""

    name: str
    """Dotted path."""
    values: tuple[Any, ...]
    """Values of the parameter, user units, in order."""
    mean: tuple[float, ...]
    """Expected metric, raw."""
    low: tuple[float, ...]
    """5% quantile of the expected metric: uncertainty of the model, without the noise of a run."""
    high: tuple[float, ...]
    """95% quantile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much of the score's variation over the search space has to do with a parameter."""

    name: str
    """Dotted path."""
    share: float
    """Total-effect index, 0 to 1: alone or together with others, so that shares may add up to more than 1."""
    low: float
    """Smallest over the fits, the extreme tenth left out."""
    high: float
    """Largest over the fits, the extreme tenth left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """What a model has learned of the whole space."""

    slices: tuple[Slice, ...]
    """One a parameter, in the order of the space."""
    importances: tuple[Importance, ...]
    """One a parameter, the largest first."""
    points: int
    """Observations that the model was fitted to."""
    expected: tuple[Expectation, ...]
    """What it expects of each point that was asked about."""


class RunAction(enum.StrEnum):
    """What is best done with a run that is on its way."""

    CONTINUE = "continue"
    STOP = "stop"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is expected of a run that is on its way, and whether its rest is worth its cost."""

    action: RunAction
    """What to do."""
    final: tuple[float, float, float]
    """Median, 5% and 95% quantile of the run's final metric, raw; the last report and infinite bounds where there is
    no model yet."""
    chance: float
    """Chance that its point, over many seeds, beats what the model takes the best finished point to be, 0 to 1."""
    reason: str
    """Why, in one sentence for a person."""


@runtime_checkable
class CanReconsider(Protocol):
    """An optimizer whose model may think better of a run that was ended early."""

    def reconsider(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Outlook]:
        """Return what is thought by now of runs that were ended, in their order; empty while there is no model.

        Raises:
            RequestError: A point is not one of the space.
        """


class Optimizer(Protocol):
    """What suggests. It is pure: the same history, in any order, and the same seed give the same suggestion.

    One that has a model says so by more methods: :class:`CanExpect`, :class:`CanExplain`.
    """

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        """Return the next point, with the pending ones in mind."""

    def observe(
        self,
        params: Mapping[str, Any],
        score: Measured,
        cost: float,
        noise: Measured | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Learn a raw metric value, its variance where known, a cost in seconds, and what came on the way.

        Where the task names objectives, score and noise are by metric.

        Raises:
            RequestError: The point is not one of the space.
        """

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        """Learn that the parameters do not work.

        Raises:
            RequestError: The point is not one of the space.
        """


@runtime_checkable
class CanExpect(Protocol):
    """An optimizer whose model expects something of any point."""

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Return what many runs of each point would give on average; None while there is no model."""


@runtime_checkable
class CanRecommend(Protocol):
    """An optimizer that tells luck from merit among the points that were run."""

    def recommend(self, points: Sequence[Mapping[str, Any]]) -> Recommendation | None:
        """Return which of the points to train again; None where none of them has a score."""


@runtime_checkable
class CanExplain(Protocol):
    """An optimizer whose model can be looked at."""

    def insight(self, points: Sequence[Mapping[str, Any]]) -> Insight | None:
        """Return what the model has learned, with its expectation of each point; None while there is too little."""


@runtime_checkable
class CanJudge(Protocol):
    """An optimizer whose model tells from a curve how a run will end."""

    def outlook(
        self,
        params: Mapping[str, Any],
        curve: Sequence[CurvePoint],
        pending: Sequence[Mapping[str, Any]] = (),
        *,
        min_share: float,
        min_full_runs: int,
    ) -> Outlook | None:
        """Return what is expected of a run that is on its way, and whether its rest is worth its cost; None: no model.

        Raises:
            RequestError: A point is not one of the space, or a report is none.
        """

    def observe_partial(self, params: Mapping[str, Any], curve: Sequence[CurvePoint]) -> None:
        """Learn of a run that was ended early: neither a final score nor a failure."""


@runtime_checkable
class CanPair(Protocol):
    """An optimizer that compares points on the seeds that they share."""

    def observe_by_seed(
        self, params: Mapping[str, Any], scores: Mapping[int, float], cost: float, curve: Sequence[CurvePoint] = ()
    ) -> None:
        """Learn raw metric values by the seed of their run, the mean cost in seconds, and what came on the way.

        Raises:
            RequestError: The point is not one of the space.
        """


@runtime_checkable
class CanForget(Protocol):
    """An optimizer that can begin at nothing again: what it was taught turned out to be wrong."""

    def forget(self) -> None:
        """Be as it was when it was made."""


def judges(optimizer: Optimizer) -> bool:
    """Return whether the optimizer has a model of curves; one that stands for another says so of that one."""
    return isinstance(optimizer, CanJudge) and bool(getattr(optimizer, "has_curve_model", True))


def pairs(optimizer: Optimizer) -> TypeGuard[CanPair]:
    """Return whether the optimizer compares points by seed; one that stands for another says so of that one."""
    return isinstance(optimizer, CanPair) and bool(getattr(optimizer, "has_pairs", True))


def expectations_of(optimizer: Optimizer, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
    """Return what the optimizer expects of points; None where it has no model, or none yet."""
    return optimizer.expect(points) if isinstance(optimizer, CanExpect) else None


def recommendation_of(optimizer: Optimizer, points: Sequence[Mapping[str, Any]]) -> Recommendation | None:
    """Return which of the points the optimizer would train again; None where it has no model, or none has a score."""
    return optimizer.recommend(points) if isinstance(optimizer, CanRecommend) else None


def insight_of(optimizer: Optimizer, points: Sequence[Mapping[str, Any]]) -> Insight | None:
    """Return what the optimizer's model has learned; None where it has no model, or too little to learn from."""
    return optimizer.insight(points) if isinstance(optimizer, CanExplain) else None


FEWEST_RUNS = 4
"""Runs with a score that a source sweep needs to say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRun:
    """What one rollout of a source sweep says."""

    params: Mapping[str, Any]
    """Values by dotted path, as far as both sweeps have the parameter."""
    metric: float | None
    """Mean of the metric over its runs, raw; None where the parameters did not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An older sweep whose runs are evidence for this one: never observations of it."""

    name: str
    """How a person wrote it under ``from``."""
    runs: tuple[SourceRun, ...]
    """What is known of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceWorth:
    """What a source turned out to be worth."""

    name: str
    """How a person wrote it under ``from``."""
    runs: int
    """Its rollouts."""
    used: int
    """Of these, the ones that have a point in this sweep's space; 0 where they are too few, or too alike, to use."""
    parameters: tuple[str, ...]
    """Parameters that both sweeps have."""
    pairs: int
    """Pairs of this sweep's own rollouts with different scores."""
    agreed: float
    """Share of these pairs that it puts in the order in which they came out; 0.5 is chance, and stands for no pair."""


@runtime_checkable
class CanTransfer(Protocol):
    """An optimizer whose model learns from source sweeps."""

    def worth_of_sources(self) -> Sequence[SourceWorth]:
        """Return what each source is worth, in the order of the task's."""


def worth_of_sources(optimizer: Optimizer) -> Sequence[SourceWorth]:
    """Return what the optimizer's sources are worth; none where it has none, or does not learn from any."""
    return optimizer.worth_of_sources() if isinstance(optimizer, CanTransfer) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTask:
    """What an optimizer is made for."""

    space: SearchSpace
    """Where it searches; every suggestion is a feasible point of it."""
    goal: str
    """``maximize`` or ``minimize``."""
    seed: int
    """Seed of all its random numbers."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the sweep file says under ``protein``; another optimizer may use what means something to it too."""
    sources: tuple[Source, ...] = ()
    """Older sweeps whose runs are evidence; an optimizer without a model passes over them."""
    objectives: tuple[Objective, ...] = ()
    """The metrics by name, where there are several goals or bounds; empty where one nameless score is all there is."""
    bounds: tuple[Bound, ...] = ()
    """Limits on metrics that a point must keep to count."""
    metric: str = ""
    """What the one score is called; empty where nobody said."""


def always(optimizer: Optimizer, pending: int, ahead: int) -> bool:
    """Be the answer of an optimizer whose every suggestion takes no time."""
    del optimizer, pending, ahead
    return True


def nothing() -> None:
    """Be what an optimizer loads that needs no loading."""


def never(optimizer: Optimizer, pending: int, ahead: int) -> bool:
    """Be the answer of an optimizer of which nothing is known: it thinks in a process of its own."""
    del optimizer, pending, ahead
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerKind:
    """An optimizer as the registry has it."""

    name: str
    """What ``optimizer:`` calls it."""
    make: Callable[[SearchTask], Optimizer]
    """Makes one that has observed nothing."""
    takes_several: bool = False
    """Whether it knows what to do with several goals, and with bounds on metrics."""
    has_model: bool = False
    """Whether it predicts anything; where it does not, a person reads "no model"."""
    is_quick: Callable[[Any, int, int], bool] = never
    """Whether a suggestion takes no time, so that the controller itself may work it out: given the optimizer, how many
    points are pending, and how many suggestions ahead it will be (0: the next one); :func:`always` and :func:`never`
    are there already."""
    prepare: Callable[[], None] = nothing
    """Loads what thinking needs: called in the optimizer's own process before the first question comes."""
    self_check: Callable[[], tuple[bool, str]] | None = None
    """Tells whether it computes rightly on this machine, and what was seen in one line; for ``doctor``."""
