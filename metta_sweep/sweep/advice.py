"""What to change where the cause of a failure is known: one sentence beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from metta_sweep.sweep.records import Failure, SweepSpec

_WANTS_WHOLE = re.compile(
    r"invalid int value|invalid literal for int\(\)|cannot be interpreted as an integer|not a valid (?:integer|int)\b"
    r"|valid integer|must be (?:an )?(?:int|integer)\b|expected (?:an )?(?:int|integer)\b|must be tuple of ints"
    r"|indices must be integers",
    re.IGNORECASE,
)
"""What argparse, click, pydantic, Python, numpy and torch say of a fraction where they need a whole number."""

_TAKES_NO_VALUE = re.compile(
    r"ignored explicit argument '(?:true|false)'|does not take a value|unrecognized arguments: .*\b(?:true|false)\b"
    r"|unexpected extra argument \((?:true|false)\)",
    re.IGNORECASE,
)
"""What argparse and click say of a flag that is given a value."""


def advice_on(failure: Failure, spec: SweepSpec) -> str:
    """Return `` (…)`` with what to write instead, or nothing where nothing is known."""
    if _WANTS_WHOLE.search(failure.message):
        return _of_a_fraction(failure, spec)
    if _TAKES_NO_VALUE.search(failure.message) and "{args}" in spec.command:
        return " (a flag takes no value: write {flags} for {args} in the command; true is then --name, false nothing)"
    return ""


def _of_a_fraction(failure: Failure, spec: SweepSpec) -> str:
    fractions = list(_fractional(spec.parameters))
    named = [name for name in fractions if _is_named(name, failure.message)] or fractions
    if not named:
        return ""
    return (
        f" (it needs a whole number: write `integer: true` in the range of {', '.join(named[:3])}, "
        "or `distribution: int_uniform`)"
    )


def _fractional(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the parameters whose range has fractions in it."""
    for name, leaf in parameters.items():
        if not isinstance(leaf, Mapping):
            continue
        if "min" not in leaf:
            yield from _fractional(leaf, f"{prefix}{name}.")
        elif leaf.get("distribution") not in ("int_uniform", "uniform_pow2") and leaf.get("integer") is not True:
            yield f"{prefix}{name}"


def _is_named(name: str, message: str) -> bool:
    end = re.escape(name.rpartition(".")[2]).replace("_", "[-_]")
    return re.search(rf"\b{end}\b", message) is not None
