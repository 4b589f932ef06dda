"""Optuna and Syne Tune as contenders, each driven as its own documentation does it."""

from __future__ import annotations

import contextlib
import datetime
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.early_stopping.simulate import Reports


def tpe_hyperband(seed: int) -> Any:
    """Return a study of TPE with the Hyperband pruner."""
    import optuna

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=10, reduction_factor=3)
    return _study(optuna.samplers.TPESampler(seed=seed), pruner, seed)


def gp_halving(seed: int) -> Any:
    """Return a study of GPSampler with the successive-halving pruner."""
    import optuna

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    return _study(optuna.samplers.GPSampler(seed=seed, deterministic_objective=False), pruner, seed)


def _study(sampler: Any, pruner: Any, seed: int) -> Any:
    """Return a study with a name, as its name decides which bracket a trial is in."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(study_name=f"seed {seed}", direction="maximize", sampler=sampler, pruner=pruner)


class OptunaPeer:
    """An Optuna study; a run that was ended is a pruned trial with its intermediate values."""

    def __init__(self, problem: Any, study: Any) -> None:
        self._study, self._parameters = study, problem.parameters
        self._trials: dict[int, Any] = {}

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        self._trials[run] = self._study.ask()
        params: dict[str, Any] = {}
        for name, each in self._parameters.items():
            if all(params.get(other) == value for other, value in each.get("when", {}).items()):
                params[name] = _suggested(self._trials[run], name, each)
        return params

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        self._trials[run].report(reports[-1][1], round(10 * reports[-1][0]))
        return bool(self._trials[run].should_prune())

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        self._study.tell(self._trials.pop(run), reports[-1][1])

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        import optuna

        self._study.tell(self._trials.pop(run), state=optuna.trial.TrialState.PRUNED)

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        return None

    def expected(self, finished: Sequence[dict[str, Any]]) -> None:
        return None

    def recommended(self, finished: Sequence[dict[str, Any]]) -> None:
        return None


def _suggested(trial: Any, name: str, each: Mapping[str, Any]) -> Any:
    if "values" in each:
        return trial.suggest_categorical(name, each["values"])
    low, high = each["min"], each["max"]
    if each["distribution"] == "uniform_pow2":
        return 2 ** trial.suggest_int(name, round(np.log2(low)), round(np.log2(high)))
    if each["distribution"] == "int_uniform":
        return trial.suggest_int(name, low, high)
    if each["distribution"] == "logit_normal":
        return _from_odds(trial.suggest_float(name, _odds(low), _odds(high)), low, high)
    return trial.suggest_float(name, low, high, log=each["distribution"] == "log_normal")


def _odds(value: float) -> float:
    return float(np.log(value / (1.0 - value)))


def _from_odds(odds: float, low: float, high: float) -> float:
    return float(np.clip(1.0 / (1.0 + np.exp(-odds)), low, high))


class SyneTunePeer:
    """A multi-fidelity scheduler of Syne Tune; it has no conditional parameters, so that it always draws them."""

    def __init__(self, problem: Any, scheduler: str, seed: int) -> None:
        from syne_tune.optimizer import baselines

        self._parameters = problem.parameters
        self._trials: dict[int, Any] = {}
        np.random.seed(seed)  # it draws brackets from numpy's own state
        self._scheduler = getattr(baselines, scheduler)(
            config_space={name: _syne_domain(each) for name, each in problem.parameters.items()},
            metric="score",
            time_attr="tenth",
            max_t=10,
            do_minimize=False,
            random_seed=seed,
        )

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return self._begun(run, self._scheduler.suggest().config)

    def _begun(self, run: int, config: Mapping[str, Any]) -> dict[str, Any]:
        from syne_tune.backend.trial_status import Trial

        self._trials[run] = Trial(trial_id=run, config=config, creation_time=datetime.datetime.now(datetime.UTC))
        self._scheduler.on_trial_add(self._trials[run])
        params: dict[str, Any] = {}
        for name, each in self._parameters.items():
            if all(params.get(other) == value for other, value in each.get("when", {}).items()):
                params[name] = _from_syne(config[name], each)
        return params

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        result = {"score": reports[-1][1], "tenth": round(10 * reports[-1][0])}
        return bool(self._scheduler.on_trial_result(self._trials[run], result) == "STOP")

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        trial = self._trials.pop(run)
        self._scheduler.on_trial_complete(trial, {"score": reports[-1][1], "tenth": 10})

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        with contextlib.suppress(KeyError):
            self._scheduler.on_trial_remove(self._trials.pop(run))

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        return None

    def expected(self, finished: Sequence[dict[str, Any]]) -> None:
        return None

    def recommended(self, finished: Sequence[dict[str, Any]]) -> None:
        return None


class SyneTuneModel(SyneTunePeer):
    """MOBSTER or DyHPO of Syne Tune 0.13, which still has them; DyHPO pauses runs and goes on."""

    def __init__(self, problem: Any, scheduler: str, seed: int) -> None:
        logging.disable(logging.WARNING)
        from syne_tune.optimizer import baselines

        self._parameters = problem.parameters
        self._trials: dict[int, Any] = {}
        self._next: Any = None
        np.random.seed(seed)
        self._scheduler = getattr(baselines, scheduler)(
            {name: _syne_domain(each) for name, each in problem.parameters.items()},
            metric="score",
            resource_attr="tenth",
            mode="max",
            max_t=10,
            random_seed=seed,
            **({"grace_period": 1, "rung_increment": 1, "brackets": 1} if scheduler == "DyHPO" else {}),
        )

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        self._next = self._scheduler.suggest(len(self._trials))
        return None if self._next.spawn_new_trial_id else int(self._next.checkpoint_trial_id)

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return self._begun(run, self._next.config)

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        result = {"score": reports[-1][1], "tenth": round(10 * reports[-1][0])}
        return bool(self._scheduler.on_trial_result(self._trials[run], result) != "CONTINUE")

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        result = {"score": reports[-1][1], "tenth": 10}
        if self._scheduler.on_trial_result(self._trials[run], result) == "CONTINUE":
            self._scheduler.on_trial_complete(self._trials[run], result)
        else:
            self._scheduler.on_trial_remove(self._trials[run])

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        self._scheduler.on_trial_remove(self._trials[run])


def _syne_domain(each: Mapping[str, Any]) -> Any:
    from syne_tune import config_space

    if "values" in each:
        return config_space.choice(["false", "true"])
    low, high = each["min"], each["max"]
    if each["distribution"] == "uniform_pow2":
        return config_space.randint(round(np.log2(low)), round(np.log2(high)))
    if each["distribution"] == "int_uniform":
        return config_space.randint(low, high)
    if each["distribution"] == "logit_normal":
        return config_space.uniform(_odds(low), _odds(high))
    return (config_space.loguniform if each["distribution"] == "log_normal" else config_space.uniform)(low, high)


def _from_syne(value: Any, each: Mapping[str, Any]) -> Any:
    if "values" in each:
        return value == "true"
    if each["distribution"] == "uniform_pow2":
        return 2**value
    return _from_odds(value, each["min"], each["max"]) if each["distribution"] == "logit_normal" else value
