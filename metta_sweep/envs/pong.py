"""Pong on many courts at once, all numbers and no picture: an agent against a paddle that follows the ball.

The court is the unit square: the agent's paddle moves on x = 1, the opponent's on x = 0. A point won is +1, a point
lost is -1; the episode ends for good with the last of ``points``, or is cut after ``max_steps``. A ball that meets a
paddle leaves at an angle that grows with the distance from the paddle's middle, a little faster than it came.

========  ======================================================================
symbol    meaning
========  ======================================================================
N         courts, one agent each
ball      x, y, and the velocity of each in court lengths a step
paddles   y of the middle of the agent's and of the opponent's
========  ======================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.config import PongGame
from metta_sweep.envs.pictures import AGENT_COLOR, EDGE, FLOOR, OTHER_COLOR, Color, draw_rectangles
from metta_sweep.envs.randomness import staggered, uniforms
from metta_sweep.envs.vec_env import Bools, Bytes, Doubles, EnvSpec, Episodes, Ints, Observations, Step, Truncated

STAY, UP, DOWN = range(3)
SERVE_ANGLE, HIT_ANGLE = np.pi / 6, np.pi / 3
"""Steepest angle of a serve, and of a ball that left the end of a paddle."""
QUICKEN, TOP_SPEED = 1.05, 3.0
"""What a hit does to the ball's speed, and how many times the speed of a serve it can have."""
COURT, MARGIN, BALL = 192, 0.05, (209, 73, 91)
"""Of a picture: its side in pixels, what is left free around the court, and the color of the ball."""
STATS = ("reward", "episode_length", "points.won", "points.lost", "hits", "action.stay", "action.up", "action.down")
REWARD, LENGTH, WON, LOST, HITS, ACTIONS = range(6)


