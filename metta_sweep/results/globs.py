"""Files below a folder that fit a pattern, without ever walking more than is good for it."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

ENTRIES = 50_000
"""Most entries of folders that one search looks at."""

NEVER_ENTERED = frozenset({".git", ".hg", ".tox", ".venv", "__pycache__", "node_modules", "site-packages", "venv"})
"""Folders in which no run writes its numbers; they are entered where the pattern names them."""

_MAGIC = re.compile(r"[*?\[]")


class TooManyEntriesError(Exception):
    """A pattern makes a search look at more than ``ENTRIES`` entries; what was found until then is not all."""


def fixed_part(pattern: str, base: Path) -> tuple[Path, str]:
    """Return the folder that a pattern surely begins with, and the rest of the pattern."""
    parts = Path(os.path.normpath(base / Path(pattern).expanduser())).parts
    magic = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    return Path(*parts[:magic]), "/".join(parts[magic:])


def find(pattern: str, base: Path, *, skips: Callable[[Path], bool] = lambda _: False) -> Iterator[Path]:
    """Yield the files that fit, in the order of their names.

    Args:
        pattern: Relative to ``base``, with ``*``, ``?``, ``[…]`` and ``**`` for any folders; ``runs/**`` is every
            file below ``runs``.
        base: An absolute folder.
        skips: Tells folders that are not entered.

    Raises:
        TooManyEntriesError: Once ``ENTRIES`` entries were looked at.
    """
    folder, rest = fixed_part(pattern, base)
    fits = _matcher(rest)
    named = set(rest.split("/"))
    budget = ENTRIES
    folders = [folder]
    deep = "**" in named
    while folders:
        here = folders.pop()
        below = []
        for entry in _entries(here):
            budget -= 1
            if budget < 0:
                raise TooManyEntriesError
            path = here / entry.name
            if entry.is_dir(follow_symlinks=False):
                is_open = deep or len(path.relative_to(folder).parts) < len(rest.split("/"))
                if is_open and (entry.name in named or entry.name not in NEVER_ENTERED) and not skips(path):
                    below.append(path)
            elif fits(path.relative_to(folder).as_posix()) and _is_file(entry):
                yield path
        folders += reversed(below)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return whether a relative path fits; a last ``**`` fits every file below."""
    pieces = []
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            pieces.append(".*" if last else "(?:[^/]+/)*")
        else:
            pieces.append(_segment(part) + ("" if last else "/"))
    compiled = re.compile("".join(pieces), re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


def _segment(part: str) -> str:
    """Return the expression of one part of a path: ``*`` stays within it."""
    inside = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z").removesuffix(r")\z")
    return inside.replace(".*", "[^/]*")
