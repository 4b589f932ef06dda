"""From an ``env`` config to an environment."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from metta_sweep.envs.altar import make_altar
from metta_sweep.envs.atari import Atari
from metta_sweep.envs.config import AltarEnv, AtariEnv, CogevalEnv, EnvConfig, GymnasiumEnv, MettagridEnv, PongEnv
from metta_sweep.envs.gymnasium import GymnasiumEnvs
from metta_sweep.envs.mettagrid import MettagridEnvs
from metta_sweep.envs.mixture import Mixture
from metta_sweep.envs.pong import Pong
from metta_sweep.envs.vec_env import VecEnv
from metta_sweep.envs.workers import Workers

Slow: TypeAlias = AtariEnv | GymnasiumEnv | MettagridEnv
"""Environments that are shared out to workers."""


def make_env(config: EnvConfig, *, rows: int, first: int = 0, workers: int = 1, groups: int = 1) -> VecEnv:
    """Return environments with ``rows`` agents in all.

    Args:
        config: Which.
        rows: Agents in all.
        first: Number of the first environment, where other processes have those before it.
        workers: Processes (threads for Atari) to share slow environments out to; the native ones stay in this one.
        groups: Groups of slow environments that take turns, each with its share of the workers; they are the parts of
            a mixture.

    Raises:
        ValueError: ``rows`` is not a multiple of the environment's agents, or of the workers.
        EnvUnavailableError: The environment cannot be made on this machine.
    """
    if rows % config.num_agents:
        raise ValueError(f"need a multiple of {config.num_agents} agents, got {rows} rows")
    num_envs = rows // config.num_agents
    match config:
        case AltarEnv():
            return make_altar(config.game, num_agents=config.num_agents, num_envs=num_envs, first=first)
        case PongEnv():
            return Pong(config.game, num_envs, first=first)
        case CogevalEnv():
            return _make_tasks(config, num_envs, first)
        case AtariEnv() | GymnasiumEnv() | MettagridEnv():
            return _make_slow(config, num_envs, first, workers, groups)


def _make_slow(config: Slow, num_envs: int, first: int, workers: int, groups: int) -> VecEnv:
    """Share the environments out among groups, if there are several."""
    if num_envs % groups or workers % groups:
        raise ValueError(f"need multiples of {groups} groups, got {num_envs} environments and {workers} workers")
    share, hands = num_envs // groups, workers // groups
    parts = [_make_group(config, share, first + share * k, hands, apart=groups > 1) for k in range(groups)]
    return parts[0] if groups == 1 else Mixture(parts)


def _make_group(config: Slow, num_envs: int, first: int, workers: int, *, apart: bool) -> VecEnv:
    """Return one group, in processes of their own if there are several, or if it must stand apart."""
    if isinstance(config, AtariEnv):
        return Atari(config, num_envs, first=first, threads=workers)
    if num_envs % workers:
        raise ValueError(f"need a multiple of {workers} workers, got {num_envs} environments")
    share = num_envs // workers
    makers = [partial(_make_serial, config, num_envs=share, first=first + share * k) for k in range(workers)]
    return Workers(makers) if workers > 1 or apart else makers[0]()


def _make_serial(config: GymnasiumEnv | MettagridEnv, *, num_envs: int, first: int) -> VecEnv:
    """Return environments that step one after the other."""
    if isinstance(config, MettagridEnv):
        return MettagridEnvs(config, num_envs=num_envs, first=first)
    return GymnasiumEnvs(config.id, config.options, num_envs=num_envs, first=first)


def _make_tasks(config: CogevalEnv, num_envs: int, first: int) -> VecEnv:
    """Share the environments out among the tasks, as evenly as can be."""
    games = config.games()
    shares = [(num_envs + k) // len(games) for k in reversed(range(len(games)))]
    parts = [
        make_altar(game, num_agents=1, num_envs=share, first=first)
        for game, share in zip(games, shares, strict=True)
        if share
    ]
    return parts[0] if len(parts) == 1 else Mixture(parts)
