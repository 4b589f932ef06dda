"""The keeper of one attempt: starts the command, limits its time and its log, ends its whole tree, records its exit.

It is a process of its own, so that neither the controller's death nor the fork server's loses the attempt, and every
process that the command leaves behind is handed to it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import socket
import stat
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from metta_sweep.launch.attempt.attempt import VANISHED, ExitRecord, Order
from metta_sweep.launch.attempt.bounded_log import BoundedLog
from metta_sweep.launch.attempt.child import become_run, spawn_run
from metta_sweep.launch.attempt.processes import adopt_orphans, birth_of, children, descendants, processes_of, send
from metta_sweep.launch.attempt.result_reader import ResultReader
from metta_sweep.launch.attempt.starting import forks
from metta_sweep.launch.attempt.usage import Usage, machine
from metta_sweep.launch.attempt.wakeups import OURS, Wakeups
from metta_sweep.store.files import is_at, write_json
from metta_sweep.store.run_log import NO_RESULT, append_line

LONG_LOOK_S, SHORT_LOOK_S = 0.5, 0.05
"""Limits of the seconds between two looks at the wish to end and at the log: often while the run is young or the log
grows fast, so that what a log has beyond its limit is what a run can write in such a time."""

LEFTOVER_GRACE_S = 1.0
"""Seconds that processes which a command leaves behind have to end by themselves once they are told."""

NO_EXIT = "no_exit"
"""Reason of an attempt whose result was there and which went on."""

MISSED_LIMIT = 2
"""Looks in a row that miss the attempt's own marks before its directory is taken to be removed."""

DISK_FULL = "disk_full"
"""Reason of an attempt that failed on a full disk."""

FULL_BYTES = 64 * 1024
"""A disk with less than that is full: not even a traceback is sure to fit."""

_KILL_EVERY_S = 0.05
_DRAFT_BYTES = 512
_RECORD_PATIENCE_S = 60.0


@dataclass(slots=True)
class _Ending:
    """That and why the tree is being ended."""

    reason: str | None
    kill_at_s: float


