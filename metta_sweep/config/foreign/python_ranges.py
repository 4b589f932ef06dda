"""Optuna's and Ray Tune's ranges, from the arguments that a Python file writes."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from metta_sweep.config.foreign.ranges import interval, options, spread, stepped

Given = tuple[list[Any], dict[str, Any]]


def _taken(given: Given, *names: str) -> list[Any]:
    """Return arguments by their names, in order; None for one that is not given."""
    words, named = given
    return [words[at] if at < len(words) else named.get(name) for at, name in enumerate(names)]


def _float(given: Given) -> dict[str, Any]:
    low, high = _taken(given, "low", "high")
    step = given[1].get("step")
    return stepped(low, high, step) if step is not None else interval(low, high, log=bool(given[1].get("log")))


def _int(given: Given) -> dict[str, Any]:
    low, high, step, log = _taken(given, "low", "high", "step", "log")
    if step not in (None, 1):
        return stepped(low, high, step, log=bool(log))
    return interval(low, high, log=bool(log), whole=True)


def _old(*, log: bool = False) -> Callable[[Given], dict[str, Any]]:
    """Read ``suggest_uniform`` and ``suggest_loguniform`` of older versions."""

    def read(given: Given) -> dict[str, Any]:
        low, high = _taken(given, "low", "high")
        return interval(low, high, log=log)

    return read


def _discrete(given: Given) -> dict[str, Any]:
    return stepped(*_taken(given, "low", "high", "q"))


def _choice(given: Given) -> dict[str, Any]:
    (values,) = _taken(given, "choices") if "choices" in given[1] else _taken(given, "categories")
    return options([list(value) if isinstance(value, tuple) else value for value in values or ()])


OPTUNA: Mapping[str, Callable[[Given], dict[str, Any]]] = {
    "suggest_float": _float,
    "suggest_int": _int,
    "suggest_categorical": _choice,
    "suggest_uniform": _old(),
    "suggest_loguniform": _old(log=True),
    "suggest_discrete_uniform": _discrete,
}
"""How each call of a trial is read."""


def _ray(*, log: bool = False, whole: bool = False, steps: bool = False) -> Callable[[Given], dict[str, Any]]:
    """Read ``tune.uniform`` and its kind; the upper bound of whole numbers is left out of the range there."""

    def read(given: Given) -> dict[str, Any]:
        low, high, step = _taken(given, "lower", "upper", "q")
        if steps and step is not None:
            return stepped(low, high, step, log=log, from_zero=True)
        top = high - 1 if whole and isinstance(high, int) and not steps else high
        return interval(low, top, log=log, whole=whole)

    return read


def _normal(given: Given) -> dict[str, Any]:
    mean, deviation, step = _taken(given, "mean", "sd", "q")
    return spread(0.0 if mean is None else mean, 1.0 if deviation is None else deviation, step=step)


def _computed(given: Given) -> dict[str, Any]:
    del given
    raise ValueError("it is computed by the program: write `when:` or `expr:`")


TUNE: Mapping[str, Callable[[Given], dict[str, Any]]] = {
    "uniform": _ray(),
    "loguniform": _ray(log=True),
    "quniform": _ray(steps=True),
    "qloguniform": _ray(log=True, steps=True),
    "randint": _ray(whole=True),
    "lograndint": _ray(log=True, whole=True),
    "qrandint": _ray(whole=True, steps=True),
    "qlograndint": _ray(log=True, whole=True, steps=True),
    "randn": _normal,
    "qrandn": _normal,
    "choice": _choice,
    "grid_search": _choice,
    "sample_from": _computed,
}
"""How each function of ``ray.tune`` is read."""


def shifted(expression: ast.AST | None, leaf: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the range of what an expression makes of a value: ``2 ** n`` and ``1 - x``; None for any other."""
    if not isinstance(expression, ast.BinOp) or not isinstance(expression.left, ast.Constant) or "min" not in leaf:
        return None
    low, high = leaf["min"], leaf["max"]
    if isinstance(expression.op, ast.Pow) and expression.left.value == 2 and isinstance(low, int) and low >= 0:
        return {"distribution": "uniform_pow2", "min": 2**low, "max": 2**high}
    if isinstance(expression.op, ast.Sub) and expression.left.value == 1 and 0 < low < high < 1:
        return {"distribution": "logit_normal", "min": _tidy(1 - high), "max": _tidy(1 - low)}
    return None


def _tidy(value: float) -> float:
    return float(f"{value:.12g}")
