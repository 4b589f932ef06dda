"""A W&B sweep that a Python program defines itself: ``wandb.sweep(config)`` and ``wandb.agent(…, function=train)``.

The program is parsed and never executed. Its dictionaries are followed as far as they are written out.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.config.foreign.wandb_sweep import migrate_wandb
from metta_sweep.config.migration import Migration
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import RequestError

_CONSTANTS = {"pi": math.pi, "e": math.e}
_FUNCTIONS = {"log": math.log, "exp": math.exp, "log10": math.log10}


class _UnknownError(Exception):
    """What only a run of the program could tell."""


@dataclass(slots=True)
class _Program:
    """What a program says about its sweep, read from top to bottom."""

    names: dict[str, Any] = field(default_factory=dict)
    sweep: dict[str, Any] | None = None
    function: str = ""
    count: Any = None
    is_found: bool = False
    is_guarded: bool = True
    """Whether importing it starts nothing: the sweep is defined in a function or under ``__main__``."""
    unknown: list[str] = field(default_factory=list)
    """What was left out as only a run could tell it."""


def migrate_wandb_program(tree: ast.Module, *, shown: str) -> Migration | None:
    """Return the sweep of a program that calls ``wandb.sweep``; None where it calls none.

    Args:
        tree: The program.
        shown: Its file's name.

    Raises:
        RequestError: It calls it with what is not written out in the file.
    """
    program = _Program()
    for statement, is_guarded in _statements(tree.body, is_guarded=False):
        _read(program, statement, is_guarded=is_guarded)
    if not program.is_found:
        return None
    if program.sweep is None:
        fix = "write the dictionary out in the file, or save it as YAML and migrate that"
        raise RequestError.of("what wandb.sweep is given is known only when the program runs", file=shown, fix=fix)
    data = {**program.sweep}
    if isinstance(program.count, int):
        data.setdefault("run_cap", program.count)
    said = [f"{each}: it is known only when the program runs; it was left out" for each in program.unknown]
    if program.function and "program" not in data:
        data["command"] = ["python", "-c", _started(Path(shown), program.function)]
        if not program.is_guarded:
            said.append(f'command: importing {shown} starts its sweep: put that under if __name__ == "__main__":')
    try:
        text = yaml.safe_dump(data, sort_keys=False)
    except (yaml.YAMLError, RecursionError) as error:
        raise RequestError.of("what wandb.sweep is given is no plain dictionary", file=shown) from error
    moved = migrate_wandb(text, parse_yaml(text, shown=shown))
    return Migration(text=moved.text, undecided=(*said, *moved.undecided))


def _started(file: Path, function: str) -> str:
    """Return what calls a function of a program without running the program."""
    if not file.stem.isidentifier():
        return f"import runpy; runpy.run_path({str(file)!r})[{function!r}]()"
    path = "" if file.parent == Path() else f"import sys; sys.path.insert(0, {str(file.parent)!r}); "
    return f"{path}import {file.stem}; {file.stem}.{function}()"


def _statements(body: Sequence[ast.stmt], *, is_guarded: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield simple statements in order, those inside of functions and blocks too, and whether an import skips them."""
    for statement in body:
        is_inside = is_guarded or isinstance(statement, ast.FunctionDef) or "__name__" in _test(statement)
        blocks = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
        if any(blocks):
            for block in blocks:
                yield from _statements(block, is_guarded=is_inside)
        else:
            yield statement, is_guarded


def _test(statement: ast.stmt) -> str:
    return ast.unparse(statement.test) if isinstance(statement, ast.If) else ""


def _read(program: _Program, statement: ast.stmt, *, is_guarded: bool) -> None:
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        try:
            value = _value(program, statement.value)
        except _UnknownError:
            value = _UnknownError
        for target in targets:
            _assign(program, target, value)
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            _call(program, node, node.func, is_guarded=is_guarded)


