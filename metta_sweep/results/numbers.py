"""Numbers in what trainers write: of texts, and of nested JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

DEPTH = 20
"""Deepest nesting that is looked into."""

ITEMS = 64
"""Items of a list that are named one by one."""


def number(value: object) -> float | None:
    """Return the number that a text or a JSON value is, or None; truth values are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def flat(content: Any, above: str = "", depth: int = 0, *, between: str = "/") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a JSON value by their names: ``eval/success[0]`` for ``{"eval": {"success": [1]}}``.

    A text that is a number counts: ``json.dump(metrics, file, default=str)`` writes numpy's so.
    """
    if depth > DEPTH:
        return
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from flat(value, f"{above}{between}{key}" if above else str(key), depth + 1, between=between)
    elif isinstance(content, list):
        for at, value in enumerate(content[:ITEMS]):
            yield from flat(value, f"{above}[{at}]", depth + 1, between=between)
    elif (found := number(content)) is not None:
        yield above, found


def step_of(value: float | None) -> float | None:
    """Return a step that can be counted with; None for one that is not a finite number."""
    return value if value is not None and math.isfinite(value) else None
