"""One training of the bundled trainer, in this process, with the CPU-seconds that it took."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.sweeps.tasks import EVALUATIONS
from metta_sweep.trainer.config import TrainingConfig
from metta_sweep.trainer.evaluate import Evaluator, evaluate
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.training import DivergedError, Training

Report = tuple[float, float, float]
"""Share of the length done, reward of an evaluation, and CPU-seconds so far."""
FRESH_SEED = 9_000_000
"""Seed of the episodes that a deployed policy is valued by; no search sees them."""
CPU = torch.device("cpu")


class Run:
    """A training that reports, and can be left at any report.

    Args:
        config: What to do; the same config gives the same numbers.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self._config = config
        self.reports: list[Report] = []
        """What it has said."""
        self.diverged = False
        """Whether something in it was not finite, which ends it."""
        self.policy: Policy | None = None
        """As it is after the last report."""
        self.cost_s = 0.0
        """CPU-seconds of training and evaluation so far."""

    def train(self) -> Iterator[Report]:
        """Train, and yield after each evaluation."""
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            training = Training(self._config, Path(folder), CPU, _nothing)
            self.policy, evaluator = training.policy, Evaluator(self._config, CPU)
            for update in range(1, self._config.num_updates + 1):
                try:
                    training.learn()
                except DivergedError:
                    self.diverged = True
                    self.cost_s += time.process_time() - started
                    break
                if not _is_due(update, self._config.num_updates):
                    continue
                reward = evaluator.evaluate(training.policy)["reward"]
                self.cost_s += time.process_time() - started
                share = round(EVALUATIONS * update / self._config.num_updates) / EVALUATIONS
                self.reports.append((share, reward, self.cost_s))
                yield self.reports[-1]
                started = time.process_time()
            evaluator.close()


def deployed(policy: Policy, config: TrainingConfig, episodes: int) -> tuple[float, float]:
    """Return what a policy gets in fresh episodes: mean and standard error."""
    sim = config.sim.model_copy(update={"seed": FRESH_SEED, "num_envs": episodes, "episodes": 1})
    played = evaluate(policy, config.model_copy(update={"sim": sim}), CPU)
    return played["reward"], played["reward_se"]


def _is_due(update: int, updates: int) -> bool:
    return update * EVALUATIONS // updates > (update - 1) * EVALUATIONS // updates


def _nothing(line: str) -> None:
    """Be told of an evaluation."""
