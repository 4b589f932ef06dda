"""A program's own config file with a run's values in it: ``{config:FILE}`` in a command.

Of YAML, TOML and INI only the values change: comments, order, anchors and how other numbers are written stay as they
are. The path of a value in an INI file is its section's name, a dot, and its key.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from metta_sweep.config.proposal.options import literal
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import nearest
from metta_sweep.trees import leaves

if TYPE_CHECKING:
    from configupdater import ConfigUpdater

BLANK = "config:"
"""What stands before the file's name in the placeholder."""
SEEDS = frozenset({"seed", "random_seed", "random_state"})
"""Names of keys that become the run's seed."""
HANDING_OVER = frozenset({"args", "flags", "overrides", "args_json", "config"})
"""Placeholders that hand over every value by themselves, so that a file need not hold them all."""
_COLON = re.compile(r"\s*:")
_ANCHOR = re.compile(r"\s*&[^\s,\[\]{}]+")
_ALIAS = re.compile(r"\s*(\*[^\s,\[\]{}]+)")
_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_INLINE = re.compile(r"\s[;#].*")
"""A comment behind a value of an INI file."""
_SUFFIXES = {
    ".yaml": "YAML",
    ".yml": "YAML",
    ".json": "JSON",
    ".toml": "TOML",
    ".ini": "INI",
    ".cfg": "INI",
}
"""What a file is, by the end of its name."""
_SCALARS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:null")


class ConfigFileError(Exception):
    """A config file that cannot be filled in; the message says what was expected of it."""


@dataclass(frozen=True, slots=True)
class _Value:
    """Where a value stands in a YAML text, behind its colon or its anchor, and the value."""

    start: int
    end: int
    value: Any
    may_be_seed: bool


def named_in(command: Sequence[str]) -> list[str]:
    """Return the files that a command's placeholders name, each once."""
    found = [name for word in command for name in re.findall(rf"\{{{BLANK}([^{{}}]+)\}}", word)]
    return list(dict.fromkeys(found))


def values_of(file: Path) -> dict[str, Any]:
    """Return what a config file holds, by dotted path.

    Raises:
        ConfigFileError: It cannot be read, or holds no mapping.
    """
    return {path: place.value for path, place in _places(file, _text_of(file)).items()}


def held_by(command: Sequence[str]) -> dict[str, Any]:
    """Return what the config files hold that a command names, by dotted path; nothing of one that cannot be read."""
    held: dict[str, Any] = {}
    for name in named_in(command):
        with contextlib.suppress(ConfigFileError):
            held |= values_of(Path(name))
    return held


def filled_in(file: Path, values: Mapping[str, Any], *, seed: int) -> str:
    """Return a config file with other values at those of the given paths that it has.

    Args:
        file: YAML, JSON, TOML or INI.
        values: By dotted path.
        seed: What its keys named ``seed`` become where they hold a whole number or nothing.

    Raises:
        ConfigFileError: It cannot be read, or holds no mapping; the message names it.
    """
    try:
        text = _text_of(file)
        places = _places(file, text)
    except ConfigFileError as error:
        raise ConfigFileError(f"{file} {error}") from error
    seeds = {path: seed for path, place in places.items() if _last(path) in SEEDS and place.may_be_seed}
    changes = {path: value for path, value in {**seeds, **values}.items() if path in places}
    if _SUFFIXES[file.suffix] == "JSON":
        return _json_with(json.loads(text), changes)
    if _SUFFIXES[file.suffix] == "TOML":
        return _toml_with(text, changes)
    if _SUFFIXES[file.suffix] == "INI":
        return _ini_with(text, changes)
    for path, value in sorted(changes.items(), key=lambda change: -places[change[0]].start):
        place = places[path]
        text = f"{text[: place.start].rstrip(' ')} {_written(value)}{text[place.end :]}"
    return text