class Keeper:
    """Keeps one attempt from its start to its exit record.

    Args:
        order: What to run.
        lock: Descriptor that holds the attempt's lock.
        base: The environment that the command's is made from.
        warm_module: Loaded module whose ``main`` stands for the command, or None to execute it.
        labels: What else the start record is to say.
        passes_signals_on: Whether a SIGTERM to the keeper goes on to the tree. A queueing system has sent it to every
            process already, and a second one would disturb whoever is writing a checkpoint.
        tie: Descriptor of a pipe whose end says that whoever holds its other side is gone, and the run is to end, too.
    """

    def __init__(
        self,
        order: Order,
        *,
        lock: int,
        base: Mapping[str, str],
        warm_module: str | None = None,
        labels: Mapping[str, str] | None = None,
        passes_signals_on: bool = True,
        tie: int | None = None,
    ) -> None:
        self._order = order
        self._files = order.files
        self._lock = lock
        self._base = base
        self._warm_module = warm_module
        self._labels = labels or {}
        self._passes_signals_on = passes_signals_on
        self._ties = [] if tie is None else [tie]
        self._log = BoundedLog(self._files.run.log, order.log_limit)
        self._usage = Usage(self._files.usage)
        self._log_size = 0
        self._look_s = SHORT_LOOK_S
        self._ending: _Ending | None = None
        self._result = _stamp(self._files.run.result)
        self._result_at_s: float | None = None
        self._adopts = True
        self._missed = 0
        self._child: int | None = None
        self._reader: ResultReader | None = None

    def keep(self) -> None:
        """Run the attempt to its end.

        Side effects:
            The marks of the attempt and the run's log; the process's signal handlers; orphans become its children.
        """
        began_s = time.monotonic()
        self._adopts = adopt_orphans()
        wakeups = Wakeups()
        self._write_start()
        self._files.exit_draft.write_bytes(b" " * _DRAFT_BYTES)
        if self._files.wished_grace_s() is None:
            self._child = self._start_child(wakeups)
            self._write_start()
            status = self._wait(wakeups, began_s)
            self._end_leftovers(wakeups)
            code, number = (status, None) if status >= 0 else (None, -status)
        else:
            self._ending = _Ending("cancelled", began_s)
            code, number = None, int(signal.SIGTERM)
        reason = self._ending.reason if self._ending else self._reason_of_the_machine(code)
        ended_s = time.monotonic()
        self._look_for_result(ended_s)
        result_s = None if self._result_at_s is None else round(self._result_at_s - began_s, 4)
        wall_s = round(ended_s - began_s, 4)
        self._finish_reading(code)
        self._log.cut()
        self._write_exit(ExitRecord(code=code, signal=number, reason=reason, wall_s=wall_s, result_s=result_s))

    # ---------------------------------------------------------------- start

    def _start_child(self, wakeups: Wakeups) -> int:
        log = self._log.open(self._order.attempt_id)
        self._log_size = self._log.size()
        if self._order.reader:
            self._reader = ResultReader(self._order, log_start=self._log_size, base=self._base)
            self._reader.wait_until_ready()
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        if forks(self._base):
            pid = os.fork()
            if pid == 0:
                wakeups.close()
                become_run(self._order, base=self._base, log=log, lock=self._lock, warm_module=self._warm_module)
        else:
            pid = spawn_run(self._order, base=self._base, log=log, lock=self._lock)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        os.close(log)
        return pid

    def _write_start(self) -> None:
        pids = {"keeper": os.getpid(), "child": self._child}
        known = {name: {"pid": pid, "birth": birth_of(pid)} for name, pid in pids.items() if pid is not None}
        order = self._order
        here = {"machine": machine()} if self._child is not None else {}
        limits = {"time_limit_s": order.time_limit_s, "exit_grace_s": order.exit_grace_s, "gpus": order.gpus}
        write_json(self._files.start, {"host": socket.gethostname(), **known, **limits, **here, **self._labels})

    # ---------------------------------------------------------------- wait

    def _wait(self, wakeups: Wakeups, began_s: float) -> int:
        """Return the child's exit status, negative for a signal, having ended it where that was due."""
        limit_s = self._order.time_limit_s
        deadline_s = None if limit_s is None else began_s + limit_s
        while True:
            status = self._reap()
            if status is not None:
                return status
            now_s = time.monotonic()
            if self._ending is None and deadline_s is not None and now_s >= deadline_s:
                self._end("timeout", self._order.grace_s)
            if self._ending is None and now_s >= self._exit_due_s(now_s):
                self._end(NO_EXIT, self._order.grace_s)
            if self._ending is not None and now_s >= self._ending.kill_at_s:
                send(self._below(), signal.SIGKILL)
            self._usage.look(now_s, lambda: [process.pid for process in self._below()])
            ready, numbers = wakeups.wait(self._pause_s(now_s, deadline_s), self._ties)
            self._heed(numbers, untied=bool(ready))

    def _pause_s(self, now_s: float, deadline_s: float | None) -> float:
        """Return the seconds until the next thing that is due, having looked at the log."""
        size = self._log.size()
        grows_fast = size - self._log_size > self._order.log_limit // 16
        self._log_size = self._log.size() if self._log.cut() else size
        self._look_s = SHORT_LOOK_S if grows_fast else min(self._look_s * 1.5, LONG_LOOK_S)
        pause_s = self._look_s
        if self._ending is not None:
            return min(pause_s, max(self._ending.kill_at_s - now_s, _KILL_EVERY_S))
        pause_s = min(pause_s, max(self._exit_due_s(now_s) - now_s, 0.0))
        return pause_s if deadline_s is None else min(pause_s, max(deadline_s - now_s, 0.0))

    def _exit_due_s(self, now_s: float) -> float:
        """Return when a run that has its result must be gone: a result that changes again is not its end yet."""
        grace_s = self._order.exit_grace_s
        if grace_s is None:
            return math.inf
        self._look_for_result(now_s)
        return math.inf if self._result_at_s is None else self._result_at_s + grace_s

    def _look_for_result(self, now_s: float) -> None:
        """Take note of when the run's result appeared or changed; what lay there before the start is none of its."""
        stamp = _stamp(self._files.run.result)
        if stamp is not None and stamp != self._result:
            self._result, self._result_at_s = stamp, now_s

    def _heed(self, numbers: set[int], *, untied: bool) -> None:
        """End the tree where it is wished, or where somebody asks the keeper itself to end."""
        grace_s = self._files.wished_grace_s()
        self._missed = 0 if is_at(self._lock, self._files.lock) else self._missed + 1
        if grace_s is not None:
            self._end("cancelled", grace_s)
        elif self._missed >= MISSED_LIMIT:
            self._end(VANISHED, LEFTOVER_GRACE_S)
        elif untied:
            self._ties = []
            self._end(None, self._order.grace_s)
        elif numbers & {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}:
            self._end(None, self._order.grace_s, tell=self._passes_signals_on)
        elif signal.SIGUSR1 in numbers:  # nobody's wish: a queueing system's warning that it will want the node back
            self._end(None, self._order.grace_s)

    def _end(self, reason: str | None, grace_s: float, *, tell: bool = True) -> None:
        """Ask every process of the tree to end; a later wish may shorten the grace, the first reason stays."""
        kill_at_s = time.monotonic() + grace_s
        if self._ending is not None:
            self._ending.kill_at_s = min(self._ending.kill_at_s, kill_at_s)
            return
        self._ending = _Ending(reason, kill_at_s)
        told = self._below() if tell else []
        send(told, signal.SIGTERM)
        send(told, signal.SIGCONT)

    # ---------------------------------------------------------------- end

    def _reap(self) -> int | None:
        """Collect whatever ended below this process, and return the child's status if it did."""
        found = None
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self._child:
                    found = os.waitstatus_to_exitcode(status)
        return found

    def _reason_of_the_machine(self, code: int | None) -> str | None:
        """Return ``disk_full`` where a run failed while nothing could be written, its own complaint included."""
        if code == 0 or self._files.run.result.exists():
            return None
        try:
            disk = os.statvfs(self._files.run.root)
        except FileNotFoundError:
            return VANISHED
        return DISK_FULL if disk.f_bavail * disk.f_frsize < FULL_BYTES else None

    def _below(self) -> list[psutil.Process]:
        """Return every process of the run: all below this one but the reader of its numbers."""
        reader = self._reader.pid if self._reader is not None else None
        found = {process.pid: process for process in descendants()}
        if not self._adopts:  # what has lost its parent is not below this process any more
            found.update((process.pid, process) for process in processes_of(self._files))
        return [process for process in found.values() if process.pid != reader]

    def _has_children(self) -> bool:
        """Whether anything of the run is left, be it only to be reaped."""
        if not self._adopts:
            return bool(self._below())
        if self._reader is not None:
            return any(child != self._reader.pid for child in children())
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _finish_reading(self, code: int | None) -> None:
        """Have the reader of the run's numbers read what is left, and say it where it fails."""
        if self._reader is None:
            return
        ended = code if self._ending is None else None
        problem = self._reader.finish(code=ended, is_called_off=lambda: self._files.wished_grace_s() is not None)
        if problem and ended == 0 and not self._files.run.result.exists():
            append_line(self._files.run.log, f"{NO_RESULT}{problem}")

    def _end_leftovers(self, wakeups: Wakeups) -> None:
        """End what the command left behind: a run is over when its first process is."""
        self._reap()
        if not self._has_children():
            return
        kill_at_s = time.monotonic() + LEFTOVER_GRACE_S
        if self._ending is not None:
            kill_at_s = min(kill_at_s, self._ending.kill_at_s)
        send(self._below(), signal.SIGTERM)
        while self._has_children():
            if time.monotonic() >= kill_at_s:
                send(self._below(), signal.SIGKILL)
            wakeups.wait(_KILL_EVERY_S)
            self._reap()

    def _write_exit(self, record: ExitRecord) -> None:
        """Write the exit record, into room that was taken before; a failing disk is tried again for a while."""
        line = json.dumps(asdict(record)).encode().ljust(_DRAFT_BYTES - 1) + b"\n"
        until_s = time.monotonic() + _RECORD_PATIENCE_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError):
                descriptor = os.open(self._files.exit_draft, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    os.pwrite(descriptor, line, 0)
                finally:
                    os.close(descriptor)
                self._files.exit_draft.replace(self._files.exit)
                return
            if not is_at(self._lock, self._files.lock):
                return  # nobody is to find a record in a directory that somebody else has made meanwhile
            time.sleep(LONG_LOOK_S)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when the file is written anew; None where there is no regular file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if stat.S_ISREG(found.st_mode) else None
