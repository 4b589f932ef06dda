"""HEBO, Ax, SMAC, PufferLib and Vizier: optimizers that see a parameter as a category or as a number on an even line.

They know no ``when``: a condition is flattened, and an inactive parameter is told as its center. Each is imported only
when it is made, in a virtual environment of its own.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.optimizer.task import Outcome, Task
from metta_sweep.space import SearchSpace

Leaf = Mapping[str, Any]
Line = dict[str, Any]
"""One point as an optimizer sees it: a number or the name of a category, by parameter."""


def bounds(leaf: Leaf) -> tuple[float, float]:
    """Return where the line of a number begins and ends."""
    return to_line(leaf, leaf["min"]), to_line(leaf, leaf["max"])


def is_whole(leaf: Leaf) -> bool:
    """Return whether the line of a number has whole numbers only."""
    return leaf["distribution"] in ("uniform_pow2", "int_uniform")


def to_line(leaf: Leaf, value: Any) -> Any:
    """Return where a value lies on the line on which its parameter is even; a category is its own name."""
    if "values" in leaf:
        return str(value)
    if leaf["distribution"] == "uniform_pow2":
        return round(math.log2(value))
    if leaf["distribution"] == "logit_normal":
        return math.log(value / (1 - value))
    return math.log(value) if leaf["distribution"] == "log_normal" else value


def from_line(leaf: Leaf, line: Any) -> Any:
    """Return the value that lies there, within its bounds."""
    if "values" in leaf:
        return next(value for value in leaf["values"] if str(value) == line)
    if is_whole(leaf):
        return 2 ** int(line) if leaf["distribution"] == "uniform_pow2" else int(line)
    back = {"logit_normal": lambda at: 1 / (1 + math.exp(-at)), "log_normal": math.exp}
    value = min(max(back.get(leaf["distribution"], float)(float(line)), leaf["min"]), leaf["max"])
    return round(value) if leaf.get("integer") else value


class OnLines:
    """What they have in common: the first run at the center, points as lines, the worst score so far."""

    def __init__(self, task: Task) -> None:
        warnings.simplefilter("ignore")
        self.parameters, self.space = task.parameters, SearchSpace.parse(task.parameters)
        self.first, self.worst = True, 0.0

    def line_of(self, params: Mapping[str, Any]) -> Line:
        """Return a point as the optimizer sees it; an inactive parameter is at its center."""
        center = self.space.center_codes
        middle = {p.name: p.domain.values(center[i : i + 1])[0] for i, p in enumerate(self.space.parameters)}
        return {name: to_line(leaf, params.get(name, middle[name])) for name, leaf in self.parameters.items()}

    def params_of(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point's values, without the parameters that are inactive there."""
        values = {name: from_line(leaf, line[name]) for name, leaf in self.parameters.items()}
        return self.space.decode(self.space.encode(values))

    def loss(self, outcome: Outcome) -> float:
        """Return the score with less being better; a failure counts as the worst so far."""
        self.worst = self.worst if outcome.failed else max(self.worst, -outcome.score)
        return self.worst if outcome.failed else -outcome.score


class Hebo(OnLines):
    """HEBO (Cowen-Rivers et al. 2022); a failure counts as the worst score so far."""

    def __init__(self, task: Task, seed: int) -> None:
        import numpy as np
        import torch

        super().__init__(task)
        np.random.seed(seed)
        torch.manual_seed(seed)
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        design = DesignSpace().parse([self._axis(name, leaf) for name, leaf in task.parameters.items()])
        self.hebo = HEBO(design, scramble_seed=seed)

    @staticmethod
    def _axis(name: str, leaf: Leaf) -> dict[str, Any]:
        if "values" in leaf:
            return {"name": name, "type": "cat", "categories": [str(value) for value in leaf["values"]]}
        low, high = bounds(leaf)
        return {"name": name, "type": "int" if is_whole(leaf) else "num", "lb": low, "ub": high}

    def ask(self) -> dict[str, Any]:
        if self.first:
            self.first = False
            return self.space.center()
        return self.params_of(self.hebo.suggest(n_suggestions=1).iloc[0])

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        import numpy as np
        import pandas as pd

        self.hebo.observe(pd.DataFrame([self.line_of(params)]), np.array([[self.loss(outcome)]]))


