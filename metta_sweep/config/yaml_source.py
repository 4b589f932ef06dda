"""YAML files with the line of every key, read so that nothing in a file can run code or grow without bound.

PyYAML's safe loader composes the nodes; what it accepts silently is refused here: a key given twice, an
explicit tag, a key that is not text, aliases that multiply, nesting without end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.errors import Problem, RequestError

MAX_BYTES = 256 * 1024
"""Largest file that is read; the largest sweep file of the project has 3 KB."""
_AT_ROOT = re.compile(r"^\s*#\s*@package\s+_global_\s*$", re.MULTILINE)
_MAX_DEPTH = 40  # nested mappings and lists
_MAX_NODES = 50_000  # values after aliases are written out


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """A YAML file: its content and where each key of it stands."""

    file: str
    """Name to show: relative to the working directory where it lies below it."""
    data: dict[str, Any]
    """The content; empty for an empty file."""
    lines: Mapping[str, int]
    """Line of each key, counted from 1, by the dotted path of the keys as written."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the file as YAML; ``data`` then holds what could be read."""
    at_root: bool = False
    """Whether the file says ``# @package _global_``: its keys are root keys whatever its group."""

    def line_of(self, path: str) -> int | None:
        """Return the line of a dotted path, or of its nearest ancestor that the file holds."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path.rpartition(".")[0]
        return None

    def problem(self, key: str, message: str, *, fix: str = "", at: str | None = None) -> Problem:
        """Return a problem with a key of this file, located at ``at`` or at the key itself."""
        return Problem(message=message, key=key, file=self.file, line=self.line_of(at or key), fix=fix)


def shown_path(path: Path, cwd: Path) -> str:
    """Return a file's name for a person: relative to the working directory where it lies below it."""
    try:
        return str(path.relative_to(cwd))
    except ValueError:
        return str(path)


def read_yaml(path: Path, *, shown: str) -> YamlSource:
    """Read a YAML file; everything wrong with it as YAML is in the source's ``problems``.

    Raises:
        RequestError: There is nothing to read: the file is missing, a folder, too large or no text.
    """
    return parse_yaml(_text(path, shown), shown=shown)


def parse_yaml(text: str, *, shown: str) -> YamlSource:
    """Do what :func:`read_yaml` does for text that is at hand."""
    reading = _Reading(file=shown)
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        data = None if node is None else reading.value(node, "", loader)
    except yaml.YAMLError as error:
        return YamlSource(file=shown, data={}, lines={}, problems=(_syntax_problem(error, text, shown),))
    except _RefusedError as refused:
        return YamlSource(file=shown, data={}, lines={}, problems=(refused.problem.located(shown),))
    finally:
        if loader is not None:
            loader.dispose()
    if data is not None and not isinstance(data, dict):
        reading.problems.append(Problem(message=f"need a mapping of keys, got {brief(data)}", file=shown, line=1))
    content = data if isinstance(data, dict) else {}
    return YamlSource(
        file=shown,
        data=content,
        lines=reading.lines,
        problems=tuple(reading.problems),
        at_root=_AT_ROOT.search(text) is not None,
    )


def brief(value: object) -> str:
    """Return a value as a message shows it: its kind where that is the mistake, cut where it is long."""
    if isinstance(value, dict):
        return f"a mapping with the keys {', '.join(map(str, list(value)[:5]))}" if value else "an empty mapping"
    if isinstance(value, str):
        return f"the text {value[:60]!r}" + ("…" if len(value) > 60 else "")
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"the list {value}" if isinstance(value, list) else str(value)
    return text[:80] + ("…" if len(text) > 80 else "")


def _text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise RequestError.of(f"cannot be read: {reason}", file=shown) from error
    if len(content) > MAX_BYTES:
        raise RequestError.of(f"need at most {MAX_BYTES // 1024} KiB, got a larger file", file=shown)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RequestError(
            Problem(
                message=f"need UTF-8 text, got the byte 0x{content[error.start]:02x}",
                file=shown,
                line=line,
                fix="save the file as UTF-8",
            )
        ) from error


