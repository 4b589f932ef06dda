"""The files of this attempt: those that fit a pattern and that it, and nobody else, has written."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from metta_sweep.result import RunPaths
from metta_sweep.results.globs import TooManyEntriesError, find
from metta_sweep.results.port import Source

SHOWN = 4
"""Files that a message lists."""

REST = 100
"""A search takes at most one part in so many of the time."""


@dataclass(frozen=True, slots=True)
class _State:
    """What shows that a file was written to."""

    inode: int
    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFile:
    """A file that the attempt has written to."""

    path: Path
    """Where it is."""
    start: int
    """Bytes that were there before the attempt: they are an earlier one's."""
    shown: str
    """Its name for a person."""


class OwnFiles:
    """Finds the attempt's own files; made before the attempt starts, so that it knows what was there.

    Args:
        source: Where to look.
        default: The pattern where the source has none.
        with_reports: Whether the run's ``metrics.jsonl`` may be one of them.
    """

    def __init__(self, source: Source, default: str, *, with_reports: bool = False) -> None:
        self._source = source
        run = source.run
        self._not_logs = {run.result, run.config, run.suggestion, run.log, *(() if with_reports else (run.metrics,))}
        self._pattern = (source.path or default).replace("{run_dir}", str(source.run.root))
        self._before = dict(self._states())
        self._found: dict[Path, OwnFile] = {}
        self._opened = _Opened(source.keeper) if source.is_shared and source.keeper is not None else None
        self._next_look_s = 0.0

    def look(self, *, final: bool) -> list[OwnFile]:
        """Return the attempt's files so far, having searched for more where a search is due."""
        began_s = time.monotonic()
        if final or began_s >= self._next_look_s:
            foreign = list(self._new())
            if final and foreign and not self._found:
                self._say_whose(foreign)
            took_s = time.monotonic() - began_s
            self._next_look_s = began_s + max(took_s * REST, 0.5)
        return list(self._found.values())

    def said(self) -> str:
        """Return the pattern and the folder that were searched, for a person."""
        return f"files that fit {self._pattern} below {self._source.cwd}"

    def _new(self) -> Iterator[Path]:
        """Take up files that are new or have changed; yield those that may be another run's."""
        written = [(path, now) for path, now in self._states() if path not in self._found]
        changed = [(path, now) for path, now in written if self._before.get(path) != now]
        doubtful = [path for path, _ in changed if self._is_doubtful(path)]
        if doubtful and self._opened is not None:
            self._opened.look()
        for path, now in changed:
            if path in doubtful and not (self._opened is not None and self._opened.has(path)):
                yield path
                continue
            before = self._before.get(path)
            kept = before is not None and before.inode == now.inode and before.size <= now.size
            start = before.size if before is not None and kept else 0
            self._found[path] = OwnFile(path=path, start=start, shown=self.shown(path))

    def _is_doubtful(self, path: Path) -> bool:
        return self._source.is_shared and not path.is_relative_to(self._source.run.root)

    def shown(self, path: Path) -> str:
        """Return a file's name for a person."""
        for root in (self._source.cwd, self._source.run.root):
            if path.is_relative_to(root):
                return str(path.relative_to(root))
        return str(path)

    def _states(self) -> Iterator[tuple[Path, _State]]:
        try:
            for path in find(self._pattern, self._source.cwd, skips=self._is_foreign):
                with contextlib.suppress(OSError):
                    found = path.stat()
                    if path not in self._not_logs:
                        yield path, _State(found.st_ino, found.st_size, found.st_mtime_ns)
        except TooManyEntriesError:
            self._source.notes.say(
                f"too many files below {self._source.cwd} to look through: "
                "write the folder that the trainer logs to under sweep.results.path"
            )

    def _is_foreign(self, folder: Path) -> bool:
        """Whether a folder is another run's, or holds the launcher's marks of this one."""
        run = self._source.run
        return folder == run.attempts or (folder != run.root and RunPaths(folder).suggestion.exists())

    def _say_whose(self, foreign: list[Path]) -> None:
        names = ", ".join(self.shown(path) for path in foreign[:SHOWN])
        more = f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else ""
        self._source.notes.refuse(
            f"cannot tell which of the files that fit {self._pattern} are this run's, as other runs write there at the "
            f"same time: {names}{more}; have each run write below its own {{run_dir}}, or set launcher.max_parallel=1"
        )


class _Opened:
    """The files that the attempt's processes have been seen to hold open, and the processes themselves."""

    def __init__(self, keeper: int) -> None:
        self._keeper = keeper
        self._paths: set[str] = set()
        self._pids: set[str] = set()

    def look(self) -> None:
        import psutil

        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(self._keeper).children(recursive=True):
                if process.pid != os.getpid():
                    self._pids.add(str(process.pid))
                    with contextlib.suppress(psutil.Error, OSError):
                        self._paths.update(opened.path for opened in process.open_files())

    def has(self, path: Path) -> bool:
        """Whether the file was seen open, or has the number of one of the processes in its name (TensorBoard)."""
        return str(path.resolve()) in self._paths or bool(self._pids & set(path.name.split(".")))
