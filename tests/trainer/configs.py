"""Configs to test with."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from metta_sweep.trainer.config import TrainingConfig, parse

CONFIGS = Path(__file__).parents[2] / "configs"

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
    """Return the training config that a choice of groups makes: an environment brings what suits it."""
    return copy.deepcopy(_composed(tuple(f"{group}={name}" for group, name in sorted(groups.items()))))


@cache
def _composed(overrides: tuple[str, ...]) -> dict:
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        whole = OmegaConf.to_container(compose("sweep_job", overrides=list(overrides)))
    return {key: whole[key] for key in ("trainer", "env", "agent", "sim", "seed", "device")}


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
