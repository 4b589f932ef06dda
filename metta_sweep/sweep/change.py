"""One thing that a request changes about a sweep, and how a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that a request asks for differently than the sweep is kept."""

    key: str
    """Part of the request."""
    before: Any
    """How the sweep is kept."""
    now: Any
    """What is asked for."""
    meaning: str = ""
    """What that means for the sweep; empty where it goes without a word."""

    def describe(self) -> str:
        """Return the change in a line: ``rollout_count: 3 -> 5``."""
        shown = f"{self.key}: {in_words(self.before)} -> {in_words(self.now)}"
        return f"{shown} ({self.meaning})" if self.meaning else shown


def in_words(value: Any) -> str:
    """Return a part of a request on one line."""
    if is_dataclass(value) and not isinstance(value, type):
        value = {key: part for key, part in asdict(value).items() if part is not None}
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_as_written(part)}" for key, part in value.items() if part is not None) or "none"
    if isinstance(value, tuple):
        return "; ".join(map(in_words, value)) or "none"
    return "none" if value is None else _as_written(value)


def _as_written(value: Any) -> str:
    """Return a value as a sweep file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
