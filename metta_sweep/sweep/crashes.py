"""The same failure again and again: a cause outside the parameters, for which the sweep stops."""

from __future__ import annotations

from dataclasses import dataclass

from metta_sweep.sweep.records import Failure, FailureClass, Run, RunState

CRASH_LIMIT = 3
"""The same failure of the program this often in a row stops the sweep."""

BLAMED_LIMIT = 8
"""While no run has ever finished, the same failure that parameters can have at so many points in a row stops it too."""

_OF_THE_PROGRAM = frozenset({FailureClass.CRASH, FailureClass.NO_RESULT, FailureClass.INVALID_CONFIG})
"""Failures that hint at a cause outside the parameters where the very same one comes again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One failed attempt."""

    failure: Failure
    """Why."""
    signature: str
    """What makes it the same as another."""
    run_id: str
    """The run."""
    rollout: int
    """Its rollout."""
    gave_up: bool
    """Whether the run is not tried again."""


class Crashes:
    """Failures in a row; a run that finishes ends the row.

    Once a run has finished, only failures that parameters do not explain are looked at; before that every one is.
    """

    def __init__(self) -> None:
        self._seen: list[FailedAttempt] = []
        self._streak: list[FailedAttempt] = []
        self._has_succeeded = False

    def add(self, failure: Failure, run: Run) -> None:
        """Take the failure of a run's last attempt into account."""
        if failure.kind is FailureClass.STOPPED:
            return
        gave_up = run.state is RunState.FAILED
        if self._has_succeeded and failure.kind not in _OF_THE_PROGRAM and not (failure.kind.is_retried and gave_up):
            return
        signature = failure.signature
        seen = FailedAttempt(
            failure=failure, signature=signature, run_id=run.run_id, rollout=run.rollout, gave_up=gave_up
        )
        self._seen.append(seen)
        is_same = bool(self._streak) and self._streak[-1].signature == signature
        self._streak = [*self._streak, seen] if is_same else [seen]

    def succeed(self) -> None:
        """Take into account that a run finished."""
        self._has_succeeded = True
        self.clear()

    def forget(self, run_id: str) -> None:
        """Leave a run out that is done again."""
        self._seen = [seen for seen in self._seen if seen.run_id != run_id]
        self._streak = [seen for seen in self._streak if seen.run_id != run_id]

    def clear(self) -> None:
        """Begin anew."""
        self._seen, self._streak = [], []

    @property
    def stopping(self) -> list[Failure]:
        """The same failure as often as it came in a row, where that stops the sweep; empty where it does not."""
        return [seen.failure for seen in self._streak] if self._is_hopeless() else []

    def _is_hopeless(self) -> bool:
        if not self._streak:
            return False
        failure, amount = self._streak[-1].failure, len(self._streak)
        given_up = sum(seen.gave_up for seen in self._streak)
        if failure.kind is FailureClass.INVALID_CONFIG and self._last_in_the_same_words() >= CRASH_LIMIT:
            return True
        if failure.kind.blames_parameters:
            return not self._has_succeeded and len({seen.rollout for seen in self._streak}) >= BLAMED_LIMIT
        if failure.external:
            return given_up >= (CRASH_LIMIT if self._has_succeeded else 1)
        return amount >= CRASH_LIMIT

    def _last_in_the_same_words(self) -> int:
        """Return how often the last message came in a row with the same values: those are not the parameters'."""
        words = [seen.failure.message for seen in self._streak]
        return next((k for k, word in enumerate(reversed(words)) if word != words[-1]), len(words))

    def blameless(self, *, all_failed: bool) -> list[FailedAttempt]:
        """Return the failures in a row that stopped a sweep and say nothing of the parameters.

        Args:
            all_failed: Whether the sweep ended since nothing in it worked: then every such failure counts.
        """
        found = self._streak if self._is_hopeless() else []
        if all_failed and not found:
            found = self._seen
        hopeless = {FailureClass.INVALID_CONFIG} if self._is_hopeless() else set()
        return [seen for seen in found if not seen.failure.kind.blames_parameters or seen.failure.kind in hopeless]
