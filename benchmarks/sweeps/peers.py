"""Optuna and W&B's own sweep engine as contenders, each driven as its documentation does it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.early_stopping import peers
from benchmarks.sweeps.tasks import EVALUATIONS, Task
from benchmarks.sweeps.training import Report


class OptunaStudy(peers.OptunaPeer):
    """An Optuna study that begins with the shipped settings; a run that diverged is a failed trial."""

    def __init__(self, task: Task, study: Any) -> None:
        super().__init__(task, study)
        study.enqueue_trial({name: _inner(task.center[name], each) for name, each in task.parameters.items()})

    def failed(self, run: int, params: dict[str, Any]) -> None:
        import optuna

        self._study.tell(self._trials.pop(run), state=optuna.trial.TrialState.FAIL)


def tpe_hyperband(task: Task, seed: int) -> OptunaStudy:
    """Return Optuna's TPE with its Hyperband pruner."""
    return OptunaStudy(task, peers.tpe_hyperband(seed))


def gp_halving(task: Task, seed: int) -> OptunaStudy:
    """Return Optuna's GPSampler with its successive-halving pruner."""
    return OptunaStudy(task, peers.gp_halving(seed))


class WandbBayes:
    """The package ``sweeps``, W&B's engine: ``method: bayes`` with ``early_terminate: hyperband``."""

    def __init__(self, task: Task, seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import sweeps
        self._sweeps, self._task, self._seed = sweeps, task, seed
        self._config = {
            "method": "bayes",
            "metric": {"name": "reward", "goal": "maximize"},
            "parameters": {name: _distribution(each) for name, each in task.parameters.items()},
            "early_terminate": {"type": "hyperband", "max_iter": EVALUATIONS, "eta": 3, "s": 2},
        }
        self._runs: dict[int, Any] = {}

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        np.random.seed([self._seed, run])  # it draws from numpy's own state
        ranges = self._task.parameters
        if run == 0:
            config = {name: {"value": _inner(self._task.center[name], each)} for name, each in ranges.items()}
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                config = self._sweeps.next_run(self._config, list(self._runs.values()), validate=False).config
        self._runs[run] = self._sweeps.SweepRun(name=str(run), config=config, state="running")
        return {name: _outer(config[name]["value"], each) for name, each in ranges.items()}

    def ends(self, run: int, params: dict[str, Any], reports: list[Report]) -> bool:
        self._note(run, reports)
        ending = self._sweeps.stop_runs(self._config, list(self._runs.values()), validate=False)
        return any(one.name == str(run) for one in ending)

    def finished(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        self._note(run, reports)
        self._runs[run].summary_metrics = {"reward": reports[-1][1]}
        self._runs[run].state = "finished"

    def ended(self, run: int, params: dict[str, Any], reports: list[Report]) -> None:
        self.finished(run, params, reports)

    def failed(self, run: int, params: dict[str, Any]) -> None:
        self._runs[run].state = "failed"

    def _note(self, run: int, reports: list[Report]) -> None:
        self._runs[run].history = [{"reward": reward} for _, reward, _ in reports]


def _distribution(each: Mapping[str, Any]) -> dict[str, Any]:
    kind = {"uniform_pow2": "int_uniform", "int_uniform": "int_uniform", "log_normal": "log_uniform_values"}
    low, high = _inner(each["min"], each), _inner(each["max"], each)
    return {"distribution": kind.get(each["distribution"], "uniform"), "min": low, "max": high}


def _inner(value: float, each: Mapping[str, Any]) -> Any:
    """Return a value as the peers' searches see it: the exponent of a power of two, the log odds of a share."""
    if each["distribution"] == "uniform_pow2":
        return round(np.log2(value))
    return float(np.log(value / (1.0 - value))) if each["distribution"] == "logit_normal" else value


def _outer(value: float, each: Mapping[str, Any]) -> Any:
    if each["distribution"] == "uniform_pow2":
        return 2 ** int(value)
    if each["distribution"] == "logit_normal":
        return float(np.clip(1.0 / (1.0 + np.exp(-value)), each["min"], each["max"]))
    return int(value) if each["distribution"] == "int_uniform" else float(np.clip(value, each["min"], each["max"]))