class Ax(OnLines):
    """Ax (Bakshy et al. 2018) as its ``Client`` is by default; failures get its own failed state."""

    def __init__(self, task: Task, seed: int) -> None:
        import logging

        from ax.api.client import Client

        super().__init__(task)
        logging.disable(logging.WARNING)
        self.client = Client(random_seed=seed)
        self.client.configure_experiment([self._axis(name, leaf) for name, leaf in task.parameters.items()])
        self.client.configure_optimization("score")
        self.trials: list[tuple[dict[str, Any], int]] = []

    @staticmethod
    def _axis(name: str, leaf: Leaf) -> Any:
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        label = name.replace(".", "__")
        if "values" in leaf:
            names = [str(value) for value in leaf["values"]]
            return ChoiceParameterConfig(name=label, values=names, parameter_type="str", is_ordered=False)
        kind = "int" if is_whole(leaf) else "float"
        return RangeParameterConfig(name=label, bounds=bounds(leaf), parameter_type=kind)

    def ask(self) -> dict[str, Any]:
        if self.first:
            self.first, params = False, self.space.center()
            labels = {name.replace(".", "__"): value for name, value in self.line_of(params).items()}
            index = self.client.attach_trial(labels)
        else:
            (index, labels), *_ = self.client.get_next_trials(max_trials=1).items()
            params = self.params_of({name: labels[name.replace(".", "__")] for name in self.parameters})
        self.trials.append((params, index))
        return params

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        index = next(index for mine, index in self.trials if mine is params)
        if outcome.failed:
            self.client.mark_trial_failed(index)
        else:
            self.client.complete_trial(index, raw_data={"score": outcome.score})


class Smac(OnLines):
    """SMAC3's facade for hyperparameters (Lindauer et al. 2022); failures get its own crashed state.

    Told that runs are deterministic, so that all runs go to new points as everybody else's do.
    """

    def __init__(self, task: Task, seed: int, runs: int = 50) -> None:
        from ConfigSpace import ConfigurationSpace
        from smac import HyperparameterOptimizationFacade, Scenario

        super().__init__(task)
        self.lines = ConfigurationSpace(seed=seed)
        self.lines.add([self._axis(name, leaf) for name, leaf in task.parameters.items()])
        scratch = Path(tempfile.mkdtemp(prefix="smac"))
        scenario = Scenario(self.lines, deterministic=True, n_trials=runs, seed=seed, output_directory=scratch)
        self.smac = HyperparameterOptimizationFacade(scenario, logging_level=False, overwrite=True)
        self.trials: list[tuple[dict[str, Any], Any]] = []

    @staticmethod
    def _axis(name: str, leaf: Leaf) -> Any:
        from ConfigSpace import Categorical, Float, Integer

        if "values" in leaf:
            return Categorical(name, [str(value) for value in leaf["values"]])
        return Integer(name, bounds(leaf)) if is_whole(leaf) else Float(name, bounds(leaf))

    def ask(self) -> dict[str, Any]:
        from ConfigSpace import Configuration
        from smac.runhistory.dataclasses import TrialInfo

        if self.first:
            self.first, params = False, self.space.center()
            info = TrialInfo(Configuration(self.lines, values=self.line_of(params)), seed=0)
            # SMAC compares runs of one seed alone, and takes the first one it meets: also where it is asked on before
            # this run is told.
            self.smac.runhistory.add_running_trial(info)
        else:
            info = self.smac.ask()
            params = self.params_of(dict(info.config))
        self.trials.append((params, info))
        return params

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        info = next(info for mine, info in self.trials if mine is params)
        status = StatusType.CRASHED if outcome.failed else StatusType.SUCCESS
        self.smac.tell(info, TrialValue(cost=self.loss(outcome), time=outcome.cost, status=status))


