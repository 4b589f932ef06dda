"""What a program can be told: one option, however its ecosystem writes it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["float", "int", "bool", "choice", "text", "list", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a command line, or one key of a config."""

    name: str
    """As it is handed over, without leading hyphens."""
    kind: Kind = "unknown"
    """What it takes."""
    default: Any = None
    """Its value where nobody gives one; None where that is not known."""
    is_unset: bool = False
    """Whether its default is said to be nothing: what it is for is off until somebody gives it."""
    choices: tuple[Any, ...] = ()
    """The values that it can have, where they are few."""
    style: str = ""
    """How it is handed over (``as:``); empty for ``--name=value``."""
    when: Mapping[str, Any] = field(default_factory=dict)
    """The choice of another option under which it is there."""


def literal(text: str) -> Any:
    """Return the number, truth value or list that a text is, or the text itself."""
    named = {"true": True, "false": False, "none": None, "null": None}
    if text.strip().lower() in named:
        return named[text.strip().lower()]
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text.strip()


def kind_of(value: Any) -> Kind:
    """Return what an option takes whose default is known."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, list | tuple):
        return "list"
    return "unknown" if value is None else "text"
