"""Settings that a program takes as pairs behind one option, and prints: rl-zoo3's ``-params learning_rate:0.01``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.config.proposal.help_text import entries_in
from metta_sweep.config.proposal.options import Option, kind_of, literal

FEWEST = 3
"""Values of a mapping that is taken for a program's settings."""
MOST_CHARACTERS = 20_000
"""Of a mapping that is looked at."""
MOST_BEGINNINGS = 500
"""Brackets that are looked at as the beginning of one."""

_MANY = re.compile(r"--(?P<name>[A-Za-z][\w.\-]*) [A-Z_]+ \[[A-Z_]+ \.\.\.\]")
_EXAMPLE = re.compile(r"\b[A-Za-z_]\w*(?P<between>[:=])(?:-?[\d.]+(?:e-?\d+)?)\b")
_BEGINNING = re.compile(r"(?:OrderedDict\()?(?P<mapping>\[\(|\{)")
_PREFIXED = re.compile(r"(?P<prefix>[A-Za-z]+_)(?P<number>\d+(?:\.\d*)?(?:e-?\d+)?)")
_ENDS = {"[": "]", "{": "}", "(": ")"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """An option that takes any number of settings, each with its name."""

    option: str
    """As it is written, with its hyphens."""
    between: str
    """What stands between a setting's name and its value."""
    written: Mapping[str, str]
    """How the value of each setting is written, with ``{}`` in its place: ``'lin_{}'`` is a schedule of rl-zoo3."""

    def words(self, names: Iterable[str]) -> list[str]:
        """Return the words of a command that hand over these settings, each as the placeholder of its name."""
        return [self.option, *(f"{each}{self.between}{self.written[each].format(f'{{{each}}}')}" for each in names)]


def pairs_in(told: str, printed: str) -> tuple[Pairs, list[Option]] | None:
    """Return the option that takes settings as pairs, and those settings; None where there is none or none was printed.

    Args:
        told: The program's help: the option's own example says how a pair is written.
        printed: What a run of it printed: the largest mapping in it has the settings.
    """
    for entry in entries_in(told):
        many, example = _MANY.search(entry), _EXAMPLE.search(entry)
        values = max(_mappings(printed), key=len, default={}) if many and example else {}
        if many and example and len(values) >= FEWEST:
            found = {name: _setting(value) for name, value in values.items() if name.isidentifier()}
            options = [Option(name=name, kind=kind_of(value), default=value) for name, (value, _) in found.items()]
            written = {name: form for name, (_, form) in found.items()}
            return Pairs(option=f"--{many['name']}", between=example["between"], written=written), options
    return None


def _setting(value: Any) -> tuple[Any, str]:
    """Return what is searched of a value, and how it is written; of ``lin_0.001`` the number is searched."""
    prefixed = _PREFIXED.fullmatch(value) if isinstance(value, str) else None
    if prefixed is None:
        return value, "{}"
    return literal(prefixed["number"]), f"'{prefixed['prefix']}{{}}'"


def _mappings(printed: str) -> list[dict[str, Any]]:
    """Return the mappings with names of text that a text has, as Python prints them."""
    found: list[dict[str, Any]] = []
    at = 0
    for _ in range(MOST_BEGINNINGS):
        begins = _BEGINNING.search(printed, at)
        if begins is None:
            break
        start = begins.start("mapping")
        end = _end(printed, start)
        value = literal(printed[start:end])
        if isinstance(value, list):
            value = dict(value) if all(map(_is_pair, value)) else {}
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            found.append(value)
        at = end if value else start + 1
    return found


def _is_pair(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) == 2 and isinstance(value[0], str)


def _end(text: str, start: int) -> int:
    """Return where the bracket at ``start`` is closed; brackets in quotes are few enough to be left out of account."""
    open_ones: list[str] = []
    for at, each in enumerate(text[start : start + MOST_CHARACTERS], start):
        if each in _ENDS:
            open_ones.append(_ENDS[each])
        elif open_ones and each == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return at + 1
    return start + 1
