"""Processes as the operating system shows them: identity beyond a number that is used again, and whole trees."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from metta_sweep.launch.attempt.attempt import ATTEMPT_VARIABLE, AttemptFiles
from metta_sweep.result import RUN_DIR_VARIABLE

_PR_SET_CHILD_SUBREAPER = 36


def birth_of(pid: int) -> str | None:
    """Return what tells this process from any other that ever has its number, or None where there is no such process.

    On Linux: the boot and the clock tick of its start, which no change of the wall clock moves.
    """
    if sys.platform != "linux":
        with contextlib.suppress(psutil.Error):
            return f"{psutil.Process(pid).create_time():.2f}"
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else f"{boot} {fields[19]}"


def age_s(pid: int, birth: str) -> float | None:
    """Return for how many seconds the process that has this number and was born then has lived; None for none such."""
    if birth_of(pid) != birth:
        return None
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(birth.split()[1]) / os.sysconf("SC_CLK_TCK")
    return max(0.0, time.time() - float(birth))


def let_go_on(pid: int, birth: str) -> None:
    """Let a process go on that somebody has stopped (SIGSTOP)."""
    with contextlib.suppress(psutil.Error):
        if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            signal_exactly(pid, birth, signal.SIGCONT)


def adopt_orphans() -> bool:
    """Have orphans below this process handed to it, so that it knows its whole tree.

    Returns:
        Whether that can be had: Linux does it.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def descendants() -> list[psutil.Process]:
    """Return every living process below this one, whatever session or group it moved to."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [p for p in psutil.Process().children(recursive=True) if _is_alive(p)]
    return []


def children() -> list[int]:
    """Return the numbers of this process's own children, those that have ended but were not collected included."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process.pid for process in psutil.Process().children()]
    return []


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal; a process that is gone is passed over, and one whose number is used again is not hit."""
    for process in processes:
        with contextlib.suppress(psutil.Error, ProcessLookupError, PermissionError):
            process.send_signal(number)


def signal_exactly(pid: int, birth: str, number: signal.Signals) -> bool:
    """Send a signal to the process that has this number and was born then.

    Returns:
        Whether there was such a process.
    """
    if birth_of(pid) != birth:
        return False
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def processes_of(files: AttemptFiles) -> list[psutil.Process]:
    """Return the living processes of an attempt that nobody keeps any more.

    A process belongs to it if it holds the attempt's lock file open or carries the attempt and its run directory in its
    environment, or descends from one that does: another sweep may have the same name.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        if _carries(process, files) and process.pid != os.getpid():
            found[process.pid] = process
            with contextlib.suppress(psutil.Error):
                found.update((child.pid, child) for child in process.children(recursive=True))
    return [process for process in found.values() if _is_alive(process)]


def _carries(process: psutil.Process, files: AttemptFiles) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        environment = process.environ()
        if environment.get(ATTEMPT_VARIABLE) == files.attempt_id:
            return environment.get(RUN_DIR_VARIABLE) == str(files.run.root)
    lock = str(files.lock.resolve())
    return any(path == lock for path in _open_files(process))


def _open_files(process: psutil.Process) -> Iterator[str]:
    with contextlib.suppress(psutil.Error, OSError):
        for opened in process.open_files():
            yield opened.path


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
