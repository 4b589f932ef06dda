"""Tuning problems of our own, by family: formulas in the shapes that training runs show.

Scores are larger-is-better, costs are seconds. A problem is defined on *units*: every number between 0 and 1 in its
own scale, so that the same shape appears under different parameter kinds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

OPTIMA = Path(__file__).with_name("optima.json")
Params = Mapping[str, Any]
Units = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One tuning problem; ``evaluate`` is a run, ``mean_score`` what the run would score without noise."""

    name: str
    family: str
    parameters: dict[str, dict[str, Any]]
    score: Callable[[Units], float]
    """Noise-free score of units (categories and inactive parameters as they are, absent where inactive)."""
    cost: Callable[[Units], float] = lambda _units: 60.0
    fails: Callable[[Units], bool] = lambda _units: False
    noise: float = 0.0
    constraints: tuple[str, ...] = ()
    swept_cost: bool = False
    """Whether the cost differs so much that regret against money is worth a look."""
    center: Params = field(default_factory=dict)

    def units(self, params: Params) -> Units:
        return {name: unit(self.parameters[name], value) for name, value in params.items() if name in self.parameters}

    def evaluate(self, params: Params, rng: np.random.Generator) -> tuple[float, float, bool]:
        """Return score, cost and whether the run failed; a failed run costs a tenth."""
        units = self.units(params)
        jitter = math.exp(0.05 * rng.standard_normal())
        noise = self.noise * rng.standard_normal()
        if self.breaks_rule(params) or self.fails(units):
            return math.nan, 0.1 * self.cost(units) * jitter, True
        return self.score(units) + noise, self.cost(units) * jitter, False

    def breaks_rule(self, params: Params) -> bool:
        from metta_sweep.expression import Expression

        return not all(Expression.parse(text)(dict(params)) for text in self.constraints)

    def mean_score(self, params: Params) -> float:
        units = self.units(params)
        return math.nan if self.breaks_rule(params) or self.fails(units) else self.score(units)

    def regret(self, params: Params) -> float:
        """Return (optimum - score) / (optimum - median of random points): 0 is the optimum, 1 is a random point."""
        facts = optima()[self.name]
        return max(0.0, facts["optimum"] - self.mean_score(params)) / (facts["optimum"] - facts["random_median"])


@lru_cache(maxsize=1)
def optima() -> dict[str, dict[str, float]]:
    return json.loads(OPTIMA.read_text()) if OPTIMA.exists() else {}


def unit(leaf: Mapping[str, Any], value: Any) -> Any:
    """Return where a number lies between its bounds in its own scale; a category stays what it is."""
    if "values" in leaf:
        return value
    warp = {"log_normal": math.log, "uniform_pow2": math.log2, "logit_normal": lambda v: math.log(v / (1 - v))}
    scale = warp.get(leaf["distribution"], float)
    low, high = scale(leaf["min"]), scale(leaf["max"])
    return (scale(value) - low) / (high - low)


def P(low: float, high: float, distribution: str, **more: Any) -> dict[str, Any]:  # noqa: N802 - reads as in the table below
    return {"min": low, "max": high, "distribution": distribution, **more}


LR = P(1e-5, 1e-1, "log_normal")
GAMMA = P(0.8, 0.9999, "logit_normal")
ENT = P(1e-4, 1e-1, "log_normal")
CLIP = P(0.05, 0.5, "uniform")
LAMBDA = P(0.5, 0.999, "logit_normal")
EPOCHS = P(1, 10, "int_uniform")
BATCH = P(64, 8192, "uniform_pow2")
MINI = P(16, 2048, "uniform_pow2")
HIDDEN = P(16, 1024, "uniform_pow2")
STEPS = P(10_000, 1_000_000, "log_normal", integer=True)

_A6 = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P6 = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(x: np.ndarray) -> float:
    """Hartmann (1973), six dimensions, maximum 3.32."""
    return float(np.array([1, 1.2, 3, 3.2]) @ np.exp(-(_A6 * (x - _P6) ** 2).sum(1)))


