"""What the best possible player gets out of an episode of the shipped altar game, by dynamic programming.

    python -m benchmarks.trainer.altar_optimum [--maps 10] [--out FILE]

The player knows the whole map. Its plan is played in the environment itself, and has to earn there what was computed.

========  ==============================================================================================
symbol    meaning
========  ==============================================================================================
stand     a free cell and one of four directions, numbered together
state     stand; ore, batteries and hearts carried; ticks until mine 1, mine 2, generator and altar can be used
V_t       most that can still be earned from a state at tick t, in tenths of a reward (all rewards are tenths)
========  ==============================================================================================

V_t(s) = max_a r(s, a) + V_t+1(s'), from V_64 = 0 (Bellman, 1957).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.trainer.workloads import shipped
from metta_sweep.envs.config import AltarEnv
from metta_sweep.envs.grid import NOOP, NORTH, USE
from metta_sweep.envs.layouts import RandomLayout
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Step

SIDE, TICKS, MOST = 9, 64, 5
WAITS = (4, 4, 2, 5)
"""Ticks after a use of mine 1, mine 2, generator and altar."""
ITEMS = 3
SHAPE = (*(MOST + 1,) * ITEMS, *(wait + 1 for wait in WAITS))
"""Of a state without its stand: what is carried, and the four waits."""
CHANGES = ((1, 0, 0), (1, 0, 0), (-1, 1, 0), (0, -1, 1))
"""Ore, batteries and hearts of a use."""
TENTHS = (2, 2, 3, 10)
"""Reward of a use."""
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""North, south, west, east."""


