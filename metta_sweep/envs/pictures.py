"""What a person sees of an environment: small pictures, drawn with arrays alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from metta_sweep.envs.vec_env import Bools, Bytes, Ints

Color: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

TILE = 24
"""Side of a cell of a grid, in pixels."""
FLOOR, EDGE, WALL_COLOR, OUT_OF_SIGHT = (244, 241, 234), (226, 221, 210), (74, 78, 89), 0.82
AGENT_COLOR, OTHER_COLOR, EYE = (31, 111, 235), (125, 148, 178), (255, 255, 255)
KIND_COLORS: tuple[Color, ...] = (
    (140, 98, 57),
    (42, 157, 92),
    (209, 73, 91),
    (138, 92, 209),
    (199, 125, 10),
    (20, 150, 160),
    (110, 110, 110),
)
"""Of the kinds of objects, in the order of the config; more than these begin again."""


@runtime_checkable
class Viewable(Protocol):
    """An environment that can be looked at."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Words for the actions, by number."""

    @property
    def legend(self) -> Mapping[str, Color]:
        """What the colors of a picture mean."""

    def picture(self, env: int) -> Bytes | None:
        """Return one environment as it stands: (height, width, 3); None where it cannot be drawn."""

    def facts(self, env: int) -> Mapping[str, str]:
        """Return what a picture does not show, in words."""


def draw_grid(cells: Bytes, *, kinds: int, agents: Ints, facing: Ints, sight: Bools) -> Bytes:
    """Return a picture of a grid.

    Args:
        cells: (H, W) codes: 0 floor, 1 wall, 2 agent, then two a kind of object: ready, busy.
        kinds: How many kinds of objects there are.
        agents: (A, 2) row and column of each; the first is the one that is watched.
        facing: (A,) 0 north, 1 south, 2 west, 3 east.
        sight: (H, W) what the watched agent sees; the rest is shaded.
    """
    tiles = _tiles(kinds)
    board = tiles[np.where(cells == 2, 0, cells)]  # (H, W, TILE, TILE, 3)
    for k, (row, column) in enumerate(agents):
        board[row, column] = _agent_tile(int(facing[k]), AGENT_COLOR if k == 0 else OTHER_COLOR)
    shade = np.where(sight, 1.0, OUT_OF_SIGHT)[:, :, None, None, None]
    height, width = cells.shape
    shaded = (board * shade).astype(np.uint8)
    return shaded.swapaxes(1, 2).reshape(height * TILE, width * TILE, 3)


def draw_rectangles(height: int, width: int, background: Color, rectangles: list[tuple[Color, slice, slice]]) -> Bytes:
    """Return a picture of rectangles, each a color with its rows and columns, later ones on top."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = background
    for color, rows, columns in rectangles:
        picture[rows, columns] = color
    return picture


def grid_legend(kinds: tuple[str, ...]) -> dict[str, Color]:
    """Return the colors of a grid's things; a hollow object is cooling down or spent."""
    colors = {name: KIND_COLORS[k % len(KIND_COLORS)] for k, name in enumerate(kinds)}
    return {"agent": AGENT_COLOR, "wall": WALL_COLOR, **colors}


def _tiles(kinds: int) -> Bytes:
    """Return (codes, TILE, TILE, 3): what each code looks like."""
    tiles = np.empty((3 + 2 * kinds, TILE, TILE, 3), np.uint8)
    tiles[:] = FLOOR
    tiles[:, -1], tiles[:, :, -1] = EDGE, EDGE
    tiles[1] = WALL_COLOR
    for kind in range(kinds):
        color = KIND_COLORS[kind % len(KIND_COLORS)]
        tiles[3 + 2 * kind : 5 + 2 * kind, 4:-5, 4:-5] = color
        tiles[4 + 2 * kind, 7:-8, 7:-8] = FLOOR
    return tiles


def _agent_tile(facing: int, color: Color) -> Bytes:
    """Return a disc with an eye on the side that it faces."""
    tile: Bytes = _tiles(0)[0].copy()
    middle = (TILE - 2) / 2
    rows, columns = np.mgrid[:TILE, :TILE] - middle
    tile[np.hypot(rows, columns) < 0.42 * TILE] = color
    look = ((-1, 0), (1, 0), (0, -1), (0, 1))[facing]
    tile[np.hypot(rows - 5 * look[0], columns - 5 * look[1]) < 0.13 * TILE] = EYE
    return tile
