"""Any gymnasium environment by its id, one Python call a step: as fast as what is behind it.

Episodes are seeded one by one, from (seed, environment, episode). What is inside such an environment cannot be saved:
a restored one starts its next episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.action_spaces import ActionSpace, Box, Discrete, MultiDiscrete
from metta_sweep.envs.config import EnvUnavailableError
from metta_sweep.envs.pictures import Color
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.vec_env import Actions, Bytes, Doubles, EnvSpec, Episodes, Observations, Step, Truncated
from metta_sweep.extras import how_to_install

MOST_CODES = 255
"""Largest discrete observation that is shown as a code."""
LONGEST = 100_000
"""Steps after which an episode is taken for one that never ends."""
SHORT = 16
"""Numbers of an observation that a person still reads."""


class GymnasiumEnvs:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of gymnasium environments, one agent each.

    Args:
        env_id: As ``gymnasium.make`` takes it.
        options: Keyword arguments for it.
        num_envs: How many.
        first: Number of the first one, where others hold the environments before it.

    Raises:
        EnvUnavailableError: gymnasium is not installed, knows no such environment, or its spaces do not fit.
    """

    def __init__(self, env_id: str, options: Mapping[str, Any], *, num_envs: int, first: int = 0) -> None:
        self._envs = [_make(env_id, options) for _ in range(num_envs)]
        self._numbers = np.arange(first, first + num_envs)
        self._spec = _spec(self._envs[0], num_envs)
        self._as_action = _converter(self._envs[0].action_space)
        self._current = np.zeros((num_envs, self._spec.width), self._spec.dtype)
        self._seed = np.zeros(1, np.int64)
        self._episode = np.zeros(num_envs, np.int64)
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs)
        self._finished: list[tuple[int, float, float]] = []

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types; pictures keep their bytes, other boxes are float32, discrete observations are codes.

        Several observations at once (dicts, tuples) come one after the other as numbers, discrete ones as one-hot.
        """
        return self._spec

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every environment's first episode; they cannot be staggered."""
        del stagger
        self._seed[0] = seed
        self._episode[:] = 0
        self._finished.clear()
        for row in range(len(self._envs)):
            self._begin(row)
        observations[:] = self._current

    def step(self, actions: Actions, out: Step) -> Truncated | None:
        """Play one step of every environment, one after the other."""
        cut, last = [], []
        for row, env in enumerate(self._envs):
            observation, reward, terminal, truncation, _ = env.step(self._as_action(actions[row]))
            self._current[row] = self._flat(observation)
            self._returns[row] += reward
            self._lengths[row] += 1
            out.rewards[row] = reward
            out.terminals[row], out.truncations[row] = terminal, truncation and not terminal
            if out.truncations[row]:
                cut.append(row)
                last.append(self._current[row].copy())
            if self._lengths[row] >= LONGEST and not (terminal or truncation):
                raise EnvUnavailableError("env.options", self._endless())
            if terminal or truncation:
                self._finished.append((row, self._returns[row], self._lengths[row]))
                self._episode[row] += 1
                self._begin(row)
        out.observations[:] = self._current
        return Truncated(rows=np.array(cut), observations=np.stack(last)) if cut else None

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""
        table: Doubles = np.array(self._finished, np.float64).reshape(-1, 3)
        self._finished.clear()
        return Episodes(rows=table[:, 0].astype(np.int64), stats={"reward": table[:, 1], "episode_length": table[:, 2]})

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return which episodes are being played; how far they are cannot be saved."""
        return {"seed": self._seed.copy(), "episode": self._episode.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Start the episodes after those of :meth:`state`."""
        self._seed[:] = state["seed"]
        self._episode[:] = state["episode"] + 1
        self._finished.clear()
        for row in range(len(self._envs)):
            self._begin(row)
        observations[:] = self._current

    def close(self) -> None:
        """Close every environment."""
        for env in self._envs:
            env.close()

    @property
    def action_names(self) -> tuple[str, ...]:
        """Numbers: gymnasium has no words for actions. Of several sets ``2:1``, choice 1 of set 2; of a box, parts."""
        match self._spec.actions:
            case Discrete(size):
                return tuple(str(action) for action in range(size))
            case MultiDiscrete(sizes):
                return tuple(f"{k}:{choice}" for k, size in enumerate(sizes) for choice in range(size))
            case Box(low, _):
                return tuple(str(part) for part in range(len(low)))

    @property
    def legend(self) -> Mapping[str, Color]:
        """Nothing: gymnasium's pictures speak for themselves."""
        return {}

    def picture(self, env: int) -> Bytes | None:
        """Return what the environment renders, if it was made with ``render_mode: rgb_array`` and can."""
        import gymnasium

        if self._envs[env].render_mode != "rgb_array":
            return None
        try:
            return np.asarray(self._envs[env].render(), np.uint8)
        except gymnasium.error.DependencyNotInstalled:
            return None

    def facts(self, env: int) -> Mapping[str, str]:
        """Return what the agent sees, where that is short."""
        seen = self._current[env]
        return {"sees": " ".join(f"{value:.3g}" for value in seen)} if len(seen) <= SHORT else {}

    def _endless(self) -> str:
        return (
            f"an episode of {self._envs[0].spec.id} has not ended after {LONGEST:,} steps: "
            "give it a limit, max_episode_steps"
        )

    def _begin(self, row: int) -> None:
        number, episode = self._numbers[row : row + 1], self._episode[row : row + 1]
        seed = int(uniforms(int(self._seed[0]), number, episode, 1)[0, 0] * 2**31)
        observation, _ = self._envs[row].reset(seed=seed)
        self._current[row] = self._flat(observation)
        self._returns[row] = self._lengths[row] = 0.0

    def _flat(self, observation: object) -> Observations:
        seen = np.asarray(observation)
        if seen.ndim == 1:
            return seen
        if self._spec.picture is not None and seen.ndim == 3:
            seen = np.moveaxis(seen, -1, 0)
        return seen.reshape(-1).astype(self._spec.dtype)