@dataclass(frozen=True)
class Map:
    """Where the agent starts and the four objects stand, as (row, column)."""

    start: tuple[int, int]
    objects: tuple[tuple[int, int], ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Map:
        layout = RandomLayout(height=SIDE, width=SIDE, rooms=1, agents=1, objects=4, walls=0)
        placement = layout.place(rng.random((1, layout.draws)))
        agent, *objects = (divmod(int(place), SIDE) for place in (*placement.agents[0], *placement.objects[0]))
        return cls(agent, tuple(objects))

    def drawing(self) -> str:
        cells = [["#" if {row, column} & {0, SIDE - 1} else "." for column in range(SIDE)] for row in range(SIDE)]
        for symbol, (row, column) in zip("@mmga", (self.start, *self.objects), strict=True):
            cells[row][column] = symbol
        return "\n".join("".join(row) for row in cells)

    def stands(self) -> dict[tuple[int, int, int], int]:
        inside = ((row, column) for row in range(1, SIDE - 1) for column in range(1, SIDE - 1))
        free = [cell for cell in inside if cell not in self.objects]
        return {(*cell, facing): len(STEPS) * k + facing for k, cell in enumerate(free) for facing in range(len(STEPS))}

    def walks(self) -> np.ndarray[Any, Any]:
        """Return (4, stands) where a step in each direction leads: turned towards it at least."""
        numbers = self.stands()
        ends = [
            numbers.get((row + down, column + right, way), numbers[row, column, way])
            for way, (down, right) in enumerate(STEPS)
            for row, column, _ in numbers
        ]
        return np.array(ends).reshape(len(STEPS), -1)

    def faced(self) -> Iterator[tuple[int, int]]:
        """Yield each stand before an object with the object."""
        for (row, column, facing), number in self.stands().items():
            ahead = row + STEPS[facing][0], column + STEPS[facing][1]
            if ahead in self.objects:
                yield number, self.objects.index(ahead)


def solve(world: Map) -> list[np.ndarray[Any, Any]]:
    """Return V_0 to V_64."""
    walks, faced = world.walks(), list(world.faced())
    values = [np.zeros((walks.shape[1], *SHAPE), np.int8)]
    for _ in range(TICKS):
        values.append(_before(values[-1], walks, faced))
    return values[::-1]


def _before(value: np.ndarray[Any, Any], walks: np.ndarray[Any, Any], faced: list[tuple[int, int]]) -> Any:
    """Return V_t of V_t+1."""
    waited = _waited(value)
    best = np.maximum.reduce([waited, *(waited[ends] for ends in walks)])
    for stand, kind in faced:
        was, now = _used(kind)
        best[stand][was] = np.maximum(best[stand][was], _waited(value[stand], kind)[now] + np.int8(TENTHS[kind]))
    return best


def _waited(value: np.ndarray[Any, Any], besides: int | None = None) -> Any:
    """Return the value by the waits before a tick that shortens all of them, but for that of the object in use."""
    for kind, wait in enumerate(WAITS):
        if kind != besides:
            value = value.take(np.maximum(np.arange(wait + 1) - 1, 0), axis=kind - len(WAITS))
    return value


def _used(kind: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the states in which an object can be used, and those in which that ends."""
    was: list[Any] = [slice(None)] * len(SHAPE)
    now = list(was)
    for item, change in enumerate(CHANGES[kind]):
        if change:
            less, more = slice(0, MOST), slice(1, MOST + 1)
            was[item], now[item] = (less, more) if change > 0 else (more, less)
    was[ITEMS + kind], now[ITEMS + kind] = 0, WAITS[kind]
    return tuple(was), tuple(now)


def play(world: Map, values: list[np.ndarray[Any, Any]]) -> float:
    """Play the plan in the environment; return what it earns there."""
    config = AltarEnv.model_validate(_settings(world))
    env = make_env(config, rows=1)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    walks, faced, earned = world.walks(), dict(world.faced()), 0.0
    stand, state = world.stands()[*world.start, 0], (0,) * len(SHAPE)
    for tick in range(TICKS):
        action, stand, state = _choose(stand, state, values[tick + 1], walks, faced)
        env.step(np.array([action]), out)
        earned += float(out.rewards[0])
    return earned


def _choose(
    stand: int, state: tuple[int, ...], after: np.ndarray[Any, Any], walks: Any, faced: dict[int, int]
) -> tuple[int, int, tuple[int, ...]]:
    """Return the best action, and where it leads."""
    waited = (*state[:ITEMS], *(max(wait - 1, 0) for wait in state[ITEMS:]))
    options = [(int(after[stand][waited]), NOOP, stand, waited)]
    options += [(int(after[end][waited]), NORTH + way, int(end), waited) for way, end in enumerate(walks[:, stand])]
    kind = faced.get(stand)
    if kind is not None and state[ITEMS + kind] == 0:
        carried = tuple(held + change for held, change in zip(state, CHANGES[kind], strict=False))
        if min(carried) >= 0 and max(carried) <= MOST:
            used = (*carried, *waited[ITEMS : ITEMS + kind], WAITS[kind], *waited[ITEMS + kind + 1 :])
            options.append((int(after[stand][used]) + TENTHS[kind], USE, stand, used))
    _, action, stand, state = max(options, key=lambda option: option[0])
    return action, stand, state


def _settings(world: Map) -> dict[str, Any]:
    settings: dict[str, Any] = shipped("env=altar")["env"]
    settings["game"]["map"] |= {"ascii": world.drawing()}
    return settings


def one(seed: int) -> dict[str, float]:
    """Return what the best player earns on one map, computed and played."""
    world, began_s = Map.draw(np.random.default_rng(seed)), time.process_time()
    values = solve(world)
    best = int(values[0][world.stands()[*world.start, 0]][(0,) * len(SHAPE)]) / 10
    played = round(play(world, values), 3)
    if abs(best - played) > 1e-3:
        raise ArithmeticError(f"map {seed}: computed {best}, played {played}")
    return {"map": seed, "reward": best, "cpu_s": round(time.process_time() - began_s, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows = []
    for seed in range(arguments.maps):
        rows.append(one(seed))
        print(json.dumps(rows[-1]), flush=True)
    rewards = [row["reward"] for row in rows]
    error = statistics.stdev(rewards) / len(rows) ** 0.5 if len(rows) > 1 else 0.0
    print(f"best player: {statistics.mean(rewards):.2f} +/- {error:.2f}")
    if arguments.out:
        arguments.out.write_text(json.dumps({"maps": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
