"""How numbers, times, counts and parameter values are spelled wherever a person reads them."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from metta_sweep.optimize.registry import has_model

RANGE_OF_PLAIN = (1e-4, 1e15)
"""Magnitudes between which a number is written without an exponent."""


def number(value: float) -> str:
    """Return a number with four significant digits, or as many more as it takes to tell it from 1.

    ``0.0023``, ``131072``, ``0.9995``, ``1e-05``, ``nan``.
    """
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    if abs(value) >= 1e4 and abs(value) < RANGE_OF_PLAIN[1]:
        return f"{value:.0f}"
    return f"{value:.{_digits(value)}g}"


def error(value: float) -> str:
    """Return a standard error with two significant digits: more it does not know itself."""
    return f"{value:.2g}"


def chance(value: float) -> str:
    """Return a probability: ``37%``; one that nobody is sure of is never said to be 0% or 100%."""
    return "under 1%" if value < 0.01 else "over 99%" if value > 0.99 else f"{value:.0%}"


def _digits(value: float) -> int:
    """Return how many digits show the value; a discount of 0.99987 is not 1, and not 0.9999 either."""
    if not 0.99 < abs(value) < 1:
        return 4
    return next((digits for digits in range(4, 12) if _keeps_distance(value, digits)), 12)


def _keeps_distance(value: float, digits: int) -> bool:
    distance = 1 - abs(value)
    return abs(1 - abs(float(f"{value:.{digits}g}")) - distance) <= 0.05 * distance


def plain(value: Any) -> str:
    """Return a parameter's value as YAML would have it: ``true``, ``null``, ``64``, ``0.0023``, ``adam``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return number(value)
    return printable(str(value))


def finished_in_words(decided: int, total: int, unspent: float) -> str:
    """Return how far a search is: ``8 of 50 rollouts finished``; with runs stopped early, what they took as well.

    Args:
        decided: Rollouts whose outcome is known.
        total: Whole rollouts that were asked for.
        unspent: Whole rollouts that were saved by stopping runs early.
    """
    if not unspent:
        return f"{decided} of {count(total, 'rollout')} finished"
    return f"{count(decided, 'rollout')} finished for the cost of {decided - unspent:.1f} of {total}"


def progress_in_short(decided: int, total: int, unspent: float) -> str:
    """Return ``8/50``, or with runs stopped early ``12 (8.3/50)``: what they took in whole rollouts."""
    return f"{decided} ({decided - unspent:.1f}/{total})" if unspent else f"{decided}/{total}"


def params(values: Mapping[str, Any], short: Mapping[str, str]) -> list[str]:
    """Return ``name=value`` for each parameter, with the names of ``short`` where it has them."""
    return [f"{printable(short.get(name, name))}={plain(value)}" for name, value in values.items()]


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return the last component of each dotted path; the whole path where another path ends the same."""
    known = tuple(dict.fromkeys(paths))
    ends = Counter(path.rpartition(".")[2] for path in known)
    return {path: end if ends[end := path.rpartition(".")[2]] == 1 else path for path in known}


def count(amount: int, noun: str) -> str:
    """Return ``1 run``, ``3 runs``."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit} {rest} {lesser}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def size(amount: float) -> str:
    """Return bytes in words of three digits, such as ``4.81 MB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def seeds_in_words(common: bool) -> str:
    """Return what is said behind the runs of a rollout of their seeds; nothing where each has its own."""
    return ", the same seeds for every point" if common else ""


def optimizer_in_words(name: str) -> str:
    """Return an optimizer's name, and that it predicts nothing where that is so."""
    return printable(name) if has_model(name) else f"{printable(name)} (no model)"


def name_of(metric: str) -> str:
    """Return a metric's name as the start of a line: ``Reward``, but ``heart.get`` as it is."""
    return metric.capitalize() if metric.isalpha() and metric.islower() else printable(metric)


def sentence(text: str) -> str:
    """Return text that begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def printable(text: str) -> str:
    """Return text without what would steer a terminal (escapes, bells, direction marks); line ends become blanks."""
    return "".join(_harmless(character) for character in text)


def _harmless(character: str) -> str:
    if character in "\n\r\t":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
