"""Problems of measured tuning data, which lie outside the project, in the shape of our own.

A folder may hold either of two loaders, or both: ``measured_problems.py`` (family *measured*), and
``curve_problems.py`` with ``rl_curves.npz`` (family *rl*: 16 tasks of PPO, DQN and SAC; a run gives its final score
with the noise of a real seed).
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks.optimizer.problems import Params

_COST_S = 60.0
"""What a run of a task of the family *rl* counts: all are of one length."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measured problem."""

    problem: Any
    family: str = "measured"
    constraints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.problem.name

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        return self.problem.parameters

    def evaluate(self, params: Params, rng: np.random.Generator) -> tuple[float, float, bool]:
        """Return score, cost and whether the run failed."""
        return self.problem.evaluate(params, rng)

    def regret(self, params: Params) -> float:
        """Return the normalized regret without noise: 0 is the optimum, 1 is a random point."""
        return self.problem.regret(params)


@dataclass(frozen=True, kw_only=True)
class Landscape(Measured):
    """The final scores of a task of which whole learning curves were measured."""

    family: str = "rl"

    def evaluate(self, params: Params, rng: np.random.Generator) -> tuple[float, float, bool]:
        return self.problem.curve(params, rng)[-1][1], _COST_S, False


def measured(folder: Path) -> list[Measured]:
    """Load the measured problems of a folder by their own loaders."""
    found: list[Measured] = []
    if (folder / "measured_problems.py").exists():
        found += [Measured(problem=each) for each in _loader(folder, "measured_problems").PROBLEMS]
    if (folder / "rl_curves.npz").exists():
        found += [Landscape(problem=each) for each in _loader(folder, "curve_problems").load("rl_curves.npz")]
    if not found:
        raise SystemExit(f"{folder}: neither measured_problems.py nor rl_curves.npz with curve_problems.py")
    return found


def _loader(folder: Path, name: str) -> ModuleType:
    """Import a module from its file."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder}: no {name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