def _make(env_id: str, options: Mapping[str, Any]) -> Any:
    try:
        import gymnasium
    except ImportError as error:
        raise EnvUnavailableError("env.name", f"gymnasium is not installed: {how_to_install('gymnasium')}") from error
    try:
        made = gymnasium.make(env_id, **options)
    except TypeError as error:
        raise EnvUnavailableError("env.options", f"{env_id} does not take {dict(options)}: {error}") from error
    except (gymnasium.error.Error, ImportError) as error:
        raise EnvUnavailableError("env.id", f"gymnasium cannot make {env_id!r}: {error}") from error
    several = isinstance(made.observation_space, gymnasium.spaces.Dict | gymnasium.spaces.Tuple)
    return gymnasium.wrappers.FlattenObservation(made) if several else made


def _spec(env: Any, rows: int) -> EnvSpec:
    """Return the sizes of a gymnasium environment, if its observations are flat and its actions can be drawn."""
    from gymnasium import spaces

    seen, actions = env.observation_space, _action_space(env.action_space)
    if isinstance(seen, spaces.Box):
        width, picture = int(np.prod(seen.shape)), _picture(seen.shape) if seen.dtype == np.uint8 else None
        return EnvSpec(rows=rows, actions=actions, width=width, picture=picture)
    sizes = (seen.n,) if isinstance(seen, spaces.Discrete) else getattr(seen, "nvec", np.zeros(0)).reshape(-1)
    if len(sizes) == 0 or max(sizes) > MOST_CODES or np.any(np.asarray(getattr(seen, "start", 0))):
        raise EnvUnavailableError("env.id", f"need a box or up to {MOST_CODES} discrete observations, got {seen}")
    codes = tuple(int(size) for size in sizes)
    return EnvSpec(rows=rows, actions=actions, width=len(codes), code_sizes=codes)


def _action_space(space: Any) -> ActionSpace:
    """Return what a space of gymnasium is to a policy.

    Raises:
        EnvUnavailableError: It is of a kind that no policy here can play.
    """
    from gymnasium import spaces

    match space:
        case spaces.Discrete():
            return Discrete(int(space.n))
        case spaces.MultiDiscrete():
            return MultiDiscrete(tuple(int(size) for size in space.nvec.reshape(-1)))
        case spaces.MultiBinary():
            return MultiDiscrete((2,) * int(np.prod(space.shape)))
        case spaces.Box() if np.issubdtype(space.dtype, np.floating):
            low, high = (tuple(float(bound) for bound in side.reshape(-1)) for side in (space.low, space.high))
            return Box(low, high)
    kinds = "Discrete, MultiDiscrete, MultiBinary or a Box of real numbers"
    raise EnvUnavailableError("env.id", f"need actions of one kind: {kinds}, got {space}")


def _converter(space: Any) -> Callable[[Any], Any]:
    """Return what turns a row of actions into an action of the space."""
    from gymnasium import spaces

    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return lambda action: first + int(action)
    if isinstance(space, spaces.MultiDiscrete):
        return lambda action: (space.start + action.reshape(space.shape)).astype(space.dtype)
    return lambda action: action.reshape(space.shape).astype(space.dtype)


def _picture(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """Return (channels, height, width) of a box of bytes that is a picture, its channels last or left out."""
    if len(shape) == 2:
        return 1, *shape
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 and shape[2] in (1, 3, 4) else None