def branin(x: float, y: float) -> float:
    """Branin (1972), negated: maximum -0.398."""
    a, b = 15 * x - 5, 15 * y
    return -(
        (b - 5.1 / (4 * math.pi**2) * a * a + 5 / math.pi * a - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a)
        + 10
    )


def bump(value: float, best: float, width: float) -> float:
    return math.exp(-0.5 * ((value - best) / width) ** 2)


def valley(u: Units) -> float:
    """A learning curve's shape: the best learning rate moves with the batch size, the rest are broad."""
    along = u["lr"] - 0.35 - 0.4 * (u["batch"] - 0.5)
    miss = (along / 0.18) ** 2 + ((u["gamma"] - 0.75) / 0.3) ** 2 + ((u["batch"] - 0.4) / 0.8) ** 2
    miss += ((u["ent"] - 0.4) / 0.5) ** 2 + 0.3 * ((u["clip"] - 0.3) / 0.5) ** 2
    return 10.0 / (1.0 + miss)


VALLEY = {"lr": LR, "batch": BATCH, "gamma": GAMMA, "ent": ENT, "clip": CLIP}
H6 = {"lr": LR, "ent": ENT, "gamma": GAMMA, "clip": CLIP, "lam": LAMBDA, "vf": P(0.1, 2.0, "uniform")}


def h6(u: Units) -> float:
    return hartmann6(np.array([u[name] for name in H6]))


def needle(u: Units) -> float:
    """Most of the space learns nothing; one region does, on a slope that only shows nearby."""
    inside = bump(u["lr"], 0.3, 0.13) * bump(u["ent"], 0.55, 0.25) * bump(u["gamma"], 0.8, 0.25)
    return 0.02 * u["clip"] + inside * (0.7 + 0.3 * bump(u["lam"], 0.7, 0.3)) * (0.8 + 0.2 * u["clip"])


NEEDLE = {"lr": LR, "ent": ENT, "gamma": GAMMA, "clip": CLIP, "lam": LAMBDA}


def steps_curve(u: Units) -> float:
    """Power law in training steps (100-fold), faster with a good learning rate, unstable with a large one."""
    quality = bump(u["lr"], 0.45, 0.16) * (0.6 + 0.4 * bump(u["gamma"], 0.7, 0.3))
    reached = 1 - math.exp(-(0.3 + 6.0 * quality) * 100 ** (u["steps"] - 1))
    return 100 * quality * reached - 8 * max(0.0, u["lr"] - 0.7)


COST4 = {"lr": LR, "gamma": GAMMA, "steps": STEPS, "ent": ENT}


def width_curve(u: Units) -> float:
    """Larger networks score higher at the same number of steps, with less and less to gain; both cost."""
    size = 1 - math.exp(-2.5 * (0.15 + u["hidden"]))
    trained = 1 - math.exp(-3.5 * 30 ** (u["steps"] - 0.9) * (0.5 + bump(u["lr"], 0.6 - 0.3 * u["hidden"], 0.2)))
    miss = ((u["gamma"] - 0.8) / 0.5) ** 2 + ((u["lam"] - 0.6) / 0.6) ** 2
    return 50 * size * trained * bump(u["lr"], 0.6 - 0.3 * u["hidden"], 0.3) / (1 + miss)


COST6 = {"lr": LR, "hidden": HIDDEN, "steps": STEPS, "gamma": GAMMA, "lam": LAMBDA, "ent": ENT}


def memory(u: Units) -> float:
    """As large a batch as fits is best, and the best learning rate is near divergence."""
    miss = ((u["lr"] - 0.62) / 0.2) ** 2 + ((u["gamma"] - 0.7) / 0.4) ** 2 + ((u["mini"] - 0.45) / 0.5) ** 2
    return 20 * (0.4 + 0.6 * (0.5 * u["batch"] + 0.5 * u["hidden"])) / (1 + miss + ((u["epochs"] - 0.4) / 0.8) ** 2)


