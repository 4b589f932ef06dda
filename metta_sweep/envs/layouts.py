"""Where the things of a fresh map are put."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from metta_sweep.envs import altar_game
from metta_sweep.envs.grid_rules import Placement
from metta_sweep.envs.vec_env import Doubles


class RandomLayout:
    """Rooms with random doors; objects, agents and strewn walls on distinct cells of the rooms, all equally likely.

    Args:
        height: Cells from north to south, with the outer walls.
        width: Cells from west to east.
        rooms: Along each side.
        agents: Agents of a map.
        objects: Objects of a map.
        walls: Strewn walls; nobody checks that everything can still be reached.
    """

    def __init__(self, *, height: int, width: int, rooms: int, agents: int, objects: int, walls: int) -> None:
        self.height, self.width = height, width
        self._agents, self._objects, self._walls = agents, objects, walls
        rows, columns = _wall_lines(height, rooms), _wall_lines(width, rooms)
        built = np.zeros((height, width), np.bool_)
        built[rows], built[:, columns] = True, True
        self._built = built.reshape(-1)
        self._free = np.flatnonzero(~self._built)
        cells = np.arange(height * width).reshape(height, width)
        self._partitions = [cells[row, west + 1 : east] for row in rows[1:-1] for west, east in pairwise(columns)]
        self._partitions += [cells[north + 1 : south, col] for col in columns[1:-1] for north, south in pairwise(rows)]
        self.draws = len(self._free) + len(self._partitions)

    def place(self, draws: Doubles) -> Placement:
        """Return n maps: numbers order the free cells, the last ones choose the doors. draws: (n, self.draws)."""
        places, doors = np.split(draws, [len(self._free)], axis=1)
        order = self._free[np.argsort(places, axis=1)]
        objects, agents, walls = np.split(order, np.cumsum([self._objects, self._agents, self._walls]), axis=1)[:3]
        walled = np.tile(self._built, (len(draws), 1))
        np.put_along_axis(walled, walls, 1, axis=1)
        for k, partition in enumerate(self._partitions):
            walled[np.arange(len(draws)), partition[(doors[:, k] * len(partition)).astype(np.int64)]] = False
        return Placement(walls=walled, agents=agents, objects=objects)


def _wall_lines(length: int, rooms: int) -> list[int]:
    """Return where walls stand along a side, the outer ones too, with rooms of equal size as near as can be."""
    return [round(k * (length - 1) / rooms) for k in range(rooms + 1)]


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
        self._walls = drawn == altar_game.WALL
        self._places = drawn == altar_game.AGENT
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
