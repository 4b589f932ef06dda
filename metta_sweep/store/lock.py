"""One controller a sweep: a lock that names its holder, dies with it, and can be taken over from one that does not."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metta_sweep.errors import MettaSweepError, Problem, RequestError
from metta_sweep.result.values import as_cost_s
from metta_sweep.store.files import is_at, is_locked, read_json, take_lock
from metta_sweep.store.paths import SweepPaths

_LONGEST_NAME = 4096
"""Bytes of a lock file that are kept for the case that the request is refused."""
_PATIENCE_S = 0.4
"""Longer than a reader's look at the lock, and than the moment between taking it and writing one's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that controls a sweep."""

    host: str
    """Its machine."""
    pid: int
    """Its process id there; 0 where the lock does not say."""
    since_s: float
    """When it took the lock, seconds since the epoch; for display."""

    @classmethod
    def of_this_process(cls) -> Holder:
        """Return this process, now."""
        return cls(host=socket.gethostname(), pid=os.getpid(), since_s=time.time())

    @classmethod
    def parse(cls, content: Mapping[str, Any] | None) -> Holder:
        """Return what a lock file says; what it does not say is shown as unknown."""
        content = content or {}
        try:
            since_s = as_cost_s(content["since_s"]) or 0.0
            return cls(host=str(content["host"]), pid=int(content["pid"]), since_s=since_s)
        except (KeyError, TypeError, ValueError, OverflowError):
            return cls(host="unknown", pid=0, since_s=0.0)

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"host {self.host}, pid {self.pid}, since {since}"


class TakenOverError(MettaSweepError):
    """Another process controls the sweep now: this one may write nothing, start nothing and end nothing any more."""


class SweepLock:
    """Exclusive control of one sweep, from :meth:`acquire` to :meth:`release` or the end of the process.

    The lock is the kernel's (``flock``): it is gone when its holder is, ``kill -9`` included. It is closed on exec, so
    that the processes a controller starts do not keep it.

    A takeover puts another file, held by the new controller, in the place of the one that is held. The old controller,
    which may be paused and know nothing of it, finds by :meth:`check` that its own is not in place any more.
    """

    def __init__(
        self,
        paths: SweepPaths,
        descriptor: int,
        taken_from: Holder | None = None,
        *,
        made: Sequence[Path] = (),
        said: bytes = b"",
    ) -> None:
        self._paths = paths
        self._file = paths.lock
        self._descriptor: int | None = descriptor
        self._made = made
        self._said = said
        self.taken_from = taken_from
        """Who held the sweep before it was taken over; None where nobody did."""

    @classmethod
    def acquire(cls, paths: SweepPaths, *, takeover: bool = False) -> SweepLock:
        """Take the sweep.

        Args:
            paths: The sweep's files.
            takeover: Take it from whoever holds it.

        Raises:
            RequestError: Another process holds it; the message says which.

        Side effects:
            The sweep's folder is made where it is missing; the lock file says who holds it. Both are undone where
            a RequestError ends the ``with`` block.
        """
        missing = [folder for folder in (paths.root, *paths.root.parents) if not folder.exists()]
        _make_folder(paths)
        descriptor = take_lock(paths.lock, patience_s=_PATIENCE_S)
        if descriptor is not None:
            said = os.pread(descriptor, _LONGEST_NAME, 0)
            _write_name(descriptor)
            return cls(paths, descriptor, made=missing, said=said)
        by = Holder.parse(read_json(paths.lock))
        if not takeover:
            raise _held(paths, by)
        return cls(paths, _put_in_place(paths.lock), taken_from=by)

    def check(self) -> None:
        """Make sure that the sweep is still this process's.

        Raises:
            TakenOverError: Another process has taken it over, or the lock was removed.
        """
        if self._descriptor is None or not is_at(self._descriptor, self._file):
            raise _taken_over(self._paths)

    def release(self) -> None:
        """Let go of the sweep; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, RequestError) and self._descriptor is not None and self.taken_from is None:
            self._undo(self._descriptor)
        self.release()

    def _undo(self, descriptor: int) -> None:
        """Leave the disk as it was before a request that is refused; a sweep that has begun is left as it is."""
        if not self._made:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._said, 0)
        elif not self._paths.runs.exists():
            shutil.rmtree(self._paths.root, ignore_errors=True)
            for folder in self._made[1:]:
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _make_folder(paths: SweepPaths) -> None:
    try:
        paths.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(
            Problem(
                key="data_dir",
                message=f"{paths.root} cannot be made: {error.strerror}",
                fix="choose a folder that you may write to: data_dir=/path, or DATA_DIR=/path",
            )
        ) from error


def _write_name(descriptor: int) -> None:
    text = json.dumps(asdict(Holder.of_this_process())) + "\n"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _put_in_place(lock: Path) -> int:
    """Put a new lock file, held and named before anybody sees it, in the place of one that somebody holds."""
    beside = lock.with_name(f".{lock.name}.{uuid.uuid4().hex}")
    descriptor = take_lock(beside)
    if descriptor is None:
        raise FileExistsError(beside)
    _write_name(descriptor)
    beside.replace(lock)
    return descriptor


def holder(paths: SweepPaths) -> Holder | None:
    """Return who controls the sweep at this moment, or None where nobody does."""
    return Holder.parse(read_json(paths.lock)) if _is_held(paths.lock) else None


def _is_held(lock: Path) -> bool:
    try:
        return is_locked(lock)
    except PermissionError:
        return False


def _held(paths: SweepPaths, by: Holder) -> RequestError:
    return RequestError(
        Problem(
            key="run",
            message=f"sweep {paths.name!r} is controlled by another process: {by}",
            file=str(paths.lock),
            fix="to have more runs at once stop it and start it again with launcher.max_parallel=N; "
            "if it hangs or its terminal is lost, add takeover=true: its runs go on under the new controller",
        )
    )


def _taken_over(paths: SweepPaths) -> TakenOverError:
    by = holder(paths)
    how = f"was taken over by another process ({by})" if by is not None else "has lost its lock file"
    return TakenOverError(
        f"sweep {paths.name!r} {how}: this controller stops, writes nothing more and leaves runs as they are"
    )