def check_config_files(command: Sequence[str], placeholders: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse files that cannot be filled in, and values that no run would see.

    Args:
        command: The user's command.
        placeholders: Names of all placeholders in it.
        wanted: Dotted paths of the values that runs are to have.

    Raises:
        RequestError: It names the file and the key.
    """
    names, held, problems = named_in(command), set[str](), []
    for name in names:
        try:
            held |= set(values_of(Path(name)))
        except ConfigFileError as error:
            problems.append(Problem(message=str(error), file=name, key="sweep.command"))
    beside = [name for name in names if [Path(each).name for each in names].count(Path(name).name) > 1]
    if beside:
        message = f"two config files have one name: {', '.join(beside)}"
        problems.append(Problem(message=message, key="sweep.command", fix="rename one of them"))
    others = set(placeholders)
    if names and not problems and not others & HANDING_OVER:
        missing = [path for path in wanted if path not in held | others and _last(path) not in SEEDS]
        message = f"no such key in {' and '.join(names)}, so that no run would see it"
        fix = "write the key there with the value that it has by default"
        for path in missing:
            close = nearest(path, held)
            problems.append(Problem(message=message, key=path, fix=f"did you mean {close}?" if close else fix))
    if problems:
        raise RequestError(*problems)


def _text_of(file: Path) -> str:
    if file.suffix not in _SUFFIXES:
        raise ConfigFileError(f"need a file of YAML, JSON, TOML or INI, by its name: {', '.join(_SUFFIXES)}")
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _places(file: Path, text: str) -> dict[str, _Value]:
    kind = _SUFFIXES[file.suffix]
    try:
        if kind == "INI":
            return {path: _Value(0, 0, value, type(value) is int) for path, value in _ini_values(_ini(text))}
        if kind == "TOML":
            return {path: _Value(0, 0, value, type(value) is int) for path, value in leaves(tomllib.loads(text))}
        if kind == "JSON":
            json.loads(text)
            node = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
        else:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        if not isinstance(node, yaml.MappingNode):
            raise ConfigFileError("need a mapping of keys to values")
        return dict(_below(node, text, "", yaml.SafeLoader("")))
    except (yaml.YAMLError, configparser.Error, ValueError, RecursionError) as error:
        raise ConfigFileError(f"is not {kind}: {' '.join(str(error).split())[:200]}") from error


def _below(node: yaml.MappingNode, text: str, above: str, loader: yaml.SafeLoader) -> Iterator[tuple[str, _Value]]:
    """Yield every value that is not a mapping, with its path."""
    for key, held in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        behind = _COLON.match(text, key.end_mark.index)
        if behind is None:
            continue
        path, colon = f"{above}.{key.value}" if above else key.value, behind.end()
        is_alias = held.start_mark.index < colon
        if isinstance(held, yaml.MappingNode) and held.value:
            if not is_alias:  # what an alias stands for is another key's
                yield from _below(held, text, path, loader)
            continue
        found = _ALIAS.match(text, colon) if is_alias else _ANCHOR.match(text, colon)
        start = found.start(1) if is_alias and found else found.end() if found else colon
        end = found.end() if is_alias and found else start + len(text[start : max(start, _end(held))].rstrip())
        yield path, _Value(start, end, _plain(held, loader), held.tag in _SCALARS)


def _plain(node: yaml.Node, loader: yaml.SafeLoader) -> Any:
    """Return a value; ``1e-4`` is a number to who wrote it, whatever YAML 1.1 says."""
    try:
        value = loader.construct_object(node, deep=True)
    except yaml.YAMLError:
        return None  # of a tag that only the program itself knows
    if isinstance(value, str) and isinstance(node, yaml.ScalarNode) and node.style is None:
        return float(value) if _FLOAT.fullmatch(value) else value
    return value


def _end(node: yaml.Node) -> int:
    """Return where a node's last word ends: a block reaches to the next key with its marks."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def _written(value: Any) -> str:
    """Return a value in one line that YAML 1.1 and 1.2 read alike."""
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e", 1)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))}: {_written(held)}' for key, held in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _json_with(tree: Any, changes: Mapping[str, Any]) -> str:
    for path, value in changes.items():
        _put(tree, path, value)
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _toml_with(text: str, changes: Mapping[str, Any]) -> str:
    """Return TOML with other values; it has no word for nothing, so that a key which has none is left out."""
    import tomlkit

    tree = tomlkit.parse(text)
    for path, value in changes.items():
        try:
            _put(tree, path, value, leaves_out=value is None)
        except (TypeError, ValueError) as error:
            raise ConfigFileError(f"cannot hold {path}={value!r}: {error}") from error
    return tomlkit.dumps(tree)


def _ini(text: str) -> ConfigUpdater:
    """Return an INI text for reading and changing; names are as they are written.

    Raises:
        configparser.Error: It is none.
    """
    from configupdater import ConfigUpdater

    updater = ConfigUpdater(allow_no_value=True)
    updater.optionxform = str  # type: ignore[method-assign, assignment]
    return updater.read_string(text)


def _ini_values(updater: ConfigUpdater) -> Iterator[tuple[str, Any]]:
    for section in updater.iter_sections():
        for key, option in section.items():
            yield f"{section.name}.{key}", literal(_INLINE.sub("", option.value or ""))


def _ini_with(text: str, changes: Mapping[str, Any]) -> str:
    """Return INI with other values; nothing is an empty value, and a list or a mapping is written as JSON."""
    updater = _ini(text)
    for section in updater.iter_sections():
        for key, option in section.items():
            path = f"{section.name}.{key}"
            if path in changes:
                value = "" if changes[path] is None else changes[path]
                option.value = value.replace("\n", "\n\t") if isinstance(value, str) else _written(value)
    return str(updater)


def _put(tree: dict[str, Any], path: str, value: Any, *, leaves_out: bool = False) -> None:
    """Store a value at the path of one that is there; a key may have dots itself."""
    if path in tree:
        if leaves_out:
            del tree[path]
        else:
            tree[path] = value
        return
    for key, below in tree.items():
        if path.startswith(f"{key}.") and isinstance(below, dict):
            _put(below, path.removeprefix(f"{key}."), value, leaves_out=leaves_out)


def _last(path: str) -> str:
    return path.rpartition(".")[2]
