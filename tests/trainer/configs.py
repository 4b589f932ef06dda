"""Configs to test with."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from metta_sweep.trainer.config import TrainingConfig, parse

CONFIGS = Path(__file__).parents[2] / "configs"
GROUPS = {"trainer": "ppo", "env": "altar", "agent": "default", "sim": "default"}

SMALL = {
    "trainer.total_timesteps": 512,
    "trainer.batch_size": 128,
    "trainer.minibatch_size": 32,
    "trainer.num_steps": 16,
    "trainer.update_epochs": 2,
    "agent.hidden_size": 16,
    "sim.num_envs": 4,
    "sim.episodes": 2,
    "env.game.max_steps": 12,
    "env.game.view": 5,
    "device": "cpu",
}


def shipped(**groups: str) -> dict:
    """Return the config that the YAML groups make, without Hydra."""
    names = GROUPS | groups
    config = {group: yaml.safe_load((CONFIGS / group / f"{name}.yaml").read_text()) for group, name in names.items()}
    return config | {"seed": 0, "device": "auto"}


def put(config: dict, changes: dict) -> dict:
    """Return a copy with values at dotted paths."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *parents, leaf = path.split(".")
        tree = config
        for part in parents:
            tree = tree.setdefault(part, {})
        tree[leaf] = value
    return config


def small(**changes) -> dict:
    """Return the smallest config that trains; ``trainer__gamma=0.9`` is a dotted path."""
    return put(shipped(), SMALL | {name.replace("__", "."): value for name, value in changes.items()})


def parsed(**changes) -> TrainingConfig:
    return parse(small(**changes))