FAIL6 = {"lr": LR, "batch": BATCH, "mini": MINI, "hidden": HIDDEN, "gamma": GAMMA, "epochs": EPOCHS}


def memory_fails(u: Units) -> bool:
    return u["batch"] + u["hidden"] > 1.25 or u["lr"] > 0.9 - 0.25 * u["epochs"]


def diverges(u: Units) -> bool:
    return u["lr"] + 0.35 * u["clip"] - 0.3 * u["batch"] > 0.62 or u["gamma"] > 0.93 - 0.25 * u["lr"]


def mixed(u: Units) -> float:
    """Two kinds of policy with their own best settings, an activation, layers, and an optimizer."""
    base = {"relu": 1.0, "tanh": 0.9, "gelu": 0.97}[u["activation"]] * (0.75 if u["optimizer"] == "sgd" else 1.0)
    best_lr = 0.75 if u["optimizer"] == "sgd" else 0.4
    value = base * bump(u["lr"], best_lr, 0.2) * (0.7 + 0.3 * bump(u["layers"], 0.4, 0.4))
    if u["lstm"]:
        return value * (0.55 + 0.55 * bump(u["cells"], 0.7, 0.25) * bump(u["horizon"], 0.5, 0.3))
    return value * (0.75 + 0.1 * bump(u["frames"], 0.6, 0.3))


MIXED8 = {
    "lr": LR,
    "activation": {"values": ["relu", "tanh", "gelu"]},
    "optimizer": {"values": ["adam", "sgd"]},
    "layers": P(1, 6, "int_uniform"),
    "lstm": {"values": [False, True]},
    "cells": P(16, 1024, "uniform_pow2", when={"lstm": True}),
    "horizon": P(8, 256, "uniform_pow2", when={"lstm": True}),
    "frames": P(1, 8, "int_uniform", when={"lstm": False}),
}


def table(u: Units) -> float:
    """Categories that interact with numbers: four algorithms, each with its own optimum."""
    center = {"ppo": (0.3, 0.7), "vtrace": (0.6, 0.4), "a2c": (0.5, 0.2), "muesli": (0.75, 0.8)}[u["algorithm"]]
    top = {"ppo": 0.95, "vtrace": 0.85, "a2c": 0.6, "muesli": 1.0}[u["algorithm"]]
    near = bump(u["lr"], center[0], 0.15) * bump(u["gamma"], center[1], 0.25)
    norm = {"none": 0.8, "layer": 1.0, "batch": 0.9}[u["norm"]]
    return top * norm * near * (0.6 + 0.4 * bump(u["epochs"], 0.5, 0.4)) * (1.0 if u["scaling"] else 0.9)


MIXED6 = {
    "algorithm": {"values": ["a2c", "vtrace", "ppo", "muesli"]},
    "lr": LR,
    "gamma": GAMMA,
    "norm": {"values": ["none", "batch", "layer"]},
    "epochs": EPOCHS,
    "scaling": {"values": [False, True]},
}


def high(u: Units, *, dims: int, seed: int) -> float:
    """Many parameters, importance falling geometrically, a few pairs that interact."""
    rng = np.random.default_rng(seed)
    best, weight = rng.uniform(0.15, 0.85, dims), 6.0 * 0.8 ** np.arange(dims)
    x = np.array([u[f"p{i}"] for i in range(dims)])
    order = rng.permutation(dims)
    miss = float(weight @ (x[order] - best) ** 2) + 3.0 * abs((x[order[0]] - best[0]) * (x[order[1]] - best[1]))
    return 30.0 / (1.0 + miss)


def _high_space(dims: int) -> dict[str, dict[str, Any]]:
    kinds = [LR, P(0.0, 1.0, "uniform"), GAMMA, P(1, 64, "int_uniform"), BATCH]
    return {f"p{i}": kinds[i % len(kinds)] for i in range(dims)}


