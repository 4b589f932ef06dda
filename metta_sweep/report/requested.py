"""The request as the summary shows it: search space and overrides, as the sweep file writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metta_sweep.report.wording import plain, printable

_LEAF_KEYS = frozenset({"min", "max", "distribution", "values", "expr"})


def parameter_lines(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each parameter's dotted path and description: ``trainer.gamma``, ``uniform [0.95, 0.999]``."""
    for name, asked in _leaves(parameters):
        condition = asked.get("when")
        when = f" when {_conditions(condition)}" if isinstance(condition, Mapping) else ""
        yield name, _range(asked) + when


def override_lines(overrides: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and value of every leaf of a group's overrides."""
    for name, value in overrides.items():
        if isinstance(value, Mapping) and value:
            for inner, leaf in override_lines(value):
                yield f"{name}.{inner}", leaf
        else:
            yield str(name), _value(value)


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            continue
        if _LEAF_KEYS & value.keys():
            yield f"{prefix}{key}", value
        else:
            yield from _leaves(value, f"{prefix}{key}.")


def _range(asked: Mapping[str, Any]) -> str:
    if "values" in asked:
        ordered = "ordered " if asked.get("ordered") else ""
        return f"{ordered}values {_value(asked['values'])}"
    if "expr" in asked:
        return f"= {printable(str(asked['expr']))}"
    return f"{asked.get('distribution', 'uniform')} [{plain(asked.get('min'))}, {plain(asked.get('max'))}]"


def _conditions(when: Mapping[str, Any]) -> str:
    return " and ".join(f"{name}={_value(value)}" for name, value in when.items())


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return plain(value)
