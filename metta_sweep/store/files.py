"""Files that exist whole or not at all, and locks that die with their holder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metta_sweep.result.bounded import read_bytes

_RETRY_S = 0.005

JSON_BYTES = 16 * 1024 * 1024
"""Most that a JSON file of ours may have."""


def write_whole(path: Path, text: str, *, keep_existing: bool = False, sync: bool = True) -> bool:
    """Write a file that a reader sees whole or not at all.

    Args:
        path: The file; its folder exists.
        text: The content.
        keep_existing: Leave a file that is there as it is.
        sync: Have the content on disk before the name: a power cut leaves no empty file behind.

    Returns:
        Whether the file was written.

    Side effects:
        A file ``.NAME.PID`` exists beside it for a moment.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        return _put(beside, path, keep_existing=keep_existing)
    finally:
        beside.unlink(missing_ok=True)


def _put(beside: Path, path: Path, *, keep_existing: bool) -> bool:
    if not keep_existing:
        beside.replace(path)
        return True
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Have the folder's names on disk, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a regular file, or None where there is no file or no object in it."""
    try:
        content = json.loads(read_bytes(path, JSON_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any], *, sync: bool = False) -> None:
    """Write a JSON object with :func:`write_whole`."""
    write_whole(path, json.dumps(content) + "\n", sync=sync)


def take_lock(path: Path, *, patience_s: float = 0.1) -> int | None:
    """Take an exclusive lock that ends with this process.

    Args:
        path: The lock file, made where it is missing.
        patience_s: Seconds to wait; :func:`is_locked` holds a lock for a moment only.

    Returns:
        The open descriptor that holds the lock, closed on exec, or None where somebody else holds it.
    """
    deadline = time.monotonic() + patience_s
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if _flock(descriptor, fcntl.LOCK_EX) and is_at(descriptor, path):
            return descriptor
        os.close(descriptor)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_RETRY_S)


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock; a file that is missing is not locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one of that name: a lock on a deleted file locks nobody out."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
