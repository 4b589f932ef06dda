"""YAML with its comments: read them with the key they belong to, write a tree with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from metta_sweep.config.carbs import spelled
from metta_sweep.config.yaml_source import YamlSource, parse_yaml

_INDENT = "  "
_WIDTH = 100  # characters of a list on one line


@dataclass(slots=True)
class Comments:
    """The comments of a file by the dotted path of the key that they belong to."""

    header: list[str] = field(default_factory=list)
    """Lines before the first key."""
    above: dict[str, list[str]] = field(default_factory=dict)
    """Lines above a key, without indentation."""
    beside: dict[str, str] = field(default_factory=dict)
    """What stands behind a key on its line."""
    footer: list[str] = field(default_factory=list)
    """Lines after the last key."""

    def move(self, old: str, new: str) -> None:
        """Let the comments of one key, and of those below it, belong to another."""
        if old == new:
            return
        for path in [path for path in self.above if path == old or path.startswith(f"{old}.")]:
            self.above.setdefault(new + path.removeprefix(old), []).extend(self.above.pop(path))
        for path in [path for path in self.beside if path == old or path.startswith(f"{old}.")]:
            self.beside.setdefault(new + path.removeprefix(old), self.beside.pop(path))


def read_comments(text: str, source: YamlSource) -> Comments:
    """Return the comments of a file that was read as ``source``."""
    keys: dict[int, str] = {}
    for path, line in sorted(source.lines.items(), key=lambda item: (item[1], item[0].count("."))):
        keys.setdefault(line, path)
    comments = Comments()
    waiting: list[str] = []
    for number, (comment, is_alone) in _comment_lines(text):
        if number in keys:
            if waiting:
                comments.above.setdefault(keys[number], []).extend(waiting)
                waiting = []
            if comment and not is_alone:
                comments.beside[keys[number]] = comment
        elif is_alone:
            waiting.append(comment)
    comments.footer = [line for line in waiting if line]
    first = min(keys, default=0)
    if first and keys[first] in comments.above:
        comments.header = comments.above.pop(keys[first])
    return comments


def _comment_lines(text: str) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Yield each line's number, its comment, and whether it holds nothing else; an empty line is a comment of none."""
    ends: dict[int, int] = {}
    inside: set[int] = set()
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.ScalarToken) and token.end_mark.line > token.start_mark.line:
            inside.update(range(token.start_mark.line + 1, token.end_mark.line))
        if token.end_mark.column > token.start_mark.column or token.end_mark.line > token.start_mark.line:
            ends[token.end_mark.line] = max(ends.get(token.end_mark.line, 0), token.end_mark.column)
    for number, line in enumerate(text.split("\n")):
        rest = line[ends.get(number, 0) :].strip()
        if number not in inside:
            yield number + 1, (rest if rest.startswith("#") else "", number not in ends)


def write_yaml(tree: Mapping[str, Any], comments: Comments) -> str:
    """Return a tree as YAML, one key a line, each with its comments."""
    lines = [*comments.header, *_mapping(tree, "", "", comments), *comments.footer]
    return "\n".join(lines).strip("\n") + "\n"


def _mapping(tree: Mapping[str, Any], above: str, indent: str, comments: Comments) -> Iterator[str]:
    for key, value in tree.items():
        path = f"{above}.{key}" if above else key
        yield from (f"{indent}{line}" if line else "" for line in comments.above.get(path, ()))
        beside = f"   {comments.beside[path]}" if path in comments.beside else ""
        if isinstance(value, Mapping) and value:
            yield f"{indent}{_scalar(key)}:{beside}"
            yield from _mapping(value, path, indent + _INDENT, comments)
        elif isinstance(value, list) and value and len(_flow(value)) > _WIDTH:
            yield f"{indent}{_scalar(key)}:{beside}"
            yield from (f"{indent}{_INDENT}- {_flow(item)}" for item in value)
        else:
            yield f"{indent}{_scalar(key)}: {_flow(value)}{beside}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_scalar(key)}: {_flow(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Return a scalar so that it is read back as the same value."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, int | float):
        return spelled(value)
    text = str(value)
    return text if _reads_back(text) else f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    """Return a character as it stands in YAML's double quotes."""
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _reads_back(text: str) -> bool:
    """Return whether a text without quotes is read as itself, as a value and inside a list."""
    source = parse_yaml(f"a: {text}\nb: [{text}]\n", shown="")
    return not source.problems and source.data == {"a": text, "b": [text]}