def _assign(program: _Program, target: ast.expr, value: Any) -> None:
    if isinstance(target, ast.Name):
        program.names[target.id] = value
    elif isinstance(target, ast.Subscript) and value is not _UnknownError:
        try:
            held, key = _value(program, target.value), _value(program, target.slice)
        except _UnknownError:
            return
        if isinstance(held, dict) and isinstance(key, str):
            held[key] = value


def _call(program: _Program, node: ast.Call, func: ast.Attribute, *, is_guarded: bool) -> None:
    named = {word.arg: word.value for word in node.keywords if word.arg}
    if func.attr == "update" and len(node.args) == 1:
        try:
            held, more = _value(program, func.value), _value(program, node.args[0])
        except _UnknownError:
            return
        if isinstance(held, dict) and isinstance(more, dict):
            held.update(more)
    elif func.attr == "sweep" and _is_wandb(func):
        program.is_found, program.is_guarded = True, is_guarded
        given = named.get("sweep", node.args[0] if node.args else None)
        try:
            value = None if given is None else _value(program, given)
        except _UnknownError:
            value = None
        program.sweep = value if isinstance(value, dict) else None
        for key in ("project", "entity"):
            if program.sweep is not None and isinstance(named.get(key), ast.Constant):
                program.sweep.setdefault(key, ast.literal_eval(named[key]))
    elif func.attr == "agent" and _is_wandb(func):
        function = named.get("function", node.args[1] if len(node.args) > 1 else None)
        program.function = function.id if isinstance(function, ast.Name) else ""
        count = named.get("count")
        program.count = count.value if isinstance(count, ast.Constant) else None


def _is_wandb(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Name) and func.value.id in ("wandb", "wb")


def _value(program: _Program, node: ast.expr) -> Any:
    """Return what an expression is.

    Raises:
        _UnknownError: Only a run could tell.
    """
    if isinstance(node, ast.Dict):
        return _mapping(program, node)
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(program, each) for each in node.elts]
    if isinstance(node, ast.Call):
        return _computed(program, node)
    if isinstance(node, ast.Name | ast.Subscript | ast.Attribute):
        value = _referred(program, node)
        if value is _UnknownError:
            raise _UnknownError
        return value
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        raise _UnknownError from None


def _referred(program: _Program, node: ast.Name | ast.Subscript | ast.Attribute) -> Any:
    """Return what a name, an entry or a constant of ``math`` stands for, or ``_UnknownError``."""
    if isinstance(node, ast.Name):
        return program.names.get(node.id, _UnknownError)
    if isinstance(node, ast.Attribute):
        is_math = isinstance(node.value, ast.Name) and node.value.id in ("math", "np")
        return _CONSTANTS.get(node.attr, _UnknownError) if is_math else _UnknownError
    held, key = _value(program, node.value), _value(program, node.slice)
    return held.get(key, _UnknownError) if isinstance(held, dict) and isinstance(key, str) else _UnknownError


def _mapping(program: _Program, node: ast.Dict, *, is_whole: bool = False) -> dict[Any, Any]:
    """Return a dictionary without the entries that only a run could tell.

    Raises:
        _UnknownError: There is such an entry, and only the whole means something (``is_whole``).
    """
    held: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        try:
            if key is None:
                held |= _value(program, value)
                continue
            name = _value(program, key)
            if isinstance(value, ast.Dict):
                held[name] = _mapping(program, value, is_whole=name != "parameters")
            else:
                held[name] = _value(program, value)
        except (_UnknownError, TypeError):
            if is_whole:
                raise _UnknownError from None
            program.unknown.append(ast.unparse(key or value)[:80].strip("'\""))
    return held


def _computed(program: _Program, node: ast.Call) -> Any:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "dict" and not node.args:
        return {word.arg: _value(program, word.value) for word in node.keywords if word.arg}
    if name in _FUNCTIONS and len(node.args) == 1:
        try:
            return _FUNCTIONS[name](_value(program, node.args[0]))
        except (TypeError, ValueError, OverflowError):
            raise _UnknownError from None
    raise _UnknownError
