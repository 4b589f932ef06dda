"""Annotations by which pydantic reads what people write, without pydantic having to be loaded for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Exact:
    """The value is of the type already: text is not read as a number, nor a number as a switch."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return pydantic's schema of the type, made strict."""
        return {**handler(source), "strict": True}


@dataclass(frozen=True, slots=True)
class Read:
    """The value is read by a function first, which raises ValueError where it cannot."""

    by: Callable[[object], object]
    """From what stands in the file to what the type takes."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Return pydantic's schema of the type, behind the function."""
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self.by, handler(source))


def switch(value: object) -> object:
    """Undo YAML's reading of ``off`` and ``on`` as booleans."""
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


def listed(value: object) -> object:
    """Return a YAML list as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def one_or_more(value: object) -> object:
    """Return a YAML list as a tuple, and a single text as a tuple of one."""
    return (value,) if isinstance(value, str) else listed(value)
