"""The search spaces of CARBS files, ``${ss:log, 1e-5, 1e-2}``, and what replaces each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metta_sweep.space.scales import SCALES

_SPACE = re.compile(r"\$\{\s*ss\s*:(?P<arguments>[^{}]*)\}")

DISTRIBUTIONS = {name: scale.distribution for scale in SCALES.values() for name in scale.carbs}
"""Distribution that replaces each kind of CARBS space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbsSpace:
    """One ``${ss:KIND, MIN, MAX}``, read."""

    kind: str
    """Kind of space as CARBS spells it."""
    low: str
    """Lower bound as it was written."""
    high: str
    """Upper bound as it was written."""
    center: str | None = None
    """Search center as it was written, where there is a fourth argument."""

    def leaf(self) -> dict[str, Any]:
        """Return the parameter's mapping in a sweep file."""
        leaf: dict[str, Any] = {"distribution": DISTRIBUTIONS[self.kind], "min": number(self.low)}
        leaf["max"] = number(self.high)
        return leaf if self.center is None else {**leaf, "mean": number(self.center)}


def is_carbs(text: str) -> bool:
    """Return whether a text holds a CARBS search space."""
    return _SPACE.search(text) is not None


def read_space(text: str) -> CarbsSpace | None:
    """Return the CARBS space that a text is, or None where it is not exactly one that can be read."""
    found = _SPACE.fullmatch(text.strip())
    arguments = [part.strip() for part in found["arguments"].split(",")] if found else []
    if not 3 <= len(arguments) <= 4 or arguments[0] not in DISTRIBUTIONS:
        return None
    if not all(isinstance(number(part), int | float) for part in arguments[1:]):
        return None
    kind, low, high, *center = arguments
    return CarbsSpace(kind=kind, low=low, high=high, center=center[0] if center else None)


def number(text: str) -> int | float | str:
    """Return the number that a text is, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def spelled(value: object) -> str:
    """Return a number as a sweep file writes it: in full where that stays short."""
    if isinstance(value, float) and 1e-6 <= abs(value) < 1:
        return f"{value:.12f}".rstrip("0")
    return str(value)


def parameter_yaml(path: str, text: str) -> str:
    """Return the lines of a sweep file that replace a CARBS space at a dotted path."""
    space = read_space(text)
    if space is None:
        return "write distribution, min and max under sweep.parameters"
    is_here = path.startswith("sweep.parameters.")
    name = path.removeprefix("sweep.").removeprefix("parameters.")
    inside = ", ".join(f"{key}: {spelled(value)}" for key, value in space.leaf().items())
    place = "write" if is_here else "remove the line, and under sweep.parameters write"
    return f"{place}   {name}: {{{inside}}}"


OLD_KEYS = frozenset({"space", "search_center", "is_int", "is_integer", "rounding_factor"})
"""Keys that only the mappings of older files have."""


def migrated_leaf(old: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter that an older file's mapping (``space``, ``search_center``) means, as far as it says.

    Raises:
        ValueError: Its space is not known; the message names it.
    """
    kind = str(old.get("space", "linear")).lower()
    if kind not in DISTRIBUTIONS:
        raise ValueError(f"the space {kind!r} is not known")
    whole = old.get("is_int") is True or old.get("is_integer") is True
    distribution = "int_uniform" if whole and DISTRIBUTIONS[kind] == "uniform" else DISTRIBUTIONS[kind]
    leaf: dict[str, Any] = {"distribution": distribution}
    leaf |= {key: old[key] for key in ("min", "max") if key in old}
    center = old.get("search_center", old.get("mean"))
    leaf |= {"mean": center} if center is not None else {}
    leaf |= {"scale": old["scale"]} if "scale" in old else {}
    return leaf | ({"integer": True} if whole and distribution == "log_normal" else {})


def replacement(path: str, old: Mapping[str, Any]) -> str:
    """Return the line of a sweep file that replaces an older file's mapping at a dotted path."""
    try:
        inside = ", ".join(f"{key}: {spelled(value)}" for key, value in migrated_leaf(old).items())
    except ValueError as error:
        return f"write distribution, min and max ({error})"
    return f"write   {path}: {{{inside}}}"
