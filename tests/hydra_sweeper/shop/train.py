"""A Hydra app that knows nothing of a sweep: a structured config, a group, and whatever return value is asked for."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import MISSING


@dataclass
class Optimizer:
    lr: float = 0.1
    steps: int = 5
    name: str = "adam"


@dataclass
class Config:
    optimizer: Optimizer = field(default_factory=Optimizer)
    model: Any = MISSING
    label: str = "plain"
    returns: str = "number"
    seconds: float = 0.0
    job: Any = None
    extra: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


ConfigStore.instance().store(name="schema", node=Config)


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg):
    time.sleep(cfg.seconds)
    loss = (cfg.optimizer.lr - 0.01) ** 2 + cfg.model.size
    sys.stderr.write(f"job {cfg.job} seed {cfg.seed} label {cfg.label} extra {cfg.extra}\n")
    return {"number": loss, "mapping": {"loss": loss, "top": {"1": 0.5}}, "none": None}[cfg.returns]


if __name__ == "__main__":
    main()
