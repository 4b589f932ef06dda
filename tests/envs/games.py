"""Games to test with."""

from __future__ import annotations

from metta_sweep.envs.config import AltarEnv

OBJECTS = {
    "mine": {"count": 2, "outputs": {"ore": 1}, "cooldown": 1},
    "generator": {"count": 1, "inputs": {"ore": 1}, "outputs": {"battery": 1}},
    "altar": {"count": 1, "inputs": {"battery": 1}, "outputs": {"heart": 1}, "cooldown": 3, "hp": 2},
}
REWARDS = {"ore": 0.25, "battery": 0.5, "heart": 1.0}


def altar(num_agents=1, objects=None, **game) -> AltarEnv:
    """Return a small, crowded game in which much happens by chance."""
    settings = {"max_steps": 40, "view": 5, "inventory_limit": 3, "map": {"width": 6, "height": 5}, "rewards": REWARDS}
    settings |= {"objects": OBJECTS if objects is None else objects}
    return AltarEnv(name="altar", num_agents=num_agents, game=settings | game)
