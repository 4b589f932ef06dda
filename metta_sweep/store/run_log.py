"""How a run's log is cut when it grows too long: what a launcher that cuts and a reader that follows agree on."""

from __future__ import annotations

import re
from pathlib import Path

OWN_LINE = "[metta_sweep] "
"""Start of every line in a run's log that is not the run's own."""

ATTEMPT_LINE = f"{OWN_LINE}attempt "
"""Start of the line that a launcher writes into a run's log before each attempt but the first."""

HEAD_SHARE, TAIL_SHARE = 0.25, 0.5
"""Shares of the limit that are kept of the beginning and of the end; the rest is room until the next cut."""

NO_RESULT = "no_result: "
"""Start of the line by which a reader of results says why there is none."""

_CUTTING = f"\n{OWN_LINE}cutting".encode()
_LEFT_OUT = re.compile(rb"\n\[metta_sweep\] (\d+) bytes left out\n")


def head_bytes(limit: int) -> int:
    """Return how much of its beginning a log with this limit keeps."""
    return int(limit * HEAD_SHARE)


def left_out_line(count: int) -> bytes:
    """Return what stands in the place of so many bytes."""
    return f"\n{OWN_LINE}{count} bytes left out\n".encode()


def cutting_line(length: int) -> bytes:
    """Return what stands there, at the same length, while a log is being cut."""
    return _CUTTING.ljust(length - 1) + b"\n"


def is_being_cut(line: bytes) -> bool:
    """Return whether the log is being cut at this moment."""
    return line.startswith(_CUTTING)


def left_out(line: bytes) -> tuple[int, int] | None:
    """Return how many bytes a line stands for, and its own length; None for another line."""
    found = _LEFT_OUT.match(line)
    return (int(found[1]), found.end()) if found else None


def append_line(log: Path, text: str) -> None:
    """Append a line of ours to a log that others write to; a log that cannot be written stays as it is."""
    try:
        with log.open("ab") as file:
            file.write(f"{text}\n".encode(errors="replace"))
    except OSError:
        return
