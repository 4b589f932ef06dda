"""Recording: one episode of each simulation of a run's evaluation, as its policy plays it.

The whole evaluation is played again, with its seeds, so that an episode here is one of those that the metrics count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.action_spaces import ActionSpace, Box, MultiDiscrete
from metta_sweep.envs.config import EnvConfig, EnvUnavailableError, GymnasiumEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.pictures import Color, Viewable
from metta_sweep.envs.vec_env import Bytes, Floats
from metta_sweep.trainer.checkpoint import put_weights
from metta_sweep.trainer.config import ConfigError, TrainingConfig
from metta_sweep.trainer.evaluate import Stage
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.simulations import Simulation, simulations


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One step: what was there, and what the agent did about it."""

    picture: Bytes | None
    """(height, width, 3) before the step; None where the environment cannot be drawn."""
    facts: Mapping[str, str]
    """What the picture does not show."""
    actions: tuple[int, ...]
    """What was done: the choices, by their place among the names; none where actions are numbers."""
    reward: float
    """What it brought."""
    value: float
    """What the policy expected of the rest of the episode."""
    probabilities: tuple[float, ...]
    """Of the choices; none where actions are numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One episode."""

    name: str
    """Of the simulation; empty for the training environment."""
    number: int
    """Of the environment that played it, from 0."""
    action_names: tuple[str, ...]
    """Words for the actions."""
    legend: Mapping[str, Color]
    """What the colors of the pictures mean."""
    frames: tuple[Frame, ...]
    """Its steps."""
    cut: bool
    """A time limit ended it."""

    @property
    def reward(self) -> float:
        """Sum of the watched agent's rewards."""
        return float(sum(frame.reward for frame in self.frames))


def load_policy(config: TrainingConfig, weights: Mapping[str, Tensor], checkpoint: Path) -> Policy:
    """Return a policy with a checkpoint's weights, on the CPU.

    Raises:
        CheckpointError: They are of another network.
        EnvUnavailableError: The environment cannot be made here.
    """
    env = make_env(config.env, rows=config.env.num_agents)
    policy = Policy(config, env.spec, torch.Generator().manual_seed(config.seed))
    env.close()
    put_weights(policy, weights, checkpoint)
    return policy


def films(policy: Policy, config: TrainingConfig, *, number: int, only: str | None = None) -> list[Film]:
    """Return the first episode of environment ``number`` of each simulation, or of one of them.

    Raises:
        ConfigError: There is no such simulation, or no such environment in it.
    """
    suite = simulations(config.sim, config.env)
    chosen = [each for each in suite if only in (None, each.name)]
    if not chosen:
        raise ConfigError([("simulation", f"need one of {', '.join(each.name for each in suite)}, got {only}")])
    return [record(policy, each, number=number, deterministic=config.sim.deterministic) for each in chosen]


def record(policy: Policy, simulation: Simulation, *, number: int, deterministic: bool) -> Film:
    """Return the first episode of one environment of a simulation, as its first agent plays it.

    Raises:
        ConfigError: The simulation has no such environment.
    """
    if not 0 <= number < simulation.num_envs:
        raise ConfigError([("episode", f"need a number from 0 to {simulation.num_envs - 1}, got {number}")])
    stage = _stage(policy, simulation, deterministic=deterministic)
    env, row, frames, ended = stage.env, number * simulation.env.num_agents, [], False
    if not isinstance(env, Viewable):
        raise ConfigError([("simulation", "several environments side by side cannot be shown: name one simulation")])
    while not ended:
        outputs, actions = stage.decide()
        picture, facts = env.picture(number), dict(env.facts(number))
        stage.act(actions)
        played = _in_words(env.spec.actions, policy, outputs[row].float(), actions[row])
        value, reward = float(outputs[row, -1]), float(stage.out.rewards[row])
        frames.append(_frame(picture, facts, played, value=value, reward=reward))
        ended = bool(stage.out.terminals[row] or stage.out.truncations[row])
    names, legend, cut = env.action_names, dict(env.legend), bool(stage.out.truncations[row])
    stage.env.close()
    return Film(name=simulation.name, number=number, action_names=names, legend=legend, frames=tuple(frames), cut=cut)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Played:
    """An action, taken apart for a person."""

    actions: tuple[int, ...] = ()
    probabilities: tuple[float, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


def _in_words(space: ActionSpace, policy: Policy, outputs: Tensor, action: Tensor) -> _Played:
    """Return which choices were made and how likely each was; of numbers, which and with which deviation."""
    parameters = outputs[:-1]
    if isinstance(space, Box):
        numbers, deviations = policy.family.for_env(action.unsqueeze(0))[0], parameters.chunk(2)[1].exp()
        return _Played(facts={"action": _row(numbers), "deviation": _row(deviations.numpy())})
    sizes = space.sizes if isinstance(space, MultiDiscrete) else (space.size,)
    firsts = np.cumsum((0, *sizes[:-1]))
    chosen = tuple(int(first + choice) for first, choice in zip(firsts, action.reshape(-1).tolist(), strict=True))
    likely = torch.cat([torch.softmax(part, 0) for part in torch.split(parameters, list(sizes))])
    return _Played(actions=chosen, probabilities=tuple(likely.tolist()))


def _row(numbers: Floats) -> str:
    return " ".join(f"{number:.2f}" for number in numbers)


def _frame(picture: Bytes | None, facts: Mapping[str, str], played: _Played, *, value: float, reward: float) -> Frame:
    return Frame(
        picture=None if picture is None else np.ascontiguousarray(picture),
        facts={**facts, **played.facts},
        actions=played.actions,
        reward=reward,
        value=value,
        probabilities=played.probabilities,
    )


def _stage(policy: Policy, simulation: Simulation, *, deterministic: bool) -> Stage:
    """Return the simulation on its stage; gymnasium's environments are asked for pictures, if they have any."""
    try:
        drawn = replace(simulation, env=_drawn(simulation.env))
        return Stage(policy, drawn, torch.device("cpu"), deterministic=deterministic)
    except EnvUnavailableError:
        return Stage(policy, simulation, torch.device("cpu"), deterministic=deterministic)


def _drawn(env: EnvConfig) -> EnvConfig:
    if not isinstance(env, GymnasiumEnv):
        return env
    return env.model_copy(update={"options": {**env.options, "render_mode": "rgb_array"}})
