"""The optimizers that come with the package, as the registry has them; each is loaded when it is made."""

from __future__ import annotations

from typing import Any

from metta_sweep.optimize.port import Optimizer, OptimizerKind, SearchTask, always


def _protein(task: SearchTask) -> Optimizer:
    from metta_sweep.optimize.protein import Protein

    goal = {one.metric: one.goal for one in task.objectives} or task.goal
    return Protein(
        task.space,
        goal=goal,
        seed=task.seed,
        settings=task.settings,
        sources=task.sources,
        bounds=task.bounds,
        metric=task.metric,
    )


def _needs_no_model(protein: Any, pending: int, ahead: int) -> bool:
    from metta_sweep.optimize.protein.protein import needs_no_model

    return needs_no_model(protein, pending, ahead)


def _load_protein() -> None:
    import metta_sweep.optimize.protein.proposal  # noqa: F401  # scipy takes half a second


def _check_arithmetic() -> tuple[bool, str]:
    from metta_sweep.optimize.protein.self_check import check_arithmetic

    return check_arithmetic()


def _random(task: SearchTask) -> Optimizer:
    from metta_sweep.optimize.random import random_search

    return random_search(task)


def _sobol(task: SearchTask) -> Optimizer:
    from metta_sweep.optimize.sobol import sobol_search

    return sobol_search(task)


PROTEIN = OptimizerKind(
    name="protein",
    make=_protein,
    takes_several=True,
    has_model=True,
    is_quick=_needs_no_model,
    prepare=_load_protein,
    self_check=_check_arithmetic,
)
"""The cost-aware Gaussian-process optimizer."""
RANDOM = OptimizerKind(name="random", make=_random, takes_several=True, is_quick=always)
"""Random search: the baseline that every other optimizer has to beat."""
SOBOL = OptimizerKind(name="sobol", make=_sobol, takes_several=True, is_quick=always)
"""Quasi-random search: a sequence that fills the space more evenly."""
