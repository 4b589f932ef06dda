"""The optimizers that are compared, behind one pair of calls: ``ask`` for a point, ``tell`` what it gave.

Every peer's first run is the user's center. A peer that knows nothing of failures is told the worst score so far;
one that has its own way (Optuna's FAIL state, Protein) uses it. Peers live in virtual environments of their own:
each is imported only when it is asked for.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.optimizer.model_peers import MODEL_PEERS
from benchmarks.optimizer.task import Outcome, Peer, Task
from metta_sweep.optimize.protein.start import is_usual, usual_point
from metta_sweep.space import SearchSpace


class Random:
    """Points drawn evenly from the space; knows the constraints."""

    knows_constraints = True

    def __init__(self, task: Task, seed: int) -> None:
        self.space = SearchSpace.parse(task.parameters, task.constraints if self.knows_constraints else ())
        self.rng, self.first = np.random.default_rng(seed), True

    def ask(self) -> dict[str, Any]:
        if self.first:
            self.first = False
            return self.space.center()
        return self.space.decode(self.space.sample(1, self.rng)[0])

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        pass


class Sobol(Random):
    """A scrambled Sobol sequence over the space."""

    knows_constraints = False

    def __init__(self, task: Task, seed: int) -> None:
        from scipy.stats import qmc

        super().__init__(task, seed)
        self.sobol = qmc.Sobol(self.space.dim, rng=np.random.default_rng(seed))

    def ask(self) -> dict[str, Any]:
        if self.first:
            return super().ask()
        return self.space.decode(self.space.from_unit(self.sobol.random(1))[0])


class CmaEs(Random):
    """CMA-ES (Hansen 2001, package ``cmaes``) on the unit cube, started at the center."""

    knows_constraints = False

    def __init__(self, task: Task, seed: int) -> None:
        from cmaes import CMA

        super().__init__(task, seed)
        dim = self.space.dim
        self.sizes = np.array([parameter.domain.size or 0 for parameter in self.space.parameters])
        self.unordered = np.array([parameter.domain.is_unordered for parameter in self.space.parameters])
        start = np.where(
            self.unordered, (self.space.center_codes + 0.5) / np.maximum(1, self.sizes), self.space.center_codes
        )
        self.cma = CMA(mean=start, sigma=0.25, bounds=np.array([[0.0, 1.0]] * dim), seed=seed)
        self.points: list[tuple[dict[str, Any], np.ndarray]] = []
        self.done: list[tuple[np.ndarray, float]] = []
        self.worst = 0.0

    def ask(self) -> dict[str, Any]:
        if self.first:
            return super().ask()
        x = self.cma.ask()
        codes = np.where(self.unordered, np.minimum(np.floor(x * self.sizes), self.sizes - 1), x)
        params = self.space.decode(codes)
        self.points.append((params, x))
        return params

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        self.worst = self.worst if outcome.failed else max(self.worst, -outcome.score)
        for i, (mine, x) in enumerate(self.points):
            if mine is params:
                self.done.append((x, self.worst if outcome.failed else -outcome.score))
                del self.points[i]
                break
        if len(self.done) == self.cma.population_size:
            self.cma.tell(self.done)
            self.done = []


class Optuna:
    """Optuna's samplers, define-by-run; failures get Optuna's own FAIL state.

    Args:
        task: What is searched.
        seed: Of the sampler.
        kind: ``tpe`` or ``gp``.
        is_told_usual: Whether its second point is Protein's, of usual values: what that knowledge alone is worth.
    """

    def __init__(self, task: Task, seed: int, kind: str, *, is_told_usual: bool = False) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        self.optuna, self.parameters = optuna, task.parameters
        self.space = SearchSpace.parse(task.parameters)
        samplers = optuna.samplers
        sampler = {
            "tpe": lambda: samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True),
            "gp": lambda: samplers.GPSampler(seed=seed, deterministic_objective=False),
        }[kind]()
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self.study.enqueue_trial(self._native(self.space.center()))
        if is_told_usual and is_usual(self.space) and (usual := usual_point(self.space)) is not None:
            self.study.enqueue_trial(self._native(self.space.decode(usual)))
        self.trials: list[tuple[dict[str, Any], Any]] = []

    def _native(self, params: Mapping[str, Any]) -> dict[str, Any]:
        native = {}
        for name, value in params.items():
            distribution = self.parameters[name].get("distribution")
            if distribution == "uniform_pow2":
                value = round(math.log2(value))
            elif distribution == "logit_normal":
                value = math.log(value / (1 - value))
            native[name] = value
        return native

    def ask(self) -> dict[str, Any]:
        trial = self.study.ask()
        params: dict[str, Any] = {}
        for name, leaf in self.parameters.items():
            if all(
                params.get(other) in ([on] if not isinstance(on, list) else on)
                for other, on in leaf.get("when", {}).items()
            ):
                params[name] = self._suggest(trial, name, leaf)
        self.trials.append((params, trial))
        return params

    def _suggest(self, trial: Any, name: str, leaf: Mapping[str, Any]) -> Any:
        if "values" in leaf:
            return trial.suggest_categorical(name, leaf["values"])
        low, high, kind = leaf["min"], leaf["max"], leaf["distribution"]
        if kind == "uniform_pow2":
            return 2 ** trial.suggest_int(name, round(math.log2(low)), round(math.log2(high)))
        if kind == "int_uniform":
            return trial.suggest_int(name, low, high)
        if kind == "logit_normal":
            line = trial.suggest_float(name, math.log(low / (1 - low)), math.log(high / (1 - high)))
            return min(max(1 / (1 + math.exp(-line)), low), high)
        value = min(max(trial.suggest_float(name, low, high, log=kind == "log_normal"), low), high)
        return round(value) if leaf.get("integer") else value

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        for i, (mine, trial) in enumerate(self.trials):
            if mine is params:
                if outcome.failed:
                    self.study.tell(trial, state=self.optuna.trial.TrialState.FAIL)
                else:
                    self.study.tell(trial, outcome.score)
                del self.trials[i]
                return


class Ours:
    """Protein, through its public calls alone."""

    def __init__(self, task: Task, seed: int, **settings: Any) -> None:
        from metta_sweep import Protein

        self.protein = Protein(task.parameters, seed=seed, constraints=task.constraints, settings=settings)
        self.last: Any = None
        self.pending: list[dict[str, Any]] = []

    def ask(self) -> dict[str, Any]:
        self.last = self.protein.suggest(self.pending)
        self.pending.append(dict(self.last.params))
        return self.pending[-1]

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        self.pending = [each for each in self.pending if each is not params]
        if outcome.failed:
            self.protein.observe_failure(params)
        else:
            self.protein.observe(params, score=outcome.score, cost=outcome.cost)


def make(name: str, task: Task, seed: int) -> Peer:
    """Return a fresh optimizer by name."""
    if name.startswith("optuna_"):
        kind = name.removeprefix("optuna_")
        return Optuna(task, seed, kind.removesuffix("_usual"), is_told_usual=kind.endswith("_usual"))
    if name in MODEL_PEERS:
        return MODEL_PEERS[name](task, seed)
    if name == "protein_untold":
        return Ours(task, seed, usual_values=False)
    kinds = {"random": Random, "sobol": Sobol, "cmaes": CmaEs, "protein": Ours}
    return kinds[name](task, seed)


PEERS = (
    "random",
    "sobol",
    "cmaes",
    "optuna_tpe",
    "optuna_gp",
    "optuna_gp_usual",
    *MODEL_PEERS,
    "protein",
    "protein_untold",
)
