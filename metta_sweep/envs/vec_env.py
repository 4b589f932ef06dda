"""The interface of a vectorized environment.

A *row* is one agent of one environment. The trainer owns the arrays: an environment writes each step into
the slices it is handed, so that a trajectory is filled in place and nothing is copied on the way.

Episodes end in two ways. A *terminal* is part of the game: nothing follows. A *truncation* is a time limit: the
game would have gone on, so its last observation is handed out for bootstrapping. In both cases the row starts its
next episode within the same step, and the observation written is the first of that episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.action_spaces import ActionSpace

Bytes: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Observations: TypeAlias = npt.NDArray[Any]
Actions: TypeAlias = npt.NDArray[Any]
"""(rows,) of a discrete space, (rows, parts) of any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvSpec:
    """What a policy has to know of an environment."""

    rows: int
    """Agents over all environments."""
    actions: ActionSpace
    """What can be done."""
    width: int
    """Length of an observation."""
    code_sizes: tuple[int, ...] | None = None
    """For observations of codes (uint8), how many codes each place can show."""
    picture: tuple[int, int, int] | None = None
    """(channels, height, width) where the first places are a picture: of codes, or else of brightness 0 to 255."""

    @property
    def numbers(self) -> bool:
        """Whether observations are plain numbers, neither codes nor pictures."""
        return self.code_sizes is None and self.picture is None

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """Type of an observation's elements: bytes for codes and pictures, numbers otherwise."""
        return np.float32 if self.numbers else np.uint8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where one step is written: arrays that belong to the trainer."""

    observations: Observations
    """(rows, width) first observation of what comes next."""
    rewards: Floats
    """(rows,)"""
    terminals: Bools
    """(rows,) the episode ended as part of the game."""
    truncations: Bools
    """(rows,) the episode was cut by a time limit."""

    @classmethod
    def empty(cls, spec: EnvSpec) -> Step:
        """Return arrays of their own, for callers that keep no trajectory."""
        return cls(
            observations=np.zeros((spec.rows, spec.width), spec.dtype),
            rewards=np.zeros(spec.rows, np.float32),
            terminals=np.zeros(spec.rows, np.bool_),
            truncations=np.zeros(spec.rows, np.bool_),
        )

    def of(self, rows: slice) -> Step:
        """Return a view of some rows."""
        return Step(
            observations=self.observations[rows],
            rewards=self.rewards[rows],
            terminals=self.terminals[rows],
            truncations=self.truncations[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncated:
    """The last observations of episodes that a time limit cut."""

    rows: Ints
    """(k,) which rows."""
    observations: Observations
    """(k, width) what they would have seen next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """Finished episodes, in the order in which they ended."""

    rows: Ints
    """(n,) the row that each was played by."""
    stats: Mapping[str, Doubles]
    """(n,) a statistic, by name; ``reward`` and ``episode_length`` are always there."""


class VecEnv(Protocol):
    """Many games at once."""

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types."""

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every environment's first episode.

        Args:
            seed: Decides all that is random, together with an environment's index and its episode's number.
            observations: (rows, width) filled in place.
            stagger: Start the first episodes at different ages, so that they do not all end at once.
        """

    def step(self, actions: Actions, out: Step) -> Truncated | None:
        """Play one step of every row, writing into ``out``; returns what time limits cut, if anything."""

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return a copy of all that the future depends on."""

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Continue from :meth:`state`; writes the current observations."""

    def close(self) -> None:
        """Give back what the environment holds outside of Python."""


@runtime_checkable
class Background(Protocol):
    """An environment that steps in the background, in processes or threads of its own."""

    def send(self, actions: Actions) -> None:
        """Begin a step of every row."""

    def receive(self, out: Step) -> Truncated | None:
        """Wait for the step that was begun, and write it."""
