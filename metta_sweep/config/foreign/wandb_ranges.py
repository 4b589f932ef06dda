"""W&B's distributions, with the defaults and the inference of its sweep configuration reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metta_sweep.config.foreign.ranges import exponential, interval, options, spread, stepped

Spec = Mapping[str, Any]


def parameter_of(spec: Spec) -> tuple[dict[str, Any], str]:
    """Return a W&B parameter in our words, and what became different; empty where nothing did.

    Raises:
        ValueError: It cannot be read; the message says why.
    """
    kind = spec["distribution"] if "distribution" in spec else _inferred(spec)
    if not isinstance(kind, str) or kind not in _READ:
        raise ValueError(f"the distribution {kind!r} is not known")
    missing = [key for key in _NEEDED.get(kind, ()) if key not in spec]
    if missing:
        raise ValueError(f"{kind} needs {' and '.join(missing)}")
    leaf = _READ[kind](spec)
    return leaf, "" if "values" in leaf else _NOTES.get(kind, "")


def _inferred(spec: Spec) -> str:
    """Return the distribution of a parameter that names none: by its bounds' types, as W&B does."""
    if "value" in spec:
        return "constant"
    if "values" in spec:
        return "categorical_w_probabilities" if "probabilities" in spec else "categorical"
    if "min" in spec and "max" in spec:
        whole = all(isinstance(spec[key], int) and not isinstance(spec[key], bool) for key in ("min", "max"))
        return "int_uniform" if whole else "uniform"
    raise ValueError("it has neither value, nor values, nor min and max")


def _q(spec: Spec) -> Any:
    return spec.get("q", 1)


def _exponents(spec: Spec) -> tuple[float, float]:
    return exponential(spec["min"]), exponential(spec["max"])


def _inverse(spec: Spec) -> dict[str, Any]:
    """Read a logarithm of the inverse between bounds: the value lies between e to the power of their negatives."""
    return interval(exponential(_negative(spec["max"])), exponential(_negative(spec["min"])), log=True)


def _negative(value: Any) -> Any:
    return -value if isinstance(value, int | float) else value


def _normal(spec: Spec, *, log: bool = False, step: Any = None) -> dict[str, Any]:
    mu, sigma = spec.get("mu", 0), spec.get("sigma", 1)
    if not all(isinstance(value, int | float) for value in (mu, sigma)):
        raise ValueError("mu or sigma is not a number")
    return spread(mu, sigma, log=log, step=step)


def _beta(spec: Spec) -> dict[str, Any]:
    a, b = spec.get("a", 1), spec.get("b", 1)
    if not all(isinstance(value, int | float) and value > 0 for value in (a, b)):
        raise ValueError("a or b is not a number above 0")
    return {**interval(0, 1), "mean": float(f"{a / (a + b):.6g}")}


_READ: Mapping[str, Callable[[Spec], dict[str, Any]]] = {
    "constant": lambda spec: {"values": [spec["value"]]},
    "categorical": lambda spec: options(spec["values"]),
    "categorical_w_probabilities": lambda spec: options(spec["values"]),
    "int_uniform": lambda spec: interval(spec["min"], spec["max"], whole=True),
    "uniform": lambda spec: interval(spec["min"], spec["max"]),
    "q_uniform": lambda spec: stepped(spec["min"], spec["max"], _q(spec), from_zero=True),
    "log_uniform": lambda spec: interval(*_exponents(spec), log=True),
    "q_log_uniform": lambda spec: stepped(*_exponents(spec), _q(spec), log=True, from_zero=True),
    "inv_log_uniform": _inverse,
    "log_uniform_values": lambda spec: interval(spec["min"], spec["max"], log=True),
    "q_log_uniform_values": lambda spec: stepped(spec["min"], spec["max"], _q(spec), log=True, from_zero=True),
    "inv_log_uniform_values": lambda spec: interval(spec["min"], spec["max"], log=True),
    "normal": _normal,
    "q_normal": lambda spec: _normal(spec, step=_q(spec)),
    "log_normal": lambda spec: _normal(spec, log=True),
    "q_log_normal": lambda spec: _normal(spec, log=True, step=_q(spec)),
    "beta": _beta,
    "q_beta": lambda spec: stepped(0, 1, _q(spec), from_zero=True),
}
"""How each distribution is read."""

_BOUNDS = ("min", "max")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "categorical_w_probabilities": ("values",),
    **{name: _BOUNDS for name in _READ if "uniform" in name},
}
_TAILS = "a normal distribution became the range that holds 98% of it; move min and max as you like"
_NOTES: Mapping[str, str] = {
    **{name: _TAILS for name in ("normal", "q_normal", "log_normal", "q_log_normal")},
    "beta": "beta became uniform between 0 and 1",
    "q_beta": "beta became uniform between 0 and 1",
}
"""What becomes different, by distribution."""

KEYS = frozenset({"distribution", "value", "values", "probabilities", *_BOUNDS, "q", "mu", "sigma", "a", "b"})
"""What W&B knows of a parameter, beside ``parameters``."""
