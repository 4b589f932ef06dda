"""How a function is called, and what it returns means."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.function.trial import Trial
from metta_sweep.result.values import plain_number

Function = Callable[..., Any]
"""``train(config, trial)`` or ``train(config)``."""

NO_RESULT = "no_result: "
"""Start of the line in a run's log that says why there is no result."""


def name_of(function: Function) -> str:
    """Return what a person calls a function: its own name, wherever it is defined."""
    inner = getattr(function, "func", function)  # functools.partial
    return str(getattr(inner, "__name__", type(function).__name__))


def check_callable(function: Any) -> None:
    """Refuse what cannot be called with a config.

    Raises:
        RequestError: It says how the function is called.
    """
    if not callable(function):
        message = f"need a function to call with a config, got {type(function).__name__}"
        raise RequestError.of(message, key="function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin does not say
        return
    try:
        signature.bind({}, *([None] if takes_trial(function) else []))
    except TypeError:
        message = f"it is called as {name_of(function)}(config) or {name_of(function)}(config, trial), and takes"
        fix = f"def {name_of(function)}(config, trial): …"
        raise RequestError.of(f"{message} {signature}", key="function", fix=fix) from None


def takes_trial(function: Function) -> bool:
    """Return whether a function takes the trial beside its config: a second argument that it needs, or by that name."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if len(positional) > 1:
        return positional[1].default is inspect.Parameter.empty or positional[1].name == "trial"
    return any(each.kind is each.VAR_POSITIONAL for each in parameters)


def is_async(function: Function) -> bool:
    """Return whether a call of it gives a coroutine."""
    inner = getattr(function, "func", function)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004  its type is what matters


def arguments(function: Function, config: dict[str, Any], trial: Trial) -> tuple[Any, ...]:
    """Return what a function is called with."""
    return (config, trial) if takes_trial(function) else (config,)


def leave(returned: Any, trial: Trial, *, metrics: Sequence[str], name: str) -> str:
    """Leave what a call returned as the run's result, and return why there is none; empty where there is one.

    Args:
        returned: A number, a mapping of metrics, or None where the trial was told already.
        trial: The run.
        metrics: Those that are searched for; a number is the only one.
        name: The function, for the message.
    """
    if trial.has_finished:
        return ""
    problem, found = _metrics(returned, metrics, name)
    if problem:
        seen = "" if trial.last_step is None else f" (it reported values up to step {trial.last_step})"
        return f"{NO_RESULT}{problem}{seen}"
    trial.finish(found)
    return ""


def _metrics(returned: Any, metrics: Sequence[str], name: str) -> tuple[str, dict[str, float]]:
    """Return what is wrong with a return value, or the metrics that it is."""
    inside = " and ".join(map(repr, metrics))
    number_or = f"the {metrics[0]} as a number, or " if len(metrics) == 1 else ""
    wanted = f"return {number_or}a dict of metrics with {inside} in it"
    if returned is None:
        return f"{name} returned None: {wanted}", {}
    if isinstance(returned, Mapping):
        found = {path: value for path, each in _leaves(returned) if (value := as_number(each)) is not None}
        return ("" if found else f"{name} returned a dict without a number in it: {wanted}"), found
    number = as_number(returned)
    if number is None or len(metrics) > 1:
        return f"{name} returned {_shown(returned)}: {wanted}", {}
    return "", {metrics[0]: number}


def _leaves(metrics: Mapping[Any, Any], above: str = "") -> list[tuple[str, Any]]:
    """Return values by name, ``outer/inner`` where they are nested."""
    found: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        found += _leaves(value, f"{above}{name}/") if isinstance(value, Mapping) else [(f"{above}{name}", value)]
    return found


def as_number(value: Any) -> float | None:
    """Return a number of Python, or the one value of an array of numpy, torch or JAX, as a float; None for all else."""
    if value is None or isinstance(value, str | bytes | bool):
        return None
    try:
        return plain_number(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}{'…' if len(text) > 60 else ''} ({type(value).__name__})"
