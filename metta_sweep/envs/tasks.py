"""The cogeval tasks: maps drawn for one question each, played by the rules of the altar game.

All tasks have the objects, the items and the view of the shipped altar game, so that one policy can play any of them
and the altar game as well. An agent sees five cells far, through walls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MINE = {"outputs": {"ore": 1}}
_GENERATOR = {"inputs": {"ore": 1}, "outputs": {"battery": 1}}
_ALTAR = {"inputs": {"battery": 1}, "outputs": {"heart": 1}, "hp": 1}
_GOAL = {"outputs": {"heart": 1}, "hp": 1}
"""An altar that asks for nothing: being there is enough."""


def _task(
    *drawings: str,
    max_steps: int,
    rewards: Mapping[str, float],
    limit: str = "truncation",
    **objects: Mapping[str, object],
) -> dict[str, Any]:
    kinds = {"mine": _MINE, "generator": _GENERATOR, "altar": _ALTAR} | objects
    return {
        "max_steps": max_steps,
        "limit": limit,
        "map": {"ascii": drawings},
        "rewards": rewards,
        "objects": kinds,
    }


CORRIDOR = """
#############
#@...@...@..#
###########.#
#...@...@...#
#.###########
#..@...@...a#
#############
"""

ROOMS = tuple(
    f"""
###########
#..@.#..{east}.#
#.@..#....#
#.@.......#
#....#....#
##.####.###
#....#....#
#.........#
#.{west}..#....#
#....#..{far}.#
###########
"""
    for east, west, far in ("a..", ".a.", "..a")
)

T_MAZE = tuple(
    f"""
###################
#{left}...............{right}#
#########.#########
#########.#########
#########@#########
#########@#########
#########@#########
########{cue}########
###################
"""
    for left, right, cue in (("a", ".", "g@#"), (".", "a", "#@g"))
)

CRAFT = """
#######
#m...g#
#.@.@.#
#.@.@.#
#...a.#
#######
"""

PATIENCE = """
#########
#m.....m#
#.@...@.#
#...g...#
#.@...@.#
#...a...#
#########
"""

HEART = {"heart": 1.0}
CHAIN = {"ore": 0.2, "battery": 0.3, "heart": 1.0}

TASKS: Mapping[str, dict[str, Any]] = {
    # Navigation: find the way to an altar that asks for nothing.
    "corridor": _task(CORRIDOR, max_steps=64, rewards=HEART, altar=_GOAL),
    "rooms": _task(*ROOMS, max_steps=48, rewards=HEART, altar=_GOAL),
    # Memory: a generator left or right of the start says where the altar is; at the fork neither can be seen any more,
    # and there is no time to try both ways: the last tick is the end, not a cut. There is no ore to use it with, so
    # that nothing in the hand can stand for a memory.
    "t_maze": _task(*T_MAZE, max_steps=16, limit="terminal", rewards=HEART, altar=_GOAL),
    # Object use: the whole chain once; then twice, with a generator that has to be waited for.
    "craft": _task(CRAFT, max_steps=32, rewards=CHAIN, mine=_MINE | {"hp": 1}),
    "patience": _task(
        PATIENCE,
        max_steps=64,
        rewards=CHAIN,
        mine=_MINE | {"hp": 1},
        generator=_GENERATOR | {"cooldown": 10},
        altar=_ALTAR | {"hp": 2},
    ),
}
"""Settings of an :class:`~metta_sweep.envs.config.AltarGame` by the task's name."""


def with_starts(name: str, starts: str) -> dict[str, Any]:
    """Return a task's settings with other places to start.

    Args:
        name: Of the task.
        starts: ``task``, those of the task; ``anywhere``, every floor, so that what is far is met early; or ``mixed``,
            an episode has the one or the other with equal chance.
    """
    task = TASKS[name]
    own = task["map"]["ascii"]
    anywhere = tuple(drawing.replace(".", "@") for drawing in own)
    drawings = {"task": own, "anywhere": anywhere, "mixed": (*own, *anywhere)}[starts]
    return {**task, "map": {**task["map"], "ascii": drawings}}
