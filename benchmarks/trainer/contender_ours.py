"""The bundled trainer, exactly as a run uses it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from benchmarks.trainer.workloads import Workload, training_config
from metta_sweep.trainer.evaluate import evaluate
from metta_sweep.trainer.training import Training


class Contender:
    def __init__(self, workload: Workload, seed: int = 0) -> None:
        self.config = training_config(workload, seed=seed)
        self.training = Training(self.config, Path(tempfile.mkdtemp()), torch.device("cpu"), print)

    def update(self) -> None:
        self.training.learn()

    def score(self) -> float:
        return evaluate(self.training.policy, self.config, torch.device("cpu"))["reward"]
