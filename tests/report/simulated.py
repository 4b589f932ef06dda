"""Sweeps of any length with a known surface: what a report looks like on something like the real thing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.events import AttemptFailed, AttemptStarted, PlannedRun, RolloutSuggested, RunFinished
from metta_sweep.sweep.records import Failure, FailureClass
from tests.factories import History

PARAMETERS: dict[str, Any] = {
    "trainer.learning_rate": {"min": 1e-4, "max": 1e-2, "distribution": "log_normal"},
    "trainer.batch_size": {"min": 32, "max": 512, "distribution": "uniform_pow2"},
    "trainer.gamma": {"min": 0.9, "max": 0.999, "distribution": "logit_normal"},
    "trainer.optimizer": {"values": ["adam", "sgd", "muon"]},
    "trainer.use_lstm": {"values": [True, False]},
    "trainer.lstm_hidden_size": {
        "min": 32,
        "max": 256,
        "distribution": "uniform_pow2",
        "when": {"trainer.use_lstm": True},
    },
}
TRAINING: dict[str, Any] = {
    "trainer": {
        "learning_rate": 0.001,
        "batch_size": 64,
        "gamma": 0.99,
        "optimizer": "adam",
        "use_lstm": False,
        "lstm_hidden_size": 64,
    },
    "seed": 0,
}


def value_at(params: dict[str, Any]) -> float:
    """A hill: the learning rate matters most, then the batch size and the optimizer; gamma not at all."""
    rate = 0.6 * (math.log10(params["trainer.learning_rate"]) + 2.7) ** 2
    batch = 0.05 * (math.log2(params["trainer.batch_size"]) - 6) ** 2
    value: float = 1.0 - rate - batch + 0.2 * (params["trainer.optimizer"] == "muon") + 0.1 * params["trainer.use_lstm"]
    return value


def simulated(
    rollouts: int, *, seed: int = 0, name: str = "my_test", goal: Goal = Goal.MAXIMIZE, extra: int = 0
) -> History:
    """A sweep in one slot: the start fills the space, then points gather around the best; batches of 512 fail."""
    more = {f"env.extra_{k}": {"min": 0.0, "max": 1.0, "distribution": "uniform"} for k in range(extra)}
    asked: dict[str, Any] = {"rollout_count": rollouts, "parameters": {**PARAMETERS, **more}, "training": TRAINING}
    history, rng = History(name=name, goal=goal, asked=asked), np.random.default_rng(seed)
    space = SearchSpace.parse(asked["parameters"])
    best: tuple[float, np.ndarray[Any, Any]] = (-math.inf, space.center_codes)
    for index in range(rollouts):
        by_model = index >= min(10, rollouts // 2)
        codes = space.sample(1, rng)[0]
        if by_model:
            codes = space.snap(np.clip(best[1] + rng.normal(0, 0.2, space.dim) * (rng.random(space.dim) < 0.6), 0, 1))
        params = space.decode(codes)
        value = value_at(params)
        _happens(history, index, params, value + rng.normal(0, 0.05), _expected(value, rng) if by_model else None)
        if params["trainer.batch_size"] < 512 and value > best[0]:
            best = (value, codes)
    return history


def _expected(value: float, rng: np.random.Generator) -> Prediction:
    middle = value + float(rng.normal(0, 0.05))
    return Prediction(
        score=middle,
        score_low=middle - 0.12,
        score_high=middle + 0.12,
        cost=10.0,
        cost_low=5.0,
        cost_high=20.0,
        success=0.9,
    )


def _happens(history: History, index: int, params: dict[str, Any], value: float, predicted: Prediction | None) -> None:
    run_id, cost_s = history.run(index), 5.0 + 640.0 / params["trainer.batch_size"]
    if predicted is not None and history.goal is Goal.MINIMIZE:
        predicted = None
    suggestion = Suggestion(
        params=params,
        origin="sobol" if predicted is None else "protein",
        reason="fills the space" if predicted is None else "most improvement for its cost",
        predicted=predicted,
    )
    runs = (PlannedRun(run_id=run_id, seed=index),)
    history.add(RolloutSuggested, rollout=index, suggestion=suggestion, runs=runs, max_retries=2)
    history.add(AttemptStarted, run_id=run_id, attempt=1)
    history.clock_s += cost_s
    if params["trainer.batch_size"] == 512:
        failure = Failure(kind=FailureClass.OOM, message="CUDA out of memory", detail="Traceback: CUDA out of memory")
        history.add(AttemptFailed, run_id=run_id, attempt=1, failure=failure, wall_s=cost_s)
        return
    metric = history.goal.score(value)
    history.add(
        RunFinished,
        run_id=run_id,
        attempt=1,
        metrics={history.metric: metric, "heart.get": 3 * metric},
        cost_s=cost_s,
        steps=100_000,
        wall_s=cost_s,
    )
