"""Who does which rollout of a shared sweep: pure decisions from what was seen at W&B.

A rollout is known by its number, that of its first run. Machines claim numbers one after the other; ``claim`` of the
number after all others succeeds for one machine only. What a machine does while W&B is unreachable has
numbers of a range of its own, which nobody claims.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALONE_FROM = 10**12
"""The first number of the ranges that belong to one machine each."""

_ALONE_SPAN = 10**6


def alone_number(machine: str, count: int) -> int:
    """Return the ``count``-th number that no other machine can have; ``machine`` is 8 hex digits."""
    return ALONE_FROM + int(machine, 16) * _ALONE_SPAN + count


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine's own record."""

    machine: str
    """8 hex digits that no other has."""
    host: str
    """Its name, for people."""
    beat: int = 0
    """Grows while it is alive."""
    left: bool = False
    """Whether it has said goodbye."""
    points: Mapping[int, Mapping[str, Any] | None] = field(default_factory=dict)
    """The rollouts that it has in hand or under way, and their points where they are known."""
    given_up: frozenset[int] = frozenset()
    """Rollouts of machines that were gone, which are done anew under other numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A rollout that somebody does or has done."""

    number: int
    """Its number."""
    owner: str
    """The machine; empty where nobody has signed yet."""
    is_over: bool
    """Whether its outcome is known."""
    is_left: bool
    """Whether its owner is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that a machine has seen of a shared sweep."""

    samples: int
    """Runs a rollout: numbers are so far apart."""
    rollouts: Mapping[int, Claimed]
    """Rollouts by number."""
    given_up: frozenset[int]
    """What any machine has given up."""

    @property
    def next_number(self) -> int:
        """Return the number after all claimed ones: all before it exist."""
        return max((n for n in self.rollouts if n < ALONE_FROM), default=-self.samples) + self.samples

    @property
    def counted(self) -> int:
        """Return how many rollouts are done or will be: a claim that was not seen counts, since it must be there."""
        unseen = self.next_number // self.samples - sum(number < ALONE_FROM for number in self.rollouts)
        return unseen + sum(r.is_over or r.number not in self.given_up for r in self.rollouts.values())

    def in_hand(self, machine: str, used: Mapping[int, Any]) -> list[int]:
        """Return what the machine has claimed and not used yet, in order."""
        mine = (r.number for r in self.rollouts.values() if r.owner == machine and not r.is_over)
        return sorted(number for number in mine if number not in used and number not in self.given_up)

    def elsewhere(self, machine: str) -> list[int]:
        """Return what others are doing or will do, in order."""
        return sorted(
            r.number
            for r in self.rollouts.values()
            if r.owner != machine and not (r.is_over or r.is_left) and r.number not in self.given_up
        )

    @property
    def left_over(self) -> list[int]:
        """Return what machines that are gone have not finished, in order."""
        return sorted(
            r.number for r in self.rollouts.values() if r.is_left and not r.is_over and r.number not in self.given_up
        )


def wanted(*, free_runs: int, slots: int, samples: int, machines: int, left: int) -> int:
    """Return how many claims a machine should have in hand.

    Args:
        free_runs: Runs that it could start at once.
        slots: Runs that it does at once.
        samples: Runs a rollout.
        machines: Machines at work, itself included.
        left: Rollouts that nobody has claimed yet.

    One more than needed saves the wait for the next; towards the end it could keep another machine idle.
    """
    ahead = 1 if left > machines * slots else 0
    return -(-free_runs // samples) + ahead
