"""Protein on a thread of its own: the loop goes on watching runs while the next point is worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from metta_sweep.optimize.port import (
    CanForget,
    CanJudge,
    CanReconsider,
    CurvePoint,
    Expectation,
    Optimizer,
    Outlook,
    Recommendation,
    RunAction,
    Suggestion,
    expectations_of,
    judges,
    recommendation_of,
)
from metta_sweep.sweep.ports import Clock
from metta_sweep.sweep.records import Observation
from metta_sweep.sweep.teaching import teach

_Made = TypeVar("_Made")
NOTHING: Mapping[str, Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A run that was ended and goes on."""

    run_id: str
    """The run."""
    reason: str
    """Why, in one sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """A finished suggestion."""

    suggestion: Suggestion | None
    """The point; None where a run that was ended goes on instead of a new one."""
    think_s: float
    """Seconds that it took to find."""
    given: Mapping[str, Any] | None = None
    """What a person gave of it; None where the optimizer chose it."""
    resumed: Resumed | None = None
    """The run that goes on."""


Complete = Callable[[Mapping[str, Any], Optimizer], Suggestion]
"""Makes a whole point of one that a person gave, with what the optimizer has learned."""


def as_given(point: Mapping[str, Any], optimizer: Optimizer) -> Suggestion:
    """Take a point for a whole one."""
    del optimizer
    return Suggestion(params=point, origin="given", reason="asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookQuestion:
    """What is asked of a run that is on its way."""

    run_id: str
    """The run."""
    attempt: int
    """Its attempt."""
    params: Mapping[str, Any]
    """Its point."""
    curve: tuple[CurvePoint, ...]
    """What it has reported, by share of its length."""
    steps: float
    """Steps of its length."""
    pending: tuple[Mapping[str, Any], ...]
    """Points that run beside it."""
    min_share: float
    """Share of its length before which it is not judged."""
    min_full_runs: int
    """Runs known to their end, before which none is judged."""


Answer = tuple[OutlookQuestion, Outlook | None]
"""The question, and what the optimizer expects; None where it has no model."""


class Submit(Protocol):
    """Starts a piece of work and returns its future: a ThreadPoolExecutor's ``submit``, or :func:`at_once`."""

    def __call__(self, work: Callable[[], _Made], /) -> Future[_Made]:
        """Start the work; pieces of it are done one after the other."""


def at_once(work: Callable[[], _Made], /) -> Future[_Made]:
    """Do the work here and now, and return a future that is done."""
    future: Future[_Made] = Future()
    future.set_result(work())
    return future


