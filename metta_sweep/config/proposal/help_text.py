"""Options in the ``--help`` of argparse, click, typer, tyro, fire, jsonargparse and absl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from metta_sweep.config.proposal.options import Kind, Option, kind_of, literal

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BOX = re.compile(r"^[ \t]*[│|║][ \t]?|[ \t]*[│|║][ \t]*$")
_BEGIN = re.compile(r"^[ \t]{0,12}(?:\*[ \t]+)?(?=-{1,2}(?:\[no\])?[A-Za-z])")
_NAMES = re.compile(
    r"(?:-\w+(?:[ =](?:\{[^{}]*\}|[^,{}])*)?,\s*)*--(?P<name>[A-Za-z][\w.\-]*)|-(?P<dash>[A-Za-z]\w[\w.\-]*)"
)
"""The first name with two hyphens, whatever short ones stand before it; or a longer one that has a single hyphen."""
_NEGATED = re.compile(r"\s*(?:,|/)\s*--no-")
_TYPES: dict[str, Kind] = {
    "FLOAT": "float",
    "INTEGER": "int",
    "INT": "int",
    "UINT": "int",
    "BOOLEAN": "bool",
    "BOOL": "bool",
    "TEXT": "text",
    "STR": "text",
    "PATH": "text",
}
_TAKES = re.compile(
    r"(?:(?: |=)(?P<choices>\{[^{}\s]+\}|\[[^\[\]\s]*\|[^\[\]\s]*\])"
    r"|\s+(?P<type>FLOAT|INTEGER|INT|UINT|BOOLEAN|BOOL|TEXT|STR|PATH)\b"
    r"|(?: |=)(?P<any>(?:<[^>]+>|[A-Z][A-Z0-9_.|]*)(?!\w)|\[[A-Z][A-Z_]* \.\.\.\]))"
)
_DEFAULT = re.compile(
    r"(?i)[(\[;,\s]default(?:s to)?\s*[:=]?\s+?([^)\];]+?)\s*(?:[)\];]|$)|[(\[]default=([^)\]]+)[)\]]|\(=([^)]+)\)"
)
_AFTER_TYPE = re.compile(r" ?[=\[](-?[\d.]+(?:[eE][-+]?\d+)?)\b")
"""A number as CLI11 has it: ``--lr FLOAT [0.01]``, or ``--lr FLOAT=0.01``."""
_CHOICES = re.compile(r"\[(?:possible values|choices): ([^\]]+)\]")
"""As clap and yargs write them."""
_LAST_DEFAULT = re.compile(r"\(type: .*default: ([^()]*)\)\s*$")
"""jsonargparse's own words at the end, whatever an option's description says of its default before them."""
_TYPE = re.compile(r"(?i)type:\s*(?:optional\[|union\[)?(float|int|bool|str)\b")
_FLAG = re.compile(
    r"(?:-\w,)?--(?P<negated>\[no\])?(?P<name>[A-Za-z][\w.\-]*): (?:<(?P<choices>[^<>\s]+)>: )?(?P<rest>.*)"
)
"""A flag of absl, which has a colon after its name."""
_DEFAULT_OF_FLAG = re.compile(r"  \(default: '([^']*)'\)")
_KIND_OF_FLAG = re.compile(r"  \((?:an? )?(?:non-negative |positive )?(number|integer|comma separated list)\b")
_KINDS_OF_FLAGS: dict[str, Kind] = {"number": "float", "integer": "int", "comma separated list": "list"}
_NEVER = frozenset({"help", "version", "install-completion", "show-completion", "install_completion"})


def options_in(text: str) -> Iterator[Option]:
    """Yield the options that a help text lists, each once."""
    known = set(_NEVER)
    for entry in entries_in(text):
        option = _option(entry)
        if option is not None and option.name not in known:
            known.add(option.name)
            yield option


def entries_in(text: str) -> Iterator[str]:
    """Yield each option with what is said of it, in one line; the head keeps its blanks."""
    entry = ""
    for raw in _COLOURS.sub("", text).splitlines():
        line = _BOX.sub("", _BOX.sub("", raw))
        if _BEGIN.match(line):
            if entry:
                yield entry
            entry = line.strip().removeprefix("* ").strip()
        elif entry and line.strip() and line[:1].isspace():
            entry += f"  {line.strip()}"
        elif entry:
            yield entry
            entry = ""
    if entry:
        yield entry


def _option(entry: str) -> Option | None:
    flag = _FLAG.match(entry)
    if flag is not None:
        return _flag(**flag.groupdict(""))
    names = _NAMES.match(entry)
    if names is None:
        return None
    if names["dash"]:
        option = _named(names["dash"], entry[names.end() :])
        return option and replace(option, style="dash")
    return _named(names["name"], entry[names.end() :])


def _named(name: str, rest: str) -> Option | None:
    """Return an option by its name and what stands after it; None for what only turns another one off."""
    if name.startswith("no-"):
        return None
    written = _default(rest)
    default = None if written is None else literal(written)
    among = _CHOICES.search(rest)
    if among is not None:
        choices = tuple(literal(word.strip("\"' ")) for word in among[1].split(","))
        return Option(name=name, kind="choice", default=default, choices=choices)
    if _NEGATED.match(rest):
        return Option(name=name, kind="bool", default=default, style="switch")
    takes = _TAKES.match(rest)
    if takes is None:
        said = _said_type(rest, default)
        if said != "unknown":
            return Option(name=name, kind=said, default=default)
        return Option(name=name, kind="bool", default=False, style="flag")
    if takes["choices"]:
        choices = tuple(literal(word) for word in re.split(r"[,|]", takes["choices"][1:-1]))
        return Option(name=name, kind="choice", default=default, choices=choices)
    is_repeated = re.match(r"\s+\[", rest[takes.end() :]) and "..." in rest[takes.end() : takes.end() + 40]
    if is_repeated or (takes["any"] or "").endswith("...]"):
        return Option(name=name, kind="list", default=default, style="words")
    behind = _AFTER_TYPE.match(rest, takes.end()) if takes["type"] else None
    default = literal(behind[1]) if behind is not None and written is None else default
    kind = _TYPES.get(takes["type"] or (takes["any"] or "").upper(), "unknown")
    kind = kind if kind != "unknown" else _said_type(rest, default)
    return Option(name=name, kind=kind, default=default, is_unset=written is not None and default is None)


def _flag(negated: str, name: str, choices: str, rest: str) -> Option:
    """Return an option of absl: its default, what it takes, and whether it is repeated stand on lines of their own."""
    written = _DEFAULT_OF_FLAG.search(rest)
    default = literal(written[1]) if written and written[1] != "None" else None
    if negated:
        return Option(name=name, kind="bool", default=default)
    if choices:
        return Option(name=name, kind="choice", default=default, choices=tuple(choices.split("|")))
    if "  repeat this option to specify" in rest:
        return Option(name=name, kind="list", default=default, style="repeat")
    takes = _KIND_OF_FLAG.search(rest)
    return Option(name=name, kind=_KINDS_OF_FLAGS[takes[1]] if takes else "text", default=default)


def _default(rest: str) -> str | None:
    """Return what is written as the default; None where nothing is said of it."""
    last = _LAST_DEFAULT.search(rest)
    if last is not None:
        return last[1].strip("'\"")
    found = _DEFAULT.search(rest)
    return next(group for group in found.groups() if group is not None).strip("'\"") if found else None


def _said_type(rest: str, default: object) -> Kind:
    found = _TYPE.search(rest)
    said: dict[str, Kind] = {"float": "float", "int": "int", "bool": "bool", "str": "text"}
    return said[found[1].lower()] if found else kind_of(default)
