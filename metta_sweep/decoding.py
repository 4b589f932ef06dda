"""Dataclasses from the plain JSON values that ``asdict`` gave."""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints


def decode(wanted: Any, value: Any) -> Any:
    """Return a value of a dataclass, enum, tuple or plain type from its JSON form.

    What stands for a float and is no number becomes NaN: measurements are judged by those who use them.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: The form is not that of the type.
    """
    if get_origin(wanted) in (types.UnionType, Union):
        options = [option for option in get_args(wanted) if option is not type(None)]
        return None if value is None else decode(options[0], value)
    if wanted is float:
        return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    form = _FORMS.get(wanted) or _FORMS.get(get_origin(wanted))
    if form is not None and (not isinstance(value, form) or (wanted is int and isinstance(value, bool))):
        raise TypeError(f"need {form}, got {type(value).__name__}")
    if get_origin(wanted) is tuple:
        return tuple(decode(get_args(wanted)[0], item) for item in value)
    if is_dataclass(wanted):
        hints = _hints(wanted)  # type: ignore[arg-type]  # a dataclass is hashable as a class
        return wanted(**{name: decode(hints[name], item) for name, item in value.items() if name in hints})  # type: ignore[operator]
    if isinstance(wanted, type) and hasattr(wanted, "__members__"):
        return wanted(value)
    return value


_FORMS: Mapping[Any, Any] = {str: str, int: int, bool: bool, tuple: list | tuple, Mapping: Mapping}
"""The JSON form of a type."""


@functools.cache
def _hints(kind: Any) -> Mapping[str, Any]:
    """Return the types of a dataclass's fields; resolving them anew for each event would take most of a read."""
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind)}