class Pong:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of many courts.

    Args:
        game: The rules.
        num_envs: Courts.
        first: Number of the first one, where other processes have those before it.
    """

    def __init__(self, game: PongGame, num_envs: int, *, first: int = 0) -> None:
        self._game, self._envs = game, num_envs
        self._numbers = np.arange(first, first + num_envs)
        self._x, self._y, self._vx, self._vy = np.zeros((4, num_envs))
        self._mine, self._theirs = np.zeros((2, num_envs))
        self._tick, self._born, self._episode, self._serves = np.zeros((4, num_envs), np.int64)
        self._seed = np.zeros(1, np.int64)
        self._stats = np.zeros((num_envs, len(STATS)))
        self._finished: list[tuple[Ints, Doubles]] = []

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types: the ball and the paddles, about -1 to 1, and the score."""
        return EnvSpec(rows=self._envs, actions=Discrete(3), width=8)

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every court's first episode."""
        self._seed[0] = seed
        self._episode[:] = 0
        self._begin(np.arange(self._envs))
        if stagger:
            self._tick[:] = staggered(self._numbers, self._game.max_steps)
            self._born[:] = self._tick
        self._finished.clear()
        self._see(observations)

    def step(self, actions: Ints, out: Step) -> Truncated | None:
        """Move the paddles, then the ball, then count."""
        self._move_paddles(actions)
        self._move_ball()
        won, lost = self._x < 0.0, self._x > 1.0
        np.subtract(won, lost, out=out.rewards, dtype=np.float32)
        self._count(actions, won, lost)
        over = np.flatnonzero(won | lost)
        if len(over):
            self._serve(over)
        self._tick += 1
        decided = self._stats[:, WON] + self._stats[:, LOST] >= self._game.points
        out.terminals[:] = decided
        out.truncations[:] = ~decided & (self._tick >= self._game.max_steps)
        truncated = self._end(out) if (out.terminals | out.truncations).any() else None
        self._see(out.observations)
        return truncated

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in self._finished)])
        table = np.concatenate([np.zeros((0, len(STATS))), *(stats for _, stats in self._finished)])
        self._finished.clear()
        return Episodes(rows=rows, stats=dict(zip(STATS, table.T, strict=True)))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of all that the future depends on."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Continue from :meth:`state`."""
        for name, array in self._arrays().items():
            array[:] = state[name]
        self._finished.clear()
        self._see(observations)

    def close(self) -> None:
        """Do nothing: all is Python's."""

    @property
    def action_names(self) -> tuple[str, ...]:
        """Words for the actions."""
        return "stay", "up", "down"

    @property
    def legend(self) -> Mapping[str, Color]:
        """What the colors of a picture mean."""
        return {"agent": AGENT_COLOR, "opponent": OTHER_COLOR, "ball": BALL}

    def picture(self, env: int) -> Bytes:
        """Return a court as it stands."""
        half = self._game.paddle_size / 2

        def span(middle: float, reach: float) -> slice:
            low, high = ((middle + side * reach + MARGIN) * COURT / (1.0 + 2.0 * MARGIN) for side in (-1, 1))
            return slice(max(0, round(low)), max(0, round(high)))

        sides = ((OTHER_COLOR, self._theirs[env], -0.02), (AGENT_COLOR, self._mine[env], 1.02))
        paddles = [(color, span(float(middle), half), span(x, 0.015)) for color, middle, x in sides]
        ball = (BALL, span(float(self._y[env]), 0.02), span(float(self._x[env]), 0.02))
        return draw_rectangles(COURT, COURT, FLOOR, [(EDGE, slice(None), span(0.5, 0.004)), *paddles, ball])

    def facts(self, env: int) -> Mapping[str, str]:
        """Return the score."""
        won, lost = self._stats[env, [WON, LOST]]
        return {"score": f"{won:.0f} won, {lost:.0f} lost"}

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        names = "x y vx vy mine theirs tick born episode serves seed stats"
        return {name: getattr(self, f"_{name}") for name in names.split()}

    def _move_paddles(self, actions: Ints) -> None:
        """The agent's as it says; the opponent's after the ball, as fast as it can."""
        half, speed = self._game.paddle_size / 2, self._game.paddle_speed
        self._mine += speed * ((actions == DOWN).astype(np.float64) - (actions == UP))
        np.clip(self._mine, half, 1.0 - half, out=self._mine)
        reach = self._game.opponent_speed
        self._theirs += np.clip(self._y - self._theirs, -reach, reach)
        np.clip(self._theirs, half, 1.0 - half, out=self._theirs)

    def _move_ball(self) -> None:
        """Move a step, off the walls and off the paddles."""
        self._x += self._vx
        self._y += self._vy
        bounces = (self._y < 0.0) | (self._y > 1.0)
        self._y[:] = np.where(self._y < 0.0, -self._y, np.where(self._y > 1.0, 2.0 - self._y, self._y))
        np.negative(self._vy, out=self._vy, where=bounces)
        half = self._game.paddle_size / 2
        mine = (self._x > 1.0) & (np.abs(self._y - self._mine) <= half)
        theirs = (self._x < 0.0) & (np.abs(self._y - self._theirs) <= half)
        self._stats[:, HITS] += mine
        hit = np.flatnonzero(mine | theirs)
        if len(hit):
            self._return(hit)

    def _return(self, courts: Ints) -> None:
        """Send the balls of some courts back from the paddle that they have met."""
        is_mine = self._vx[courts] > 0.0
        paddle = np.where(is_mine, self._mine[courts], self._theirs[courts])
        off = (self._y[courts] - paddle) / (self._game.paddle_size / 2)
        speed = np.hypot(self._vx[courts], self._vy[courts]) * QUICKEN
        speed = np.minimum(speed, TOP_SPEED * self._game.ball_speed)
        self._x[courts] = np.where(is_mine, 2.0 - self._x[courts], -self._x[courts])
        self._vx[courts] = np.where(is_mine, -1.0, 1.0) * speed * np.cos(HIT_ANGLE * off)
        self._vy[courts] = speed * np.sin(HIT_ANGLE * off)

    def _count(self, actions: Ints, won: Bools, lost: Bools) -> None:
        self._stats[:, WON] += won
        self._stats[:, LOST] += lost
        self._stats[np.arange(self._envs), ACTIONS + actions] += 1

    def _end(self, out: Step) -> Truncated | None:
        """End the episodes that are over and begin the next."""
        ended, cut = np.flatnonzero(out.terminals | out.truncations), np.flatnonzero(out.truncations)
        last = np.empty((len(cut), 8), np.float32)
        self._see(last, cut)
        stats = self._stats[ended]
        stats[:, REWARD] = stats[:, WON] - stats[:, LOST]
        stats[:, LENGTH] = self._tick[ended] - self._born[ended]
        self._finished.append((ended, stats))
        self._episode[ended] += 1
        self._begin(ended)
        return Truncated(rows=cut, observations=last) if len(cut) else None

    def _begin(self, courts: Ints) -> None:
        self._stats[courts] = 0
        self._tick[courts] = self._born[courts] = self._serves[courts] = 0
        self._mine[courts] = self._theirs[courts] = 0.5
        self._serve(courts)

    def _serve(self, courts: Ints) -> None:
        """Put the balls of some courts into the middle, on their way to a side and at an angle that are drawn."""
        number = self._episode[courts] * (self._game.points + 1) + self._serves[courts]
        side, angle = uniforms(int(self._seed[0]), self._numbers[courts], number, 2).T
        angle = SERVE_ANGLE * (2.0 * angle - 1.0)
        self._x[courts] = self._y[courts] = 0.5
        self._vx[courts] = np.where(side < 0.5, -1.0, 1.0) * self._game.ball_speed * np.cos(angle)
        self._vy[courts] = self._game.ball_speed * np.sin(angle)
        self._serves[courts] += 1

    def _see(self, observations: Observations, courts: Ints | slice = slice(None)) -> None:
        """Write what the agents of some courts know. observations: (n, 8)."""
        scale = TOP_SPEED * self._game.ball_speed
        for k, place in enumerate((self._x, self._y, self._mine, self._theirs)):
            observations[:, k] = 2.0 * place[courts] - 1.0
        observations[:, 4] = self._vx[courts] / scale
        observations[:, 5] = self._vy[courts] / scale
        observations[:, 6] = self._y[courts] - self._mine[courts]
        observations[:, 7] = (self._stats[courts, WON] - self._stats[courts, LOST]) / self._game.points