def _centered(parameters: dict[str, dict[str, Any]], units: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Return the parameters with the user's center at the given units."""
    moved = {}
    for name, leaf in parameters.items():
        if name not in units:
            moved[name] = leaf
            continue
        low, high_, u = leaf["min"], leaf["max"], units[name]
        if leaf["distribution"] in ("log_normal", "uniform_pow2"):
            mean = low * (high_ / low) ** u
        elif leaf["distribution"] == "logit_normal":
            line = math.log(low / (1 - low)) * (1 - u) + math.log(high_ / (1 - high_)) * u
            mean = 1 / (1 + math.exp(-line))
        else:
            mean = low + u * (high_ - low)
        moved[name] = {**leaf, "mean": min(max(mean, low), high_)}
    return moved


_H6_BEST = dict(zip(H6, (0.2017, 0.1500, 0.4769, 0.2753, 0.3117, 0.6573), strict=True))


def _near(units: Mapping[str, float], off: float) -> dict[str, float]:
    return {name: min(0.98, max(0.02, u + (off if i % 2 else -off))) for i, (name, u) in enumerate(units.items())}


def _far(units: Mapping[str, float]) -> dict[str, float]:
    return {name: 0.95 if u < 0.5 else 0.05 for name, u in units.items()}


_VALLEY_BEST = {"lr": 0.31, "batch": 0.4, "gamma": 0.75, "ent": 0.4, "clip": 0.3}
_BRANIN = {"lr": LR, "gamma": P(0.0, 1.0, "uniform")}


def _cost4(u: Units) -> float:
    return 6.0 * 100 ** u["steps"]


def _cost6(u: Units) -> float:
    return 3.0 * 100 ** u["steps"] * 4 ** u["hidden"]


PROBLEMS = (
    Problem(name="branin2", family="smooth", parameters=_BRANIN, score=lambda u: branin(u["lr"], u["gamma"])),
    Problem(name="hartmann6", family="smooth", parameters=H6, score=h6),
    Problem(name="valley5", family="smooth", parameters=VALLEY, score=valley),
    Problem(name="noisy_hartmann6", family="noisy", parameters=H6, score=h6, noise=0.4),
    Problem(name="noisy_valley5", family="noisy", parameters=VALLEY, score=valley, noise=1.0),
    Problem(name="noisy_needle5", family="noisy", parameters=NEEDLE, score=needle, noise=0.05),
    Problem(name="steps4", family="cost", parameters=COST4, score=steps_curve, cost=_cost4, noise=0.5, swept_cost=True),
    Problem(name="width6", family="cost", parameters=COST6, score=width_curve, cost=_cost6, noise=0.3, swept_cost=True),
    Problem(
        name="memory6",
        family="failing",
        parameters=FAIL6,
        score=memory,
        fails=memory_fails,
        constraints=("batch % mini == 0",),
    ),
    Problem(name="diverging5", family="failing", parameters=VALLEY, score=valley, fails=diverges),
    Problem(name="mixed8", family="mixed", parameters=MIXED8, score=mixed),
    Problem(name="table6", family="mixed", parameters=MIXED6, score=table),
    Problem(name="high16", family="high", parameters=_high_space(16), score=lambda u: high(u, dims=16, seed=3)),
    Problem(name="high20", family="high", parameters=_high_space(20), score=lambda u: high(u, dims=20, seed=4)),
    Problem(name="good_hartmann6", family="prior_good", parameters=_centered(H6, _near(_H6_BEST, 0.12)), score=h6),
    Problem(
        name="good_valley5", family="prior_good", parameters=_centered(VALLEY, _near(_VALLEY_BEST, 0.12)), score=valley
    ),
    Problem(name="bad_hartmann6", family="prior_bad", parameters=_centered(H6, _far(_H6_BEST)), score=h6),
    Problem(name="bad_valley5", family="prior_bad", parameters=_centered(VALLEY, _far(_VALLEY_BEST)), score=valley),
)
"""Every problem, in the order of the tables."""
