"""What was typed after the command: Hydra's override grammar, read before Hydra sees it.

Groups are told from values, a name is kept as it was typed (``run=007`` is not a number), and every word that
cannot be read becomes one problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from metta_sweep.config.interpolation import first_line, refused
from metta_sweep.errors import Problem
from metta_sweep.nearest import did_you_mean
from metta_sweep.secrecy import is_secret
from metta_sweep.trees import put

PLACE = "command line"
"""Stands where a file name would stand."""

_RAW = re.compile(r"^\+{0,2}(?P<key>run|cmd|sweep_params|takeover|change|command|data_dir)=(?P<value>.*)$", re.DOTALL)
CHANGES = ("metric", "goal")
"""What ``change`` may name."""
_WORDS = ("run", "cmd", "sweep_params", "takeover", "change")
_QUOTED = re.compile(r"""^(['"])(.*)\1$""", re.DOTALL)
_MAX_LENGTH = 10_000  # characters of one override


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOverride:
    """One ``key=value``."""

    key: str
    """Dotted path."""
    hydra: str
    """The override for Hydra: it adds what is not there, unknown keys are judged by the schema."""
    value: Any = None
    """The plain value."""
    removed: bool = False
    """Whether it takes the key away (``~key``)."""


@dataclass(slots=True)
class CommandLine:
    """The overrides, sorted by what they do."""

    words: Mapping[str, str] = field(default_factory=dict)
    """``run``, ``cmd``, ``sweep_params``, ``takeover`` and ``change`` as they were typed."""
    choices: dict[str, str | None] = field(default_factory=dict)
    """Chosen option by config group; None for no option."""
    values: list[ValueOverride] = field(default_factory=list)
    """Values in the order typed."""
    tree: dict[str, Any] = field(default_factory=dict)
    """The values as a config tree, texts as typed."""
    problems: list[Problem] = field(default_factory=list)
    """What could not be read."""

    def gives(self, path: str) -> bool:
        """Return whether a value, or a mapping around it, was typed for a dotted path."""
        return any(path == given.key or path.startswith(f"{given.key}.") for given in self.values)


def read_command_line(overrides: Sequence[str], *, groups: Mapping[str, Sequence[str]]) -> CommandLine:
    """Sort overrides into words, group choices and values.

    Args:
        overrides: The arguments as they came.
        groups: The options of each config group.
    """
    line = CommandLine()
    words: dict[str, str] = {}
    parser = OverridesParser.create()
    for text in overrides:
        raw = _RAW.match(text)
        if raw and raw["key"] in _WORDS:
            words[raw["key"]] = _unquoted(raw["value"])
            continue
        override = _parsed(parser, text, raw, line)
        if override is not None:
            _sort(override, text, groups, line)
    line.words = words
    line.problems += [
        Problem(message=message, key=path, file=PLACE, fix=fix) for path, message, fix in refused(line.tree)
    ]
    return line


def changes_said(line: CommandLine) -> tuple[str, ...]:
    """Return what ``change=`` says is meant to change: ``change=metric,goal``."""
    return tuple(filter(None, re.split(r"[\s,\[\]]+", line.words.get("change", ""))))


def quoted(text: str) -> str:
    """Return a text as Hydra's grammar quotes it."""
    escaped = re.sub(r"(\\+)('|$)", lambda found: found[1] * 2 + found[2], text).replace("'", "\\'")
    return f"'{escaped}'"


def _unquoted(text: str) -> str:
    found = _QUOTED.match(text)
    return found[2] if found else text


def _parsed(parser: OverridesParser, text: str, raw: re.Match[str] | None, line: CommandLine) -> Override | None:
    if len(text) > _MAX_LENGTH:
        _refuse(line, text[:40] + "…", f"need at most {_MAX_LENGTH} characters, got {len(text)}")
        return None
    try:
        return parser.parse_override(text)
    except (HydraException, RecursionError) as error:
        if raw:  # free text that is not a value in Hydra's grammar: a command, a folder
            return parser.parse_override(f"{raw['key']}={quoted(_unquoted(raw['value']))}")
        _refuse(line, text, *_unreadable(text, error))
        return None


def _unreadable(text: str, error: BaseException) -> tuple[str, str]:
    key, equal, value = text.partition("=")
    if text.startswith("-"):
        bare = key.lstrip("-")
        written = f"{'++' if bare == 'sweep_params' else ''}{bare}={value}"
        return "there is no such option", f"write {written}" if equal else "see --help; settings are written key=value"
    if not equal:
        return "need key=value", f"did you mean run={text}?" if re.fullmatch(r"[\w.-]+", text) else ""
    fix = f"""put the value in quotes: "{key}='{value}'" """.rstrip() if re.fullmatch(r"[+~]*[\w./@-]+", key) else ""
    return f"cannot be read: {first_line(error)}", fix


def _sort(override: Override, text: str, groups: Mapping[str, Sequence[str]], line: CommandLine) -> None:
    key = override.key_or_group
    reason = _not_allowed(override, groups)
    if reason:
        _refuse(line, key or text, *reason)
    elif key in groups:
        _choose(override, groups[key], line)
    elif override.is_delete():
        line.values.append(ValueOverride(key=key, hydra=f"~{key}", removed=True))
    else:
        value = override.value()
        put(line.tree, key, value)
        expression = (override.input_line or text).partition("=")[2]
        line.values.append(ValueOverride(key=key, hydra=f"++{key}={expression}", value=value))


def _not_allowed(override: Override, groups: Iterable[str]) -> tuple[str, str] | None:
    """Return why an override of Hydra's grammar has no meaning here, and what to write instead."""
    key = override.key_or_group
    if not re.fullmatch(r"[A-Za-z_][\w-]*([./][\w-]+)*", key) or ("/" in key and key not in groups):
        top = key.partition("/")[0]
        return f"need a dotted key, got {key!r}", "settings of Hydra itself are not used" if top == "hydra" else ""
    if override.package is not None:
        return "packages (@) are not supported here", ""
    if key == "hydra" or key.startswith("hydra."):
        return "settings of Hydra itself are not used", "see launcher.* for how runs are started"
    if key == "sweep":
        return "need a path inside sweep", "choose the sweep file by ++sweep_params=sweep/NAME"
    if override.is_sweep_override():
        return (
            "several values are no override of one sweep",
            f"to search over them write under sweep.parameters   {key}: {{values: [{_choices(override)}]}}",
        )
    if key.startswith("wandb.") and is_secret(key.rpartition(".")[2]):
        return "keys and tokens are never read from a config", "set WANDB_API_KEY, or run wandb login"
    return None


def _choices(override: Override) -> str:
    """Return the values of ``key=a,b`` as they were typed."""
    text = (override.input_line or "").partition("=")[2]
    return text.replace(",", ", ") if re.fullmatch(r"[\w.,+-]+", text) else "..."


def _choose(override: Override, options: Sequence[str], line: CommandLine) -> None:
    group, option = override.key_or_group, override.value()
    if override.is_delete():
        _refuse(line, group, f"the group {group} cannot be removed", f"leave ~{group} out")
    elif option is None:
        line.choices[group] = None
    elif isinstance(option, dict | list):
        fix = f"choose one ({group}=NAME) or set single keys ({group}.KEY=VALUE)"
        _refuse(line, group, f"{group} is a config group, need one of its names", fix)
    elif str(option) not in options:
        fix = did_you_mean(str(option), options, otherwise="there are")
        _refuse(line, group, f"there is no configs/{group}/{option}.yaml", fix)
    else:
        line.choices[group] = str(option)


def _refuse(line: CommandLine, key: str, message: str, fix: str = "") -> None:
    line.problems.append(Problem(message=message, key=key, file=PLACE, fix=fix))
