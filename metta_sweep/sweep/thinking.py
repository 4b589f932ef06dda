"""Protein on a thread of its own: the loop goes on watching runs while the next point is worked out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from metta_sweep.optimize.port import Expectation, Optimizer, Suggestion, expectations_of
from metta_sweep.sweep.ports import Clock
from metta_sweep.sweep.records import Observation
from metta_sweep.sweep.teaching import teach


@dataclass(frozen=True, slots=True, kw_only=True)
class Thought:
    """A finished suggestion."""

    suggestion: Suggestion
    """The point."""
    think_s: float
    """Seconds that it took to find."""
    given: Mapping[str, Any] | None = None
    """What a person gave of it; None where the optimizer chose it."""


Complete = Callable[[Mapping[str, Any], Optimizer], Suggestion]
"""Makes a whole point of one that a person gave, with what the optimizer has learned."""


def as_given(point: Mapping[str, Any], optimizer: Optimizer) -> Suggestion:
    """Take a point for a whole one."""
    del optimizer
    return Suggestion(params=point, origin="given", reason="asked for")


Submit = Callable[[Callable[[], Thought]], "Future[Thought]"]
"""Starts a piece of work and returns its future: ``ThreadPoolExecutor(max_workers=1).submit``, or :func:`at_once`."""


def at_once(work: Callable[[], Thought]) -> Future[Thought]:
    """Do the work here and now, and return a future that is done."""
    future: Future[Thought] = Future()
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
        self._lessons: list[Observation] = []

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
        if self._under_way is None:
            teach(self._optimizer, observation)
        else:
            self._lessons.append(observation)

    def begin(self, pending: Sequence[Mapping[str, Any]], given: Mapping[str, Any] | None = None) -> None:
        """Begin to work out the next point, unless that is under way already.

        Args:
            pending: Points whose outcome is not known yet.
            given: What a person gave of the next point; None where the optimizer is to choose it.
        """
        if self._under_way is not None:
            return
        lessons, self._lessons = self._lessons, []

        def work() -> Thought:
            began_s = self._clock.monotonic_s()
            for lesson in lessons:
                teach(self._optimizer, lesson)
            optimizer = self._optimizer
            suggestion = optimizer.suggest(pending) if given is None else self._complete(given, optimizer)
            return Thought(suggestion=suggestion, think_s=self._clock.monotonic_s() - began_s, given=given)

        self._under_way = self._submit(work)

    def take(self) -> Thought | None:
        """Return the thought where it is finished, or None.

        Raises:
            Exception: Whatever the optimizer raised.
        """
        if self._under_way is None or not self._under_way.done():
            return None
        finished, self._under_way = self._under_way, None
        return finished.result()

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Return what the optimizer, with every lesson learned, expects of points; None where it has no model.

        Waits for a thought under way.
        """
        if self._under_way is not None:
            wait([self._under_way])
        lessons, self._lessons = self._lessons, []
        for lesson in lessons:
            teach(self._optimizer, lesson)
        return expectations_of(self._optimizer, points)
