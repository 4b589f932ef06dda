"""Options in a program's source: what its help does not say of types and defaults. Nothing of it is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metta_sweep.config.proposal.options import Kind, Option, kind_of, literal

_CALLS = frozenset({"add_argument", "option"})
_LONG = re.compile(r"--?[A-Za-z][\w.-]")
_TYPES: dict[str, Kind] = {"int": "int", "float": "float", "bool": "bool", "str": "text", "IntRange": "int"}
_DESTRUCTURED = re.compile(
    r"(?:const|let|var)\s*\{([^{}]*)\}\s*=\s*[\w.]*(?:options|opts|argv|args|flags|params|values|config)\b", re.I
)
_PAIR = re.compile(r"(\w+)\s*=\s*([^,]+)")
_YARGS = re.compile(r"\.option\(\s*['\"]([\w-]+)['\"]\s*,\s*\{[^{}]*?default\s*:\s*([^,}\s]+)")
_COMMANDER = re.compile(r"\.option\(\s*['\"](?:-\w,\s*)?--([\w-]+)[^'\"]*['\"]\s*,[^,()]*,\s*([^,()]+)\)")
_GLOBALS = re.compile(r"^exec\(open\(", re.M)
"""How nanoGPT and its kin let ``--name=value`` replace any global: by a script that is executed in their place."""
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


def config_dict_of(source: str) -> list[Option]:
    """Return the values that a config file of ml_collections gives in ``get_config``, by their dotted paths.

    What a path is given last counts; a value that only running the file could tell is left out.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    function = next((node for node in tree.body if getattr(node, "name", "") == "get_config"), None)
    if not isinstance(function, ast.FunctionDef):
        return []
    found: dict[str, Any] = {}
    root = "."
    for node in function.body:  # what stands below a condition is not what the file is by default
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                found |= _assigned(ast.unparse(target), node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name):
            root = f"{node.value.id}."
        elif isinstance(node, ast.Return) and node.value is not None:
            found |= _assigned("", node.value)
    return [
        Option(name=path.removeprefix(root), kind=kind_of(value), default=value)
        for path, value in _joined(found).items()
        if path.startswith(root)
    ]


def wandb_config_of(source: str) -> list[Option]:
    """Return what a program gives ``wandb.init(config=…)``, written out there or under one name; by dotted paths."""
    try:
        tree = ast.parse(source) if "wandb" in source else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    named = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "init":
            given = next((word.value for word in node.keywords if word.arg == "config"), None)
            given = named.get(given.id) if isinstance(given, ast.Name) else given
            held = _assigned("", given) if isinstance(given, ast.Dict | ast.Call) else {}
            return [
                Option(name=path.removeprefix("."), kind=kind_of(value), default=value)
                for path, value in held.items()
                if not isinstance(value, _Reference)
            ]
    return []


def _assigned(path: str, node: ast.expr) -> dict[str, Any]:
    """Return what an assignment gives: of a mapping its entries, of a name a reference to what it stands for."""
    if isinstance(node, ast.Call) and _name(node.func) in ("ConfigDict", "FrozenConfigDict", "dict"):
        given = _assigned(path, node.args[0]) if node.args else {}
        for word in node.keywords:
            if word.arg is not None:
                given |= _assigned(f"{path}.{word.arg}", word.value)
        return given
    if isinstance(node, ast.Dict):
        given = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(name := _value(key), str):
                given |= _assigned(f"{path}.{name}", value)
        return given
    if isinstance(node, ast.Name):
        return {path: _Reference(node.id)}
    value = _value(node)
    return {} if value is None else {path: value}


@dataclass(frozen=True, slots=True)
class _Reference:
    """A local name that holds part of a config."""

    name: str


def _joined(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with what references hold below the paths that refer to it."""
    joined: dict[str, Any] = {}
    for path, value in found.items():
        if isinstance(value, _Reference):
            start = f"{value.name}."
            joined |= {
                f"{path}.{each.removeprefix(start)}": held
                for each, held in found.items()
                if each.startswith(start) and not isinstance(held, _Reference)
            }
        else:
            joined[path] = value
    return joined


def _of_python(source: str) -> Iterator[Option]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS:
            texts = [_value(word) for word in node.args]
            names = [word for word in texts if isinstance(word, str) and _LONG.match(word)]
            names.sort(key=lambda word: not word.startswith("--"))
            if names:
                option = _declared(names[0], {word.arg: word.value for word in node.keywords if word.arg})
                yield option if names[0].startswith("--") else replace(option, style="dash")
    if _GLOBALS.search(source):
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                value = _value(node.value)
                if isinstance(value, int | float | str):
                    yield Option(name=node.targets[0].id, kind=kind_of(value), default=value)


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
