"""Attempts whose keeper was killed: what it would have done is done from the controller."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.launch.attempt.processes import birth_of, processes_of, send, signal_exactly
from metta_sweep.result.values import as_cost_s
from metta_sweep.store.files import read_json

_LOOK_EVERY_S = 1.0


class Orphans:
    """Ends attempts that have no keeper any more, when that is wished or their time is over.

    Their exit status is nobody's to see: they end as lost, unless they left a result.

    Args:
        grace_s: Seconds between SIGTERM and SIGKILL at a time limit.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._kill_at_s: dict[AttemptFiles, float] = {}
        self._orphaned_s: dict[AttemptFiles, float] = {}
        self._next_look_s: dict[AttemptFiles, float] = {}
        self._result_seen_s: dict[AttemptFiles, float] = {}

    def mind(self, files: AttemptFiles) -> None:
        """Look after an attempt that runs: cheap, and for most calls nothing."""
        now_s = time.monotonic()
        if now_s >= self._kill_at_s.get(files, float("inf")):
            send(processes_of(files), signal.SIGKILL)
        if now_s >= self._next_look_s.get(files, 0.0):
            self._next_look_s[files] = now_s + _LOOK_EVERY_S
            self._look(files, now_s)

    def _look(self, files: AttemptFiles, now_s: float) -> None:
        """End an attempt that is to be ended, or whose limit has passed since its keeper was first missed."""
        start = read_json(files.start)
        if start is None or files in self._kill_at_s or keeper_is_alive(start):
            return
        since_s = self._orphaned_s.setdefault(files, now_s)
        limit_s, exit_grace_s = as_cost_s(start.get("time_limit_s")), as_cost_s(start.get("exit_grace_s"))
        wished_grace_s = files.wished_grace_s()
        if wished_grace_s is not None:
            self.end(files, wished_grace_s)
        elif limit_s is not None and now_s - since_s >= limit_s:
            self.end(files, self._grace_s)
        elif exit_grace_s is not None and files.run.result.is_file():
            seen_s = self._result_seen_s.setdefault(files, now_s)
            if now_s - seen_s >= exit_grace_s:
                self.end(files, self._grace_s)

    def end(self, files: AttemptFiles, grace_s: float) -> None:
        """Ask every process of the attempt to end; :meth:`mind` ends what is left after the grace."""
        found = processes_of(files)
        send(found, signal.SIGTERM)
        send(found, signal.SIGCONT)
        self._kill_at_s[files] = time.monotonic() + grace_s

    def forget(self, files: AttemptFiles) -> None:
        """Take note that the attempt is over, and end what it left behind."""
        had_no_keeper = [times.pop(files, None) is not None for times in (self._kill_at_s, self._orphaned_s)]
        if any(had_no_keeper):
            send(processes_of(files), signal.SIGKILL)
        self._next_look_s.pop(files, None)
        self._result_seen_s.pop(files, None)

    def close(self) -> None:
        """End at once what has been asked to end."""
        for files in self._kill_at_s:
            send(processes_of(files), signal.SIGKILL)


def tell_keeper(files: AttemptFiles) -> bool:
    """Wake an attempt's keeper up, and return whether there is one on this machine."""
    keeper = _keeper_of(read_json(files.start) or {})
    return keeper is not None and signal_exactly(*keeper, signal.SIGUSR1)


def keeper_is_alive(start: Mapping[str, Any]) -> bool:
    """Return whether the keeper that a start record names lives on this machine."""
    keeper = _keeper_of(start)
    return keeper is not None and birth_of(keeper[0]) == keeper[1]


def _keeper_of(start: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return number and birth of the keeper, where the record says them."""
    keeper = start.get("keeper")
    if isinstance(keeper, Mapping) and isinstance(keeper.get("pid"), int) and isinstance(keeper.get("birth"), str):
        return keeper["pid"], keeper["birth"]
    return None
