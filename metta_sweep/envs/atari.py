"""Atari games through ale-py's vector environment, which steps them in threads of its own.

Preprocessing is the usual one (Mnih et al., 2015; Machado et al., 2018): each action is held for four frames, the last
two of which are merged; the screen is 84 x 84 and grey, four of them are stacked; an episode begins after up to 30
frames of doing nothing, and with FIRE where the game waits for it; learning sees rewards clipped to -1, 0, 1, while the
statistics count the game's own score.

Episodes are seeded one by one, from (seed, environment, episode). What is inside an emulator cannot be saved: a
restored one starts its next episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.config import AtariEnv, EnvUnavailableError
from metta_sweep.envs.pictures import Color
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.vec_env import Bytes, Doubles, EnvSpec, Episodes, Ints, Observations, Step, Truncated
from metta_sweep.extras import how_to_install


class Atari:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of one game's emulators.

    Args:
        config: The game and its preprocessing.
        num_envs: Emulators.
        first: Number of the first one, where others hold those before it.
        threads: How many step them.

    Raises:
        EnvUnavailableError: ale-py is not installed, or has no such game.
    """

    def __init__(self, config: AtariEnv, num_envs: int, *, first: int = 0, threads: int = 1) -> None:
        self._config, self._envs = config, num_envs
        self._emulators = _make(config, num_envs, threads)
        self._numbers = np.arange(first, first + num_envs)
        self._screens = np.zeros((num_envs, config.stack, config.size, config.size), np.uint8)
        self._seed = np.zeros(1, np.int64)
        self._episode = np.zeros(num_envs, np.int64)
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs)
        self._finished: list[tuple[Ints, Doubles, Doubles]] = []

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types: the stacked screens."""
        shape = self._config.stack, self._config.size, self._config.size
        actions = int(self._emulators.single_action_space.n)
        return EnvSpec(rows=self._envs, actions=Discrete(actions), width=int(np.prod(shape)), picture=shape)

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every emulator's first episode; they cannot be staggered."""
        del stagger
        self._seed[0] = seed
        self._episode[:] = 0
        self._begin_all(observations)

    def send(self, actions: Ints) -> None:
        """Let every emulator begin a step, in the background."""
        self._emulators.send(actions)

    def receive(self, out: Step) -> Truncated | None:
        """Wait for the step that was sent."""
        screens, rewards, terminals, truncations, info = self._emulators.recv()
        self._screens = screens
        out.observations[:] = screens.reshape(self._envs, -1)
        out.rewards[:] = np.sign(rewards) if self._config.clip_rewards else rewards
        out.terminals[:] = terminals
        out.truncations[:] = truncations & ~terminals
        self._returns += rewards
        self._lengths += 1
        ended = np.flatnonzero(terminals | truncations)
        if not len(ended):
            return None
        self._finished.append((ended, self._returns[ended], self._lengths[ended]))
        self._episode[ended] += 1
        self._begin(ended, out.observations)
        cut = np.flatnonzero(out.truncations)
        return Truncated(rows=cut, observations=info["final_obs"][cut].reshape(len(cut), -1)) if len(cut) else None

    def step(self, actions: Ints, out: Step) -> Truncated | None:
        """Play one step of every emulator."""
        self.send(actions)
        return self.receive(out)

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _, _ in self._finished)])
        returns = np.concatenate([np.zeros(0), *(returns for _, returns, _ in self._finished)])
        lengths = np.concatenate([np.zeros(0), *(lengths for _, _, lengths in self._finished)])
        self._finished.clear()
        return Episodes(rows=rows, stats={"reward": returns, "episode_length": lengths})

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return which episodes are being played; how far they are cannot be saved."""
        return {"seed": self._seed.copy(), "episode": self._episode.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Start the episodes after those of :meth:`state`."""
        self._seed[:] = state["seed"]
        self._episode[:] = state["episode"] + 1
        self._begin_all(observations)

    def close(self) -> None:
        """Let go of the emulators; their threads end with them."""
        del self._emulators

    @property
    def action_names(self) -> tuple[str, ...]:
        """Words for the actions."""
        return tuple(action.name.lower() for action in self._emulators.ale.get_action_set())

    @property
    def legend(self) -> Mapping[str, Color]:
        """Nothing: a screen speaks for itself."""
        return {}

    def picture(self, env: int) -> Bytes:
        """Return the newest of the screens that the agent sees."""
        return np.repeat(self._screens[env, -1, :, :, None], 3, axis=2)

    def facts(self, env: int) -> Mapping[str, str]:
        """Return the score."""
        return {"score": f"{self._returns[env]:g}"}

    def _begin_all(self, observations: Observations) -> None:
        self._finished.clear()
        self._returns[:] = self._lengths[:] = 0.0
        self._screens, _ = self._emulators.reset(seed=self._seeds(np.arange(self._envs)))
        observations[:] = self._screens.reshape(self._envs, -1)

    def _begin(self, rows: Ints, observations: Observations) -> None:
        """Start the next episodes of some emulators, each from a seed of its own."""
        self._returns[rows] = self._lengths[rows] = 0.0
        mask = np.zeros(self._envs, np.bool_)
        mask[rows] = True
        self._screens, _ = self._emulators.reset(seed=self._seeds(rows), options={"reset_mask": mask})
        observations[rows] = self._screens.reshape(self._envs, -1)[rows]

    def _seeds(self, rows: Ints) -> Ints:
        draws = uniforms(int(self._seed[0]), self._numbers[rows], self._episode[rows], 1)[:, 0]
        return (draws * 2**31).astype(np.int64)


def _make(config: AtariEnv, num_envs: int, threads: int) -> Any:
    try:
        from ale_py import roms
        from ale_py.vector_env import AtariVectorEnv
    except ImportError as error:
        raise EnvUnavailableError("env.name", f"ale-py is not installed: {how_to_install('atari')}") from error
    if config.id not in roms.get_all_rom_ids():
        raise EnvUnavailableError("env.id", f"ale-py has no game {config.id!r}: need a name such as pong or ms_pacman")
    return AtariVectorEnv(
        config.id,
        num_envs,
        num_threads=threads,
        autoreset_mode="SameStep",
        img_height=config.size,
        img_width=config.size,
        stack_num=config.stack,
        frameskip=config.frame_skip,
        noop_max=config.noop_max,
        repeat_action_probability=config.sticky_actions,
        max_num_frames_per_episode=config.max_frames,
        full_action_space=config.full_action_space,
        reward_clipping=False,
    )
