"""Attempts whose keeper was killed: what it would have done is done from the controller."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Any

from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.launch.attempt.processes import age_s, birth_of, let_go_on, processes_of, send, signal_exactly
from metta_sweep.result.values import as_cost_s
from metta_sweep.store.files import read_json

OVERDUE_S = 5.0
"""Seconds beside the grace after which a keeper that does not end its run at the time limit is helped."""

_LOOK_EVERY_S = 1.0


class Orphans:
    """Ends attempts that have no keeper any more, when that is wished or their time is over.

    Their exit status is nobody's to see: they end as lost, unless they left a result. A keeper that somebody has
    stopped is let go on; one that does not end its run when the time is over is helped.

    Args:
        grace_s: Seconds between SIGTERM and SIGKILL at a time limit.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._kill_at_s: dict[AttemptFiles, float] = {}
        self._orphaned_s: dict[AttemptFiles, float] = {}
        self._next_look_s: dict[AttemptFiles, float] = {}
        self._result_seen_s: dict[AttemptFiles, float] = {}
        self._timed_out: set[AttemptFiles] = set()

    def mind(self, files: AttemptFiles) -> None:
        """Look after an attempt that runs: cheap, and for most calls nothing."""
        now_s = time.monotonic()
        if now_s >= self._kill_at_s.get(files, float("inf")):
            send(processes_of(files), signal.SIGKILL)
        if now_s >= self._next_look_s.get(files, 0.0):
            self._next_look_s[files] = now_s + _LOOK_EVERY_S
            self._look(files, now_s)

    def _look(self, files: AttemptFiles, now_s: float) -> None:
        """End an attempt that is to be ended or whose time is over, where its keeper does not."""
        start = read_json(files.start)
        if start is None or files in self._kill_at_s:
            return
        keeper, wished_grace_s = _process(start, "keeper"), files.wished_grace_s()
        is_kept = keeper is not None and birth_of(keeper[0]) == keeper[1]
        if keeper is not None and is_kept:
            let_go_on(*keeper)
        else:
            self._orphaned_s.setdefault(files, now_s)
        if wished_grace_s is not None and not is_kept:
            self.end(files, wished_grace_s)
        elif self._is_overdue(files, start, now_s, self._grace_s + OVERDUE_S if is_kept else 0.0):
            self._timed_out.add(files)
            self.end(files, self._grace_s)
        elif not is_kept and self._lingers(files, start, now_s):
            self.end(files, self._grace_s)

    def _is_overdue(self, files: AttemptFiles, start: Mapping[str, Any], now_s: float, margin_s: float) -> bool:
        limit_s = as_cost_s(start.get("time_limit_s"))
        return limit_s is not None and self._lived_s(start, files, now_s) >= limit_s + margin_s

    def _lingers(self, files: AttemptFiles, start: Mapping[str, Any], now_s: float) -> bool:
        """Return whether the attempt has had its result for longer than it may."""
        exit_grace_s = as_cost_s(start.get("exit_grace_s"))
        if exit_grace_s is None or not files.run.result.is_file():
            return False
        return now_s - self._result_seen_s.setdefault(files, now_s) >= exit_grace_s

    def _lived_s(self, start: Mapping[str, Any], files: AttemptFiles, now_s: float) -> float:
        """Return for how long the attempt has run; where that cannot be told, since its keeper was first missed."""
        child = _process(start, "child")
        lived_s = age_s(*child) if child is not None else None
        return now_s - self._orphaned_s.get(files, now_s) if lived_s is None else lived_s

    def end_now(self, files: AttemptFiles) -> bool:
        """Kill every process of an attempt whose marks are gone, and return whether there was any."""
        found = processes_of(files)
        send(found, signal.SIGKILL)
        return bool(found)

    def reason_of(self, files: AttemptFiles) -> str:
        """Return why the attempt was ended from here: ``timeout``, or nothing that is known."""
        return "timeout" if files in self._timed_out else ""

    def end(self, files: AttemptFiles, grace_s: float) -> None:
        """Ask every process of the attempt to end; :meth:`mind` ends what is left after the grace."""
        found = processes_of(files)
        send(found, signal.SIGTERM)
        send(found, signal.SIGCONT)
        self._kill_at_s[files] = time.monotonic() + grace_s

    def forget(self, files: AttemptFiles) -> None:
        """Take note that the attempt is over, and end what it left behind."""
        self._timed_out.discard(files)
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
    keeper = _process(read_json(files.start) or {}, "keeper")
    if keeper is None:
        return False
    let_go_on(*keeper)
    return signal_exactly(*keeper, signal.SIGUSR1)


def _process(start: Mapping[str, Any], name: str) -> tuple[int, str] | None:
    """Return number and birth of a process, where the start record says them."""
    found = start.get(name)
    if isinstance(found, Mapping) and isinstance(found.get("pid"), int) and isinstance(found.get("birth"), str):
        return found["pid"], found["birth"]
    return None