class Puffer(OnLines):
    """The Protein of PufferLib 3 with its defaults; a failure counts as the worst score so far.

    It has no categories: they are whole numbers in the order in which they are written. It measures distances from the
    center, and is told it.
    """

    def __init__(self, task: Task, seed: int) -> None:
        import random

        import numpy as np
        import pyro
        from pufferlib.sweep import Protein

        super().__init__(task)
        random.seed(seed)
        np.random.seed(seed)
        pyro.set_rng_seed(seed)
        center = self.line_of(self.space.center())
        axes = {name: self._axis(leaf, center[name]) for name, leaf in task.parameters.items()}
        with contextlib.redirect_stdout(io.StringIO()):
            self.protein = Protein({**axes, "metric": "score", "goal": "maximize"})

    @staticmethod
    def _axis(leaf: Leaf, middle: Any) -> dict[str, Any]:
        if "values" in leaf:
            names = [str(value) for value in leaf["values"]]
            low, high, middle = 0, len(names) - 1, names.index(middle)
        else:
            low, high = bounds(leaf)
        kind = "int_uniform" if "values" in leaf or is_whole(leaf) else "uniform"
        return {"distribution": kind, "min": low, "max": high, "mean": middle, "scale": "auto"}

    def ask(self) -> dict[str, Any]:
        with contextlib.redirect_stdout(io.StringIO()):
            line, _ = self.protein.suggest(None)
        named = {
            name: str(leaf["values"][line[name]]) if "values" in leaf else line[name]
            for name, leaf in self.parameters.items()
        }
        return self.params_of(named)

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        line = self.line_of(params)
        for name, leaf in self.parameters.items():
            if "values" in leaf:
                line[name] = [str(value) for value in leaf["values"]].index(line[name])
        self.protein.observe(line, -self.loss(outcome), outcome.cost, is_failure=outcome.failed)


class Vizier(OnLines):
    """Vizier's default, a Gaussian process bandit (Song et al. 2024); failures get its own infeasible state."""

    def __init__(self, task: Task, seed: int) -> None:
        import jax
        from vizier import pyvizier

        for name in ("tree_map", "tree_leaves", "tree_flatten", "tree_unflatten", "tree_structure", "tree_reduce"):
            setattr(jax, name, getattr(jax.tree_util, name))  # as jaxopt still calls them
        from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit

        super().__init__(task)
        self.vizier = pyvizier
        problem = pyvizier.ProblemStatement()
        for name, leaf in task.parameters.items():
            self._axis(problem.search_space.root, name, leaf)
        problem.metric_information.append(
            pyvizier.MetricInformation("score", goal=pyvizier.ObjectiveMetricGoal.MAXIMIZE)
        )
        self.bandit = VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(seed))
        self.trials: list[tuple[dict[str, Any], Any]] = []

    @staticmethod
    def _axis(root: Any, name: str, leaf: Leaf) -> None:
        if "values" in leaf:
            root.add_categorical_param(name, [str(value) for value in leaf["values"]])
        elif is_whole(leaf):
            root.add_int_param(name, *bounds(leaf))
        else:
            root.add_float_param(name, *bounds(leaf))

    def ask(self) -> dict[str, Any]:
        if self.first:
            self.first, params = False, self.space.center()
            suggestion = self.vizier.TrialSuggestion(self.line_of(params))
        else:
            (suggestion,) = self.bandit.suggest(1)
            params = self.params_of(suggestion.parameters.as_dict())
        self.trials.append((params, suggestion.to_trial(len(self.trials) + 1)))
        return params

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None:
        from vizier.algorithms import ActiveTrials, CompletedTrials

        trial = next(trial for mine, trial in self.trials if mine is params)
        if outcome.failed:
            trial.complete(self.vizier.Measurement(), infeasibility_reason="failed")
        else:
            trial.complete(self.vizier.Measurement({"score": outcome.score}))
        going = [other for _, other in self.trials if not other.is_completed]
        self.bandit.update(CompletedTrials([trial]), ActiveTrials(going))


MODEL_PEERS = {"hebo": Hebo, "ax": Ax, "smac": Smac, "puffer": Puffer, "vizier": Vizier}
