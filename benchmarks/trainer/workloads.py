"""The workloads of the throughput benchmark, and the environment that every contender plays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import VecEnv
from metta_sweep.trainer.config import TrainingConfig, parse

CONFIGS = Path(__file__).parents[2] / "configs"


@dataclass(frozen=True)
class Workload:
    rows: int
    steps: int
    minibatch: int
    epochs: int
    memory: int = 0
    """Size of an LSTM, through which gradients go back over whole trajectories; 0: none."""

    @property
    def batch(self) -> int:
        return self.rows * self.steps


WORKLOADS = {
    "large": Workload(rows=256, steps=64, minibatch=2048, epochs=2),
    "small": Workload(rows=8, steps=128, minibatch=64, epochs=4),
    "memory": Workload(rows=256, steps=64, minibatch=2048, epochs=2, memory=128),
}
LEARNING = Workload(rows=64, steps=32, minibatch=512, epochs=4)
"""What learning is compared with: the shipped settings."""
HIDDEN = 128
SETTINGS = {
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_coef": 0.2,
    "value_coef": 0.5,
    "entropy_coef": 0.01,
    "max_grad_norm": 0.5,
    "learning_rate": 0.003,
}


def training_config(workload: Workload, *, seed: int = 0) -> TrainingConfig:
    names = {"trainer": "ppo", "env": "altar", "agent": "default", "sim": "default"}
    config: dict[str, Any] = {
        group: yaml.safe_load((CONFIGS / group / f"{name}.yaml").read_text()) for group, name in names.items()
    }
    config |= {"device": "cpu", "seed": seed}
    config["agent"] |= {"hidden_size": HIDDEN, "num_layers": 2, "activation": "tanh"}
    config["trainer"] |= {
        "batch_size": workload.batch,
        "num_steps": workload.steps,
        "minibatch_size": workload.minibatch,
        "update_epochs": workload.epochs,
        "learning_rate_schedule": "constant",
        "use_lstm": workload.memory > 0,
        "lstm_hidden_size": workload.memory or HIDDEN,
        "bptt_horizon": workload.steps,
        **SETTINGS,
    }
    return parse(config)


def shipped(*overrides: str) -> dict[str, Any]:
    """Return the training config that Hydra makes of the shipped groups and of overrides."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        whole: Any = OmegaConf.to_container(compose("sweep_job", overrides=list(overrides)))
    return {key: whole[key] for key in ("trainer", "env", "agent", "sim", "seed", "device")}


def environment(workload: Workload) -> VecEnv:
    return make_env(training_config(workload).env, rows=workload.rows)


def measure(update: Callable[[], None], batch: int, seconds: float) -> float:
    """Return samples per CPU-second of whole updates, the first two left out."""
    update()
    update()
    updates, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        update()
        updates += 1
    return updates * batch / (time.process_time() - start)
