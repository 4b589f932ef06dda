"""From an ``env`` config to an environment."""

from __future__ import annotations

from metta_sweep.envs.altar import make_altar
from metta_sweep.envs.config import EnvConfig
from metta_sweep.envs.vec_env import VecEnv


def make_env(config: EnvConfig, *, rows: int) -> VecEnv:
    """Return environments with ``rows`` agents in all.

    Raises:
        ValueError: ``rows`` is no multiple of the environment's agents.
    """
    if rows % config.num_agents:
        raise ValueError(f"need a multiple of {config.num_agents} agents, got {rows} rows")
    return make_altar(config.game, num_agents=config.num_agents, num_envs=rows // config.num_agents)
