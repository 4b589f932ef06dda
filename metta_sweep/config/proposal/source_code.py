"""Options in a program's source: what its help does not say of types and defaults. Nothing of it is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from metta_sweep.config.proposal.options import Kind, Option, kind_of, literal

_CALLS = frozenset({"add_argument", "option"})
_TYPES: dict[str, Kind] = {"int": "int", "float": "float", "bool": "bool", "str": "text", "IntRange": "int"}
_DESTRUCTURED = re.compile(
    r"(?:const|let|var)\s*\{([^{}]*)\}\s*=\s*[\w.]*(?:options|opts|argv|args|flags|params|values|config)\b", re.I
)
_PAIR = re.compile(r"(\w+)\s*=\s*([^,]+)")
_YARGS = re.compile(r"\.option\(\s*['\"]([\w-]+)['\"]\s*,\s*\{[^{}]*?default\s*:\s*([^,}\s]+)")
_COMMANDER = re.compile(r"\.option\(\s*['\"](?:-\w,\s*)?--([\w-]+)[^'\"]*['\"]\s*,[^,()]*,\s*([^,()]+)\)")
_MAIN = re.compile(r"@(?:hydra\.)?main\s*\(|\bhydra_runner\b")


def is_hydra_app(source: str) -> bool:
    """Return whether a Python program has its main under ``@hydra.main``."""
    return "hydra" in source and _MAIN.search(source) is not None


def options_of(source: str, *, suffix: str) -> dict[str, Option]:
    """Return by name the options that a program declares.

    Args:
        source: Its text.
        suffix: Of its file: ``.py``, or one of JavaScript's.
    """
    found = _of_python(source) if suffix == ".py" else _of_javascript(source)
    return {option.name: option for option in found}


def _of_python(source: str) -> Iterator[Option]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
            texts = [_value(word) for word in node.args]
            names = [word for word in texts if isinstance(word, str) and word.startswith("--")]
            if names:
                yield _declared(names[0], {word.arg: word.value for word in node.keywords if word.arg})


def _declared(written: str, given: dict[str, ast.expr]) -> Option:
    name, _, negated = written.partition("/")
    name, default, action = name.strip().lstrip("-"), _value(given.get("default")), _name(given.get("action"))
    if action in ("store_true", "store_false") or (_value(given.get("is_flag")) is True and not negated):
        return Option(name=name, kind="bool", default=action == "store_false", style="flag")
    if negated or action == "BooleanOptionalAction":
        return Option(name=name, kind="bool", default=default, style="switch")
    choices = _value(given.get("choices"))
    if isinstance(choices, list | tuple):
        return Option(name=name, kind="choice", default=default, choices=tuple(choices))
    if "nargs" in given:
        return Option(name=name, kind="list", default=default, style="words")
    if _value(given.get("multiple")) is True:
        return Option(name=name, kind="list", default=default, style="repeat")
    return Option(name=name, kind=_TYPES.get(_name(given.get("type")), kind_of(default)), default=default)


def _value(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _name(node: ast.expr | None) -> str:
    """Return the last name of an expression: ``int``, ``argparse.BooleanOptionalAction``, ``click.IntRange(1)``."""
    if isinstance(node, ast.Call):
        return _name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else str(getattr(node, "value", ""))


def _of_javascript(source: str) -> Iterator[Option]:
    pairs = [pair for group in _DESTRUCTURED.findall(source) for pair in _PAIR.findall(group)]
    for name, text in [*pairs, *_YARGS.findall(source), *_COMMANDER.findall(source)]:
        default = literal(text.strip().strip("'\""))
        yield Option(name=name, kind=kind_of(default), default=default)
