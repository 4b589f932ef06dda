"""What is counted of an episode, by environment: known from its config alone."""

from __future__ import annotations

from metta_sweep.envs.altar import compile_rules
from metta_sweep.envs.config import AltarEnv, CogevalEnv, EnvConfig, MettagridEnv, PongEnv
from metta_sweep.envs.grid_rules import stat_names
from metta_sweep.envs.pong import STATS

ALWAYS = ("reward", "episode_length")
"""What every environment counts."""


def statistics(config: EnvConfig) -> tuple[str, ...]:
    """Return the names of an environment's statistics."""
    match config:
        case AltarEnv():
            return stat_names(compile_rules(config.game, config.num_agents))
        case CogevalEnv():
            return stat_names(compile_rules(config.games()[0], config.num_agents))
        case PongEnv():
            return STATS
        case MettagridEnv():
            return *ALWAYS, *(f"{item}.get" for item in config.items())
        case _:
            return ALWAYS
