"""The same failure again and again: a cause outside the parameters, for which the sweep stops."""

from __future__ import annotations

from metta_sweep.sweep.records import Failure, FailureClass

REPEATED = frozenset({FailureClass.CRASH, FailureClass.NO_RESULT, FailureClass.INVALID_CONFIG})
"""Failures that hint at a cause outside the parameters where the very same one comes again and again."""

CRASH_LIMIT = 3
"""The same failure of these kinds this often in a row stops the sweep."""


class Crashes:
    """Such failures in a row; a run that finishes ends the row."""

    def __init__(self) -> None:
        self._seen: list[tuple[Failure, int]] = []

    def add(self, failure: Failure, rollout: int) -> None:
        """Take a failure into account; one of another kind is none of these."""
        if failure.kind in REPEATED:
            self._seen.append((failure, rollout))

    def clear(self) -> None:
        """Begin anew."""
        self._seen.clear()

    @property
    def streak(self) -> list[Failure]:
        """The last failure, as often as it came in a row at the end."""
        streak: list[Failure] = []
        for failure, _ in reversed(self._seen):
            if streak and failure.signature != streak[-1].signature:
                break
            streak.append(failure)
        return streak

    @property
    def blameless(self) -> list[int]:
        """Rollouts whose parameters are not to blame: those of a streak that stops a sweep."""
        length = len(self.streak)
        return [rollout for _, rollout in self._seen[-length:]] if length >= CRASH_LIMIT else []