class _RefusedError(Exception):
    """The file cannot be read any further."""

    def __init__(self, message: str, line: int, fix: str = "") -> None:
        self.problem = Problem(message=message, line=line, fix=fix)
        super().__init__(message)


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2 floats (``1e-5``), without dates, tags and bottomless nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if self.depth > _MAX_DEPTH:
            raise _RefusedError(f"need at most {_MAX_DEPTH} levels of nesting", event.start_mark.line + 1)
        if getattr(event, "tag", None) is not None:
            raise _RefusedError(
                f"YAML tags are not allowed, got {event.tag[:80]}",
                event.start_mark.line + 1,
                "write the value without the tag (a word that starts with '!')",
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return SafeLoader's implicit types without dates, and with floats that need no dot."""
    number = re.compile(r"^[-+]?(?:[0-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)$|^[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?$")
    table = {
        first: [(tag, pattern) for tag, pattern in rules if not tag.endswith(":timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        table.setdefault(first, []).append(("tag:yaml.org,2002:float", number))
    return table


_Loader.yaml_implicit_resolvers = _resolvers()


@dataclass(slots=True)
class _Reading:
    """One pass from nodes to plain values; remembers lines and problems."""

    file: str
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    open_nodes: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, path: str, loader: _Loader) -> Any:
        line = node.start_mark.line + 1
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise _RefusedError(f"need at most {_MAX_NODES} values once aliases are written out", line)
        if id(node) in self.open_nodes:
            raise _RefusedError("an alias stands inside what it repeats: it would have no end", line)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, loader)
        self.open_nodes.add(id(node))
        if isinstance(node, yaml.MappingNode):
            content: Any = self._mapping(node, path, loader)
        else:
            content = [self._item(item, path, number, loader) for number, item in enumerate(node.value)]
        self.open_nodes.discard(id(node))
        return content

    def _scalar(self, node: yaml.ScalarNode, path: str, loader: _Loader) -> Any:
        try:
            return loader.construct_object(node)
        except (ValueError, OverflowError) as error:  # a number with too many digits
            self._refuse(path, f"cannot be read as a number ({error})", node)
            return None

    def _item(self, node: yaml.Node, path: str, number: int, loader: _Loader) -> Any:
        self.lines.setdefault(f"{path}.{number}", node.start_mark.line + 1)
        return self.value(node, f"{path}.{number}", loader)

    def _mapping(self, node: yaml.MappingNode, path: str, loader: _Loader) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = {**self._merged(value_node, path, loader), **merged}
                continue
            key = self._key(key_node, path, loader)
            if key is None:
                continue
            below = f"{path}.{key}" if path else key
            if key in own:
                self._refuse(below, f"is given twice, first in line {self.lines[below]}", key_node)
                continue
            self.lines[below] = key_node.start_mark.line + 1
            own[key] = self.value(value_node, below, loader)
        return {**merged, **own}

    def _merged(self, node: yaml.Node, path: str, loader: _Loader) -> dict[str, Any]:
        content = self.value(node, path, loader)
        parts = content if isinstance(content, list) else [content]
        if not all(isinstance(part, dict) for part in parts):
            self._refuse(path, f"a merge key (<<) needs a mapping, got {brief(content)}", node)
            return {}
        return {key: value for part in reversed(parts) for key, value in part.items()}

    def _key(self, node: yaml.Node, path: str, loader: _Loader) -> str | None:
        key = self._scalar(node, path, loader) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(key, str) and key:
            return key
        written = node.value if isinstance(node, yaml.ScalarNode) else "a mapping or a list"
        self._refuse(path, f"need text as a key, got {str(written)[:60] or 'nothing'}", node, "put the key in quotes")
        return None

    def _refuse(self, path: str, message: str, node: yaml.Node, fix: str = "") -> None:
        line = node.start_mark.line + 1
        self.problems.append(Problem(message=message, key=path, file=self.file, line=line, fix=fix))


def _syntax_problem(error: yaml.YAMLError, text: str, shown: str) -> Problem:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else ord(error.character)
        return Problem(message=f"the character U+{character:04X} is not allowed in YAML", file=shown, line=line)
    mark = getattr(error, "problem_mark", None)
    reason = str(getattr(error, "problem", None) or error)
    if "'\\t'" in reason:
        return Problem(
            message="a tab stands where YAML needs spaces",
            file=shown,
            line=mark.line + 1 if mark else None,
            fix="indent with spaces",
        )
    context = getattr(error, "context", None)
    message = f"invalid YAML: {context + ': ' if context else ''}{reason}"
    fix = "look at the indentation, here and in the line above" if "<block end>" in reason else ""
    return Problem(message=message, file=shown, line=mark.line + 1 if mark else None, fix=fix)
