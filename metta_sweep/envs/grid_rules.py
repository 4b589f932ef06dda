"""What a game on the grid is made of, with names turned into positions, and where its things are put."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from metta_sweep.envs.vec_env import Bools, Doubles, Ints

NEVER = np.iinfo(np.int64).max
"""A tick that does not come."""
NOT_YET = -1
"""Before any episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of object, ready for arithmetic."""

    name: str
    count: int
    inputs: tuple[int, ...]
    """Amount of each item that a use takes."""
    outputs: tuple[int, ...]
    """Amount of each item that a use gives."""
    cooldown: int
    hp: int

    @property
    def lives(self) -> int:
        """Uses before it is spent."""
        return self.hp or NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A game on the grid."""

    kinds: tuple[Kind, ...]
    items: tuple[str, ...]
    rewards: tuple[float, ...]
    """Reward for each item got."""
    num_agents: int
    max_steps: int
    limit_is_terminal: bool
    """Whether nothing follows the last tick: no value is asked for what would come."""
    view: int
    inventory_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the things of n fresh maps are; places count cells of a map of (height, width)."""

    walls: Bools
    """(n, height * width)"""
    agents: Ints
    """(n, A)"""
    objects: Ints
    """(n, K), kinds one after the other"""

    @classmethod
    def empty(cls, maps: int, *, cells: int, agents: int, objects: int) -> Placement:
        """Return places for :meth:`put` to fill."""
        return cls(
            walls=np.zeros((maps, cells), np.bool_),
            agents=np.zeros((maps, agents), np.int64),
            objects=np.zeros((maps, objects), np.int64),
        )

    def put(self, maps: Ints, places: Placement) -> None:
        """Replace the places of some maps."""
        self.walls[maps], self.agents[maps], self.objects[maps] = places.walls, places.agents, places.objects

    def of(self, maps: Ints) -> Placement:
        """Return a copy of the places of some maps."""
        return Placement(walls=self.walls[maps], agents=self.agents[maps], objects=self.objects[maps])


class Layout(Protocol):
    """Makes fresh maps."""

    height: int
    width: int
    draws: int
    """Random numbers that a map needs."""

    def place(self, draws: Doubles) -> Placement:
        """Return n maps made of (n, draws) numbers in [0, 1)."""


REWARD, LENGTH, IDLE, MOVED, BLOCKED, TRIED, FIXED = range(7)
"""Columns of the statistics; the rest follow, by kind and by item."""


def stat_names(rules: Rules) -> tuple[str, ...]:
    """Return the statistics of an episode: ``action.use`` counts tries, ``action.use.KIND`` those that worked."""
    return (
        "reward",
        "episode_length",
        "action.noop",
        "action.move",
        "action.move.blocked",
        "action.use",
        *(f"action.use.{kind.name}" for kind in rules.kinds),
        *(f"{item}.get" for item in rules.items),
        *(f"{item}.put" for item in rules.items),
    )
