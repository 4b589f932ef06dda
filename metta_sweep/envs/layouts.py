"""Where the things of a fresh map are put."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metta_sweep.envs import config
from metta_sweep.envs.grid import Placement
from metta_sweep.envs.vec_env import Doubles


class RandomLayout:
    """Objects, strewn walls and agents on distinct cells inside the outer walls, all equally likely."""

    def __init__(self, *, height: int, width: int, agents: int, objects: int, walls: int) -> None:
        self.height, self.width = height, width
        self._agents, self._objects, self._walls = agents, objects, walls
        border = np.ones((height, width), np.bool_)
        border[1:-1, 1:-1] = False
        self._border = border.reshape(-1)
        self._interior = np.flatnonzero(~self._border)
        self.draws = len(self._interior)

    def place(self, draws: Doubles) -> Placement:
        """Return n maps: the cells in the order of their numbers make a random permutation. draws: (n, cells)."""
        order = self._interior[np.argsort(draws, axis=1)]
        objects, agents, walls = np.split(order, np.cumsum([self._objects, self._agents, self._walls]), axis=1)[:3]
        walled = np.tile(self._border, (len(draws), 1))
        np.put_along_axis(walled, walls, 1, axis=1)
        return Placement(walls=walled, agents=agents, objects=objects)


class DrawnLayout:
    """An ASCII map; where it has more places for agents than there are agents, places are drawn."""

    def __init__(self, rows: Sequence[str], *, agents: int, symbols: Sequence[str]) -> None:
        self.height, self.width = len(rows), len(rows[0])
        drawn = np.array([list(row) for row in rows]).reshape(-1)
        self._walls = drawn == config.WALL
        self._places = np.flatnonzero(drawn == config.AGENT)
        self._objects = np.concatenate([np.flatnonzero(drawn == symbol) for symbol in symbols])
        self._agents = agents
        self.draws = len(self._places)

    def place(self, draws: Doubles) -> Placement:
        """Return n maps, agents on random ones of their places. draws: (n, places)."""
        count = len(draws)
        return Placement(
            walls=np.tile(self._walls, (count, 1)),
            agents=self._places[np.argsort(draws, axis=1)][:, : self._agents],
            objects=np.tile(self._objects, (count, 1)),
        )