class Thinker:
    """Owns the optimizer. Lessons wait until the thought under way is finished, so that it sees one history."""

    def __init__(
        self, optimizer: Optimizer, clock: Clock, submit: Submit = at_once, complete: Complete = as_given
    ) -> None:
        self._optimizer = optimizer
        self._clock = clock
        self._submit = submit
        self._complete = complete
        self._under_way: Future[Thought] | None = None
        self._outlook: Future[Answer] | None = None
        self._lessons: list[Observation] = []
        self._forgets = False
        self._outdated: Future[Thought] | None = None

    @property
    def is_thinking(self) -> bool:
        """Whether a thought was begun that is not finished yet."""
        return self._under_way is not None and not self._under_way.done()

    @property
    def has_begun(self) -> bool:
        """Whether a thought was begun and not taken yet, finished or not."""
        return self._under_way is not None

    def learn(self, observation: Observation) -> None:
        """Teach an observation, at once or before the next thought."""
        if self._under_way is None and self._outlook is None and not self._forgets:
            teach(self._optimizer, observation)
        else:
            self._lessons.append(observation)

    def learn_anew(self, observations: Iterable[Observation]) -> None:
        """Forget every lesson for these, before the next thought; what is thought at the moment comes to nothing."""
        self._forgets, self._lessons = True, list(observations)
        self._outdated = self._under_way

    def begin(
        self,
        pending: Sequence[Mapping[str, Any]],
        given: Mapping[str, Any] | None = None,
        ended: Mapping[str, Mapping[str, Any]] = NOTHING,
    ) -> None:
        """Begin to work out what to run next, unless that is under way already.

        Args:
            pending: Points whose outcome is not known yet.
            given: What a person gave of the next point; None where the optimizer is to choose it.
            ended: Points of runs that were ended and may go on instead of a new one, by run.
        """
        if self._under_way is not None:
            return
        teach_news = self._news()

        def work() -> Thought:
            began_s = self._clock.monotonic_s()
            teach_news()
            optimizer = self._optimizer
            resumed = _resumed(optimizer, ended) if given is None else None
            if resumed is not None:
                return Thought(suggestion=None, think_s=self._clock.monotonic_s() - began_s, resumed=resumed)
            suggestion = optimizer.suggest(pending) if given is None else self._complete(given, optimizer)
            return Thought(suggestion=suggestion, think_s=self._clock.monotonic_s() - began_s, given=given)

        self._under_way = self._submit(work)

    def _news(self) -> Callable[[], None]:
        """Return what teaches the optimizer all that it was not taught yet; whoever takes it also calls it."""
        lessons, self._lessons = self._lessons, []
        forgets, self._forgets = self._forgets, False

        def teach_news() -> None:
            if forgets and isinstance(self._optimizer, CanForget):
                self._optimizer.forget()
            for lesson in lessons:
                teach(self._optimizer, lesson)

        return teach_news

    @property
    def judges(self) -> bool:
        """Whether the optimizer can tell from a curve how a run will end."""
        return judges(self._optimizer)

    @property
    def is_asked(self) -> bool:
        """Whether a question was asked whose answer was not taken yet."""
        return self._outlook is not None

    def ask(self, question: OutlookQuestion) -> None:
        """Ask what is expected of a run; one question at a time."""
        teach_news = self._news()

        def work() -> Answer:
            teach_news()
            return question, _outlook(self._optimizer, question)

        self._outlook = self._submit(work)

    def take_answer(self) -> Answer | None:
        """Return the answer where there is one by now, or None.

        Raises:
            Exception: Whatever the optimizer raised.
        """
        if self._outlook is None or not self._outlook.done():
            return None
        answered, self._outlook = self._outlook, None
        return answered.result()

    def take(self) -> Thought | None:
        """Return the thought where it is finished, or None; one that has forgotten lessons behind it is dropped.

        Raises:
            Exception: Whatever the optimizer raised.
        """
        if self._under_way is None or not self._under_way.done():
            return None
        finished, self._under_way = self._under_way, None
        thought = finished.result()
        is_outdated, self._outdated = finished is self._outdated, None
        return None if is_outdated else thought

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Return what the optimizer, with every lesson learned, expects of points; None where it has no model.

        Waits for a thought under way.
        """
        self._learn_all()
        return expectations_of(self._optimizer, points)

    def recommend(self, points: Sequence[Mapping[str, Any]]) -> Recommendation | None:
        """Return which of the points the optimizer, with every lesson learned, would train again.

        None where it has no model, or knows too little. Waits for a thought under way.
        """
        self._learn_all()
        return recommendation_of(self._optimizer, points)

    def _learn_all(self) -> None:
        under_way: list[Future[Any]] = [one for one in (self._under_way, self._outlook) if one is not None]
        wait(under_way)
        self._news()()


def _resumed(optimizer: Optimizer, ended: Mapping[str, Mapping[str, Any]]) -> Resumed | None:
    """Return the most promising of the runs that were ended, where the optimizer thinks better of any by now."""
    if not ended or not isinstance(optimizer, CanReconsider):
        return None
    told = zip(ended, optimizer.reconsider(list(ended.values())), strict=False)
    better = [(outlook.chance, run_id, outlook) for run_id, outlook in told if outlook.action is RunAction.CONTINUE]
    if not better:
        return None
    _, run_id, outlook = max(better, key=lambda one: one[0])
    return Resumed(run_id=run_id, reason=outlook.reason)


def _outlook(optimizer: Optimizer, question: OutlookQuestion) -> Outlook | None:
    if not isinstance(optimizer, CanJudge):
        return None
    return optimizer.outlook(
        question.params,
        question.curve,
        question.pending,
        min_share=question.min_share,
        min_full_runs=question.min_full_runs,
    )
