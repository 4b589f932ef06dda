"""What people want of a running sweep: a file to which any process appends, and which the controller reads.

The journal has one writer. A line here is a wish; it becomes a fact when the controller records it, once by its id.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import Correction, PointAdded, UnknownEventError, from_json, to_json

LONGEST = 1_000_000
"""Most bytes of the file that are read; a person types no more."""


def leave_request(paths: SweepPaths, point: Mapping[str, Any]) -> None:
    """Ask the sweep's controller, this one or the next, to run a point."""
    _append(paths, [{"id": uuid.uuid4().hex, "point": dict(point)}])


def leave_corrections(paths: SweepPaths, corrections: Sequence[Correction]) -> None:
    """Ask the sweep's controller to correct something of its runs."""
    _append(paths, [to_json(replace(each, id=uuid.uuid4().hex)) for each in corrections])


def _append(paths: SweepPaths, wishes: Sequence[Mapping[str, Any]]) -> None:
    line = "".join(json.dumps(wish) + "\n" for wish in wishes)
    handle = os.open(paths.requests, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def left_requests(paths: SweepPaths) -> list[PointAdded | Correction]:
    """Return what was asked, in order; what is none, or only half written, is left out."""
    try:
        with paths.requests.open("rb") as file:
            lines = file.read(LONGEST).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [request for line in lines if (request := _read(line)) is not None]


class RequestFile:
    """The requests to a running controller, read only where the file has grown.

    It is looked at in every turn: what was asked for before a run ended is known when the next point is chosen.
    """

    def __init__(self, paths: SweepPaths) -> None:
        self._paths = paths
        self._size = 0

    def read(self) -> Sequence[PointAdded | Correction]:
        """Return every request where there may be a new one; nothing otherwise."""
        size = self._paths.requests.stat().st_size if self._paths.requests.exists() else 0
        if size == self._size:
            return ()
        self._size = size
        return left_requests(self._paths)


def _read(line: str) -> PointAdded | Correction | None:
    try:
        content = json.loads(line)
        if "kind" not in content:
            return PointAdded(id=str(content["id"]), point=dict(content["point"]))
        event = from_json(content)
    except (ValueError, KeyError, TypeError, UnknownEventError):
        return None
    return event if isinstance(event, Correction) and event.id else None
