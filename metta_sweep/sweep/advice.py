"""What to change where the cause of a failure is known: one sentence beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
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

_REFUSED = re.compile(r"\binvalid\b|\bnot a valid\b|unrecognized arguments|could not convert", re.IGNORECASE)
"""What they say of a value that they cannot read."""


def advice_on(failure: Failure, spec: SweepSpec) -> str:
    """Return `` (…)`` with what to write instead, or nothing where nothing is known."""
    said = failure.message
    lists = [name for name in _with_values(spec.parameters, list) if _is_named(name, said)]
    if lists and "[" in said and _REFUSED.search(said):
        ways = "`as: words` for --name 1 2, `as: repeat` for --name=1 --name=2"
        return f" (a list is written as JSON: {ways}, in the block of {', '.join(lists[:3])})"
    if _WANTS_WHOLE.search(said):
        return _of_a_fraction(failure, spec)
    switches = list(_with_values(spec.parameters, bool))
    if switches and _TAKES_NO_VALUE.search(said):
        ways = "`as: flag` for --name or nothing, `as: switch` for --name or --no-name"
        return f" (a flag takes no value: {ways}, in the block of {', '.join(switches[:3])})"
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


def _with_values(parameters: Mapping[str, Any], kind: type, prefix: str = "") -> Iterator[str]:
    """Yield the parameters that are chosen from values of a kind and handed over as any value is."""
    for name, leaf in parameters.items():
        if not isinstance(leaf, Mapping) or "as" in leaf:
            continue
        values = leaf.get("values")
        if isinstance(values, Sequence) and any(isinstance(value, kind) for value in values):
            yield f"{prefix}{name}"
        elif values is None:
            yield from _with_values(leaf, kind, f"{prefix}{name}.")


def _is_named(name: str, message: str) -> bool:
    end = re.escape(name.rpartition(".")[2]).replace("_", "[-_]")
    return re.search(rf"\b{end}\b", message) is not None
