"""The grid engine: agents walk, turn and use objects on many maps at once.

Every map of B environments lies in one flat array of cell codes, with a margin as wide as an agent sees, so that a
cell's neighbour is an offset and a view is one gather. Agents of one map act one after the other, all maps together.

========  ==========================================================================================
symbol    meaning
========  ==========================================================================================
E, A, K   environments, agents of each, objects of each
cell      index into the flat map of all environments
code      what a cell shows: 0 empty (or outside), 1 wall, 2 agent, then two codes a kind: ready, busy
========  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.grid_rules import (
    BLOCKED,
    FIXED,
    IDLE,
    LENGTH,
    MOVED,
    NEVER,
    NOT_YET,
    REWARD,
    TRIED,
    Layout,
    Placement,
    Rules,
    stat_names,
)
from metta_sweep.envs.pictures import Color, draw_grid, grid_legend
from metta_sweep.envs.randomness import staggered, uniforms
from metta_sweep.envs.vec_env import Bytes, Doubles, EnvSpec, Episodes, Ints, Observations, Step, Truncated

EMPTY, WALL, AGENT, FIRST_OBJECT = 0, 1, 2, 3
NOOP, NORTH, SOUTH, WEST, EAST, USE = range(6)
COUNTED_AS = np.array([IDLE, BLOCKED, BLOCKED, BLOCKED, BLOCKED, TRIED])
"""Column of the statistics by action; a step that goes somewhere is counted as MOVED."""


class Grid:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of many maps of one game.

    Args:
        rules: The game.
        layout: Where things are put.
        num_envs: Maps.
        first: Number of the first one, where other processes have those before it.
    """

    def __init__(self, rules: Rules, layout: Layout, num_envs: int, *, first: int = 0) -> None:
        self._rules, self._layout, self._envs = rules, layout, num_envs
        agents, radius, kinds = rules.num_agents, rules.view // 2, rules.kinds
        self._pitch = layout.width + 2 * radius
        self._map_cells = self._pitch * (layout.height + 2 * radius)
        self._kind_of = np.repeat(np.arange(len(kinds)), [kind.count for kind in kinds])  # (K,)
        self._inputs = np.array([kind.inputs for kind in kinds], np.int64).reshape(len(kinds), -1)
        self._outputs = np.array([kind.outputs for kind in kinds], np.int64).reshape(len(kinds), -1)
        self._gain = (self._outputs @ np.array(rules.rewards)).astype(np.float32)  # (kinds,) reward of a use
        self._cooldown = np.array([kind.cooldown for kind in kinds], np.int64)
        self._cools = self._cooldown[self._kind_of] > 0  # (K,)
        self._lives = np.array([kind.lives for kind in kinds], np.int64)
        self._numbers = np.arange(first, first + num_envs)  # of the environments, among all there are
        self._base = np.arange(num_envs) * self._map_cells  # (E,) first cell of each map
        self._delta = np.array([-self._pitch, self._pitch, -1, 1])
        self._corner = radius * (self._pitch + 1)  # from the first cell that an agent sees to its own
        inside = (np.arange(layout.height)[:, None] + radius) * self._pitch + np.arange(layout.width) + radius
        self._inside = inside.reshape(-1)  # cell of each place of the layout, without its map's base

        self._cells = np.zeros(num_envs * self._map_cells, np.uint8)
        views = len(self._cells) - (rules.view - 1) * (self._pitch + 1)
        self._views = as_strided(  # (cells, view, view) what is seen, by the cell of its first corner
            self._cells, (views, rules.view, rules.view), (1, self._pitch, 1), writeable=False
        )
        self._object_at = np.zeros(num_envs * self._map_cells, np.int64)
        self._object_cell = np.zeros((num_envs, len(self._kind_of)), np.int64)
        self._ready_at = np.zeros((num_envs, len(self._kind_of)), np.int64)
        self._uses_left = np.zeros((num_envs, len(self._kind_of)), np.int64)
        self._position = np.zeros((num_envs, agents), np.int64)
        self._facing = np.zeros((num_envs, agents), np.int64)
        self._carried = np.zeros((num_envs, agents, len(rules.items)), np.int64)
        self._tick = np.zeros(num_envs, np.int64)
        self._born = np.zeros(num_envs, np.int64)
        self._episode = np.zeros(num_envs, np.int64)
        self._seed = np.zeros(1, np.int64)
        objects, cells = len(self._kind_of), layout.height * layout.width
        self._laid_out = Placement.empty(num_envs, cells=cells, agents=agents, objects=objects)
        self._laid_out_for = np.full(num_envs, NOT_YET)  # (E,) the episode that each of them belongs to
        self._stat_names = stat_names(rules)
        self._stats = np.zeros((num_envs * agents, len(self._stat_names)))
        self._rows_of = np.arange(num_envs * agents).reshape(num_envs, agents).T  # (A, E) rows of the statistics
        self._finished: list[tuple[Ints, Doubles]] = []

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types: the view's cells, the inventory, the direction faced."""
        rules = self._rules
        codes = FIRST_OBJECT + 2 * len(rules.kinds)
        sizes = (codes,) * rules.view**2 + (rules.inventory_limit + 1,) * len(rules.items) + (4,)
        return EnvSpec(
            rows=self._envs * rules.num_agents,
            actions=Discrete(6),
            width=len(sizes),
            code_sizes=sizes,
            picture=(1, rules.view, rules.view),
        )

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every map's first episode."""
        self._seed[0] = seed
        self._episode[:] = 0
        self._laid_out_for[:] = NOT_YET
        self._begin(np.arange(self._envs))
        if stagger:
            self._tick[:] = staggered(self._numbers, self._rules.max_steps)
            self._born[:] = self._tick
        self._finished.clear()
        self._see(observations)

    def step(self, actions: Ints, out: Step) -> Truncated | None:
        """Let every agent act, then the clock tick."""
        out.rewards[:] = 0.0
        out.terminals[:] = False
        out.truncations[:] = False
        by_agent = actions.reshape(self._envs, -1)
        rewards = out.rewards.reshape(self._envs, -1)
        for agent in range(self._rules.num_agents):
            self._act(agent, by_agent[:, agent], rewards[:, agent])
        self._tick += 1
        if self._cools.any():
            self._wake()
        ended = np.flatnonzero(self._tick >= self._rules.max_steps)
        truncated = self._cut(ended, out) if len(ended) else None
        self._see(out.observations)
        return truncated

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in self._finished)])
        table = np.concatenate([np.zeros((0, len(self._stat_names))), *(stats for _, stats in self._finished)])
        self._finished.clear()
        return Episodes(rows=rows, stats=dict(zip(self._stat_names, table.T, strict=True)))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of all that the future depends on."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Continue from :meth:`state`."""
        for name, array in self._arrays().items():
            array[:] = state[name]
        self._laid_out_for[:] = NOT_YET
        self._finished.clear()
        self._see(observations)

    def close(self) -> None:
        """Do nothing: all is Python's."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Words for the actions."""
        return "wait", "north", "south", "west", "east", "use"

    @property
    def legend(self) -> Mapping[str, Color]:
        """What the colors of a picture mean."""
        return grid_legend(tuple(kind.name for kind in self._rules.kinds))

    def picture(self, env: int) -> Bytes:
        """Return a map as it stands, seen by its first agent."""
        shape, radius = (self._layout.height, self._layout.width), self._rules.view // 2
        rows, columns = np.divmod(self._position[env] - self._base[env], self._pitch)
        near = [np.abs(np.arange(n) + radius - at[0]) <= radius for n, at in zip(shape, (rows, columns), strict=True)]
        return draw_grid(
            self._cells[self._base[env] + self._inside].reshape(shape),
            kinds=len(self._rules.kinds),
            agents=np.stack([rows, columns], 1) - radius,
            facing=self._facing[env],
            sight=near[0][:, None] & near[1],
        )

    def facts(self, env: int) -> Mapping[str, str]:
        """Return what a map's first agent carries."""
        pairs = zip(self._rules.items, self._carried[env, 0], strict=True)
        carried = ", ".join(f"{amount} {item}" for item, amount in pairs if amount)
        return {"carries": carried or "nothing"}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        names = "cells object_at object_cell ready_at uses_left position facing carried tick born episode seed stats"
        return {name: getattr(self, f"_{name}") for name in names.split()}

    def _act(self, agent: int, actions: Ints, rewards: npt.NDArray[np.float32]) -> None:
        """Let one agent of each map act. actions: (E,); rewards: (E,), added to."""
        here, facing = self._position[:, agent], self._facing[:, agent]
        walks = (actions >= NORTH) & (actions <= EAST)
        np.copyto(facing, actions - NORTH, where=walks)
        ahead = here + self._delta[facing]
        seen = self._cells[ahead]
        goes = np.flatnonzero(walks & (seen == EMPTY))
        self._cells[here[goes]] = EMPTY
        here[goes] = ahead[goes]
        self._cells[here[goes]] = AGENT
        column = COUNTED_AS[actions]
        column[goes] = MOVED
        self._stats[self._rows_of[agent], column] += 1
        uses = np.flatnonzero((actions == USE) & (seen >= FIRST_OBJECT))
        if len(uses):
            self._use(agent, uses, ahead[uses], rewards)

    def _use(self, agent: int, envs: Ints, cells: Ints, rewards: npt.NDArray[np.float32]) -> None:
        """Let one agent of some maps use what stands on a cell before it. envs, cells: (n,)."""
        index = self._object_at[cells]
        kind = self._kind_of[index]
        carried = self._carried[envs, agent]
        after = carried - self._inputs[kind] + self._outputs[kind]
        allowed = self._ready_at[envs, index] <= self._tick[envs]
        allowed &= (carried >= self._inputs[kind]).all(1) & (after <= self._rules.inventory_limit).all(1)
        envs, cells, index, kind = envs[allowed], cells[allowed], index[allowed], kind[allowed]
        self._carried[envs, agent] = after[allowed]
        rewards[envs] += self._gain[kind]
        self._tire(envs, cells, index, kind)
        rows, items = self._rows_of[agent, envs], len(self._rules.items)
        self._stats[rows, FIXED + kind] += 1
        got = FIXED + len(self._rules.kinds)
        self._stats[rows, got : got + items] += self._outputs[kind]
        self._stats[rows, got + items :] += self._inputs[kind]

    def _tire(self, envs: Ints, cells: Ints, index: Ints, kind: Ints) -> None:
        """Count a use of some objects; those that cool down or are spent are busy."""
        left = self._uses_left[envs, index] - 1
        self._uses_left[envs, index] = left
        ready_at = np.where(left > 0, self._tick[envs] + 1 + self._cooldown[kind], NEVER)
        self._ready_at[envs, index] = ready_at
        self._cells[cells] += (ready_at > self._tick[envs] + 1).astype(np.uint8)

    def _wake(self) -> None:
        """Show the objects whose cooldown ends with this tick as ready."""
        due = (self._ready_at == self._tick[:, None]) & self._cools
        cells = self._object_cell[due]
        self._cells[cells] -= 1

    def _cut(self, ended: Ints, out: Step) -> Truncated | None:
        """End the episodes of some maps by their time limit and begin the next."""
        rows = (ended[:, None] * self._rules.num_agents + np.arange(self._rules.num_agents)).reshape(-1)
        truncated = None if self._rules.limit_is_terminal else self._truncated(ended, rows, out)
        (out.truncations if truncated is not None else out.terminals)[rows] = True
        self._record(ended, rows)
        self._episode[ended] += 1
        self._begin(ended)
        return truncated

    def _truncated(self, ended: Ints, rows: Ints, out: Step) -> Truncated:
        last = np.empty((len(rows), out.observations.shape[1]), np.uint8)
        self._see(last, ended)
        return Truncated(rows=rows, observations=last)

    def _record(self, ended: Ints, rows: Ints) -> None:
        got = FIXED + len(self._rules.kinds)
        stats = self._stats[rows]
        stats[:, REWARD] = stats[:, got : got + len(self._rules.items)] @ np.array(self._rules.rewards)
        stats[:, LENGTH] = np.repeat(self._tick[ended] - self._born[ended], self._rules.num_agents)
        self._finished.append((rows, stats))
        self._stats[rows] = 0

    def _begin(self, envs: Ints) -> None:
        """Lay out fresh maps. envs: (n,)."""
        if (self._laid_out_for[envs] != self._episode[envs]).any():
            self._lay_out(envs)
        place = self._laid_out.of(envs)
        base = self._base[envs, None]
        maps = self._cells.reshape(self._envs, -1)
        maps[envs] = EMPTY
        maps[envs[:, None], self._inside] = place.walls * WALL
        self._position[envs] = base + self._inside[place.agents]
        self._object_cell[envs] = base + self._inside[place.objects]
        self._cells[self._position[envs]] = AGENT
        self._cells[self._object_cell[envs]] = FIRST_OBJECT + 2 * self._kind_of
        self._object_at[self._object_cell[envs]] = np.arange(len(self._kind_of))
        self._ready_at[envs] = 0
        self._uses_left[envs] = self._lives[self._kind_of]
        self._facing[envs] = 0
        self._carried[envs] = 0
        self._tick[envs] = self._born[envs] = 0

    def _lay_out(self, envs: Ints) -> None:
        """Draw the episodes of some maps that begin now, and with them the next of all others that are not yet drawn.

        Episodes seldom end together, and many maps are drawn in little more time than one.
        """
        wanted = self._episode + 1
        wanted[envs] -= 1
        due = np.flatnonzero(self._laid_out_for != wanted)
        draws = uniforms(int(self._seed[0]), self._numbers[due], wanted[due], self._layout.draws)
        self._laid_out.put(due, self._layout.place(draws))
        self._laid_out_for[due] = wanted[due]

    def _see(self, observations: Observations, envs: Ints | slice = slice(None)) -> None:
        """Write what the agents of some maps see. observations: (rows, width)."""
        cells, items = self._rules.view**2, len(self._rules.items)
        corner = self._position[envs].reshape(-1) - self._corner
        observations[:, :cells] = self._views[corner].reshape(-1, cells)
        observations[:, cells : cells + items] = self._carried[envs].reshape(-1, items)
        observations[:, -1] = self._facing[envs].reshape(-1)
