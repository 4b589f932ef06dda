"""Other machines that work on the same sweep, as the loop sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from metta_sweep.sweep.state import SweepState


class Peers(Protocol):
    """What others do. Every method is quick: nothing here asks the network."""

    def is_known(self) -> bool:
        """Whether it is known what the others do, or they are not waited for: before that nothing is started."""

    def claim(self, state: SweepState) -> int | None:
        """Return the number of the next rollout's first run, which nobody else uses; None while there is none."""

    def own_number(self, state: SweepState) -> int:
        """Return a number for a run that is not a part of the search; no other machine can have it."""

    def points(self) -> Sequence[Mapping[str, Any]]:
        """Return the points that others are evaluating now."""


class NoPeers:
    """The only machine: the next number is always free."""

    def is_known(self) -> bool:
        """Return true: there is nobody to hear of."""
        return True

    def claim(self, state: SweepState) -> int:
        """Return the number after all runs."""
        return len(state.runs)

    def own_number(self, state: SweepState) -> int:
        """Return the same: there is one range."""
        return len(state.runs)

    def points(self) -> Sequence[Mapping[str, Any]]:
        """Return nothing."""
        return ()
