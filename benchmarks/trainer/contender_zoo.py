"""The bundled trainer with its shipped settings, on an environment of gymnasium."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.trainer.workloads import shipped
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import Training


@dataclass
class Learned:
    training: Training
    steps: int
    cpu_s: float

    @torch.no_grad()
    def _act(self, seen: Any, *, drawn: bool) -> Any:
        policy = self.training.policy
        outputs, _ = policy.step(torch.from_numpy(np.asarray(seen, np.float32)).unsqueeze(0), ())
        chance = policy.family.chance(1, 1, torch.default_generator)[0] if drawn else None
        return policy.family.for_env(policy.family.choose(outputs[:, :-1], chance))[0]

    def likeliest(self, seen: Any) -> Any:
        return self._act(seen, drawn=False)

    def drawn(self, seen: Any) -> Any:
        return self._act(seen, drawn=True)


def learn(env_id: str, steps: int, seed: int) -> Learned:
    group = "continuous" if env_id == "Pendulum-v1" else "gymnasium"
    chosen = (f"env={group}", f"env.id={env_id}", f"trainer.total_timesteps={steps}", f"seed={seed}", "device=cpu")
    config = parse(shipped(*chosen))
    torch.manual_seed(seed)
    began_s = time.process_time()
    training = Training(config, Path(tempfile.mkdtemp()), torch.device("cpu"), lambda _: None)
    for _ in range(config.num_updates):
        training.learn()
    return Learned(training, training.step, time.process_time() - began_s)
