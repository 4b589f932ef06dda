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
    """ASCII maps of one size; the map is drawn, and where it has more places for agents than agents, the places are.

    Args:
        drawings: Maps as rows of characters, with the same number of each object.
        agents: Agents of a map.
        symbols: Characters of the kinds of objects, in their order.
    """

    def __init__(self, drawings: Sequence[Sequence[str]], *, agents: int, symbols: Sequence[str]) -> None:
        self.height, self.width = len(drawings[0]), len(drawings[0][0])
        drawn = np.array([[character for row in rows for character in row] for rows in drawings])  # (maps, cells)
        self._walls = drawn == config.WALL
        self._places = drawn == config.AGENT
        found = [np.argwhere(drawn == symbol)[:, 1].reshape(len(drawn), -1) for symbol in symbols]
        self._objects = np.concatenate(found, axis=1)
        self._agents = agents
        self.draws = 1 + drawn.shape[1]

    def place(self, draws: Doubles) -> Placement:
        """Return n maps: the first number draws the map, the others order its cells. draws: (n, 1 + cells)."""
        chosen = (draws[:, 0] * len(self._walls)).astype(np.int64)
        order = np.where(self._places[chosen], draws[:, 1:], np.inf)  # only places for agents take part
        return Placement(
            walls=self._walls[chosen],
            agents=np.argsort(order, axis=1)[:, : self._agents],
            objects=self._objects[chosen],
        )
