"""The one line of a log that says why a program ended: the exception of its last traceback.

Understood are the tracebacks of Python, with notes and in exception groups, of rich, of Hydra (which shortens them, and
for its own errors prints none), of torch's ranks and data workers, of JAX, and the words of argparse and click.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_MESSAGE = 300
"""Characters of a line that are shown."""

MESSAGE_LINES = 6
"""Lines of an exception's message that are looked at for what it is about."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PREFIX = re.compile(r"^(?:\[(?:rank)?\d+\]:\s|\([\w ]*pid=\d+[^)]*\)\s|\s*[|+]\s(?=\s*\S))")
_HEADER = re.compile(r"^\W*(?:\w+ )*Traceback \(most recent call last\)")
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.<>]*(?:: |:?$)")
_HYDRA_END = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace."
_HYDRA_BEGIN = "Error executing job with overrides:"
_RELAYED = re.compile(r"ChildFailedError|ProcessRaisedException|UnfilteredStackTrace|JaxStackTraceBeforeTransformation")
"""Exceptions that only say that another one, which was printed before, ended a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """The exception that a log's last traceback ends in."""

    line: str
    """``ValueError: need a positive number``: class and first line of the message."""
    message: str
    """The same, with the lines that follow where the first one ends in a colon."""
    rest: str
    """What was printed after it."""
    text: str
    """The traceback itself, to its exception."""


def last_raised(log: str) -> Raised | None:
    """Return the exception of the log's last traceback, or None where there is no traceback."""
    lines = [_plain(line) for line in log.splitlines()]
    headers = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    found = [raised for number in headers if (raised := _raised(lines, number)) is not None]
    if not found:
        return _raised_by_hydra(lines)
    own = [raised for raised in found if not _RELAYED.search(raised.line)]
    return (own or found)[-1]


def _raised(lines: Sequence[str], header: int) -> Raised | None:
    """Return the exception below a traceback's header: the first line that is not a frame of it."""
    for number in range(header + 1, len(lines)):
        line = lines[number]
        if not line.strip() or line[0] in " \t│╭╰|+┃" or line.startswith(("Original Traceback", "[Previous line")):
            if _HEADER.match(line):
                return None
            continue
        return _raised_at(lines, header, number) if _EXCEPTION.match(line) else None
    return None


def _raised_at(lines: Sequence[str], header: int, number: int) -> Raised:
    end = number + 1
    while end < len(lines) and end - number < MESSAGE_LINES and lines[end].strip() and not _HEADER.match(lines[end]):
        end += 1
    goes_on = lines[number].endswith(":") and number + 1 < end
    return Raised(
        line=" ".join(line.strip() for line in lines[number : number + 1 + goes_on])[:LONGEST_MESSAGE],
        message="\n".join(lines[number : end if goes_on else number + 1]),
        rest="\n".join(lines[number + 1 :]),
        text="\n".join(lines[header : number + 1]),
    )


def _raised_by_hydra(lines: Sequence[str]) -> Raised | None:
    """Return what Hydra says of an error of its own, for which it prints no traceback."""
    ends = [number for number, line in enumerate(lines) if line.strip() == _HYDRA_END]
    if not ends:
        return None
    begins = [number + 1 for number in range(ends[-1]) if lines[number].startswith(_HYDRA_BEGIN)]
    said = [line.strip() for line in lines[begins[-1] if begins else 0 : ends[-1]] if line.strip()]
    said = said if begins else said[-MESSAGE_LINES:]
    shown = "; ".join(line for line in said if not line.startswith("object_type="))[:LONGEST_MESSAGE]
    whole = "\n".join(said)
    return Raised(line=shown, message=whole, rest="", text=whole) if shown else None


def last_words(log: str) -> str:
    """Return the last line that says something, for a program that left no traceback; frames are taken off."""
    lines = (_plain(line).strip(" \t│|") for line in reversed(log.splitlines()))
    return next((line[:LONGEST_MESSAGE] for line in lines if re.search(r"\w", line) and not _HELP.match(line)), "")


_HELP = re.compile(r"For (?:full )?helptext|Try '.*--help'")


_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|`[^`\n]*`")
_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\w.~-]*[/\\])+[\w.~-]*")
_NUMBER = re.compile(
    r"\b(?=[a-f]*\d)[0-9a-f]{6,}\b|[-+]?(?:0x[0-9a-fA-F]+|\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?|\b(?:nan|inf)(?:inity)?\b)"
)
_BRACKETED = re.compile(r"[\[({][^\[\](){}\n]*(?:#|'')[^\[\](){}\n]*[\])}]")


def without_values(message: str) -> str:
    """Return a message without what differs from run to run: numbers, quoted values, paths, lists of them."""
    text = _QUOTED.sub("''", message)
    text = _PATH.sub("/", text)
    text = _NUMBER.sub("#", text)
    return _BRACKETED.sub("[#]", text)


def _plain(line: str) -> str:
    """Return a line without colours and without the mark of the process that printed it."""
    text = _COLOURS.sub("", line).rstrip()
    return _PREFIX.sub("", text, count=1)
