"""``wandb.json`` in the sweep's folder: all that the mirror keeps on disk, for the next one, the controller and people.

``link`` says where the mirror stands, ``marks`` what became of runs on this disk, ``service`` which process of the
client sends, ``machines`` what is known of others that share the sweep. No secrets. Only the mirror writes it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal

from metta_sweep.store.files import read_json, write_json
from metta_sweep.store.paths import SweepPaths

Part = Literal["link", "marks", "service", "machines"]

_WRITING = threading.Lock()
"""The mirror's threads write one after the other; that there is one mirror is the business of its lock."""


class StateFile:
    """The file of one sweep. A part is read from the disk and written whole; what is not understood is as not there."""

    def __init__(self, paths: SweepPaths) -> None:
        self._path = paths.root / "wandb.json"

    @property
    def version(self) -> tuple[int, int]:
        """Return what changes with every writing, for those who look often; zeros where there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def read(self, part: Part) -> dict[str, Any] | None:
        """Return a part, or None where there is none."""
        kept = read_json(self._path) or {}
        is_earlier = part == "link" and part not in kept and "project" in kept  # the file was the link alone once
        content = kept if is_earlier else kept.get(part)
        return content if isinstance(content, dict) else None

    def write(self, part: Part, content: Mapping[str, Any]) -> None:
        """Replace a part; the others stay."""
        with _WRITING:
            write_json(self._path, {**(read_json(self._path) or {}), part: dict(content)})

    def mark(self, name: str) -> str | None:
        """Return the mark of a run (or of the overview), or None where there is none."""
        found = (self.read("marks") or {}).get(name)
        return found if isinstance(found, str) else None

    def set_mark(self, name: str, mark: str) -> None:
        """Set the mark of a run."""
        with _WRITING:
            content = read_json(self._path) or {}
            marks = content.get("marks")
            kept = marks if isinstance(marks, dict) else {}
            if kept.get(name) != mark:
                write_json(self._path, {**content, "marks": {**kept, name: mark}})
