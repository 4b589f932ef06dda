"""From an ``env`` config to an environment."""

from __future__ import annotations

from metta_sweep.envs.altar import make_altar
from metta_sweep.envs.config import AltarEnv, EnvConfig, PongEnv
from metta_sweep.envs.pong import Pong
from metta_sweep.envs.vec_env import VecEnv


def make_env(config: EnvConfig, *, rows: int) -> VecEnv:
    """Return environments with ``rows`` agents in all.

    Raises:
        ValueError: ``rows`` is no multiple of the environment's agents.
    """
    if rows % config.num_agents:
        raise ValueError(f"need a multiple of {config.num_agents} agents, got {rows} rows")
    num_envs = rows // config.num_agents
    match config:
        case AltarEnv():
            return make_altar(config.game, num_agents=config.num_agents, num_envs=num_envs)
        case PongEnv():
            return Pong(config.game, num_envs)
