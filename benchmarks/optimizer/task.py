"""What every optimizer is given, what it is told of a run, and the pair of calls that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every optimizer is given."""

    parameters: Mapping[str, Any]
    constraints: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave; the score is not a number where it failed."""

    score: float
    cost: float
    failed: bool


class Peer(Protocol):
    """An optimizer; scores are larger-is-better."""

    def ask(self) -> dict[str, Any]: ...

    def tell(self, params: dict[str, Any], outcome: Outcome) -> None: ...
