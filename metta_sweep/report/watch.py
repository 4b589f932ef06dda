"""Watching a sweep from another terminal: read-only, redrawn when its files change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live

from metta_sweep.report.live import Moment, last_line, live_view
from metta_sweep.report.place import Place
from metta_sweep.report.rows import SweepRows, rows_of
from metta_sweep.result import Evaluation, newest_evaluation
from metta_sweep.store.journal import read_events
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState

SHORTEST_PAUSE_S = 1.0
"""Least time between two looks at the files."""
MOST_OF_A_CORE = 0.02
"""Share of a core that watching may take; a large sweep is looked at less often."""


@dataclass(slots=True)
class Watcher:
    """Reads a sweep again and again, and only what changed."""

    paths: SweepPaths
    """The sweep."""
    _stamp: tuple[tuple[int, int], ...] = ()
    _state: SweepState | None = None
    _rows: SweepRows | None = None
    _at_s: float = 0.0

    def view(self, now_s: float, *, once: bool = False) -> RenderableType:
        """Return the view of this moment.

        Args:
            now_s: Seconds since the epoch; for display.
            once: Whether it is printed, and nobody has to leave it.

        Raises:
            MettaSweepError: The journal is damaged or foreign.
        """
        state = self._read()
        held = holder(self.paths)
        since_s = max(0.0, now_s - self._at_s) if held is not None else 0.0
        place = Place.here(self.paths, controller=str(held or ""))
        latest = self._latest(state)
        moment = Moment(place=place, since_last_event_s=since_s, latest=latest, is_left_by_hand=not once)
        return live_view(state, moment, self._rows)

    def last_line(self) -> str:
        """Return what to type next.

        Raises:
            MettaSweepError: The journal is damaged or foreign.
        """
        place = Place.here(self.paths, controller=str(holder(self.paths) or ""))
        return last_line(self._read(), place, self._rows)

    def _read(self) -> SweepState:
        stamp = tuple(map(_stamp, (self.paths.journal, self.paths.journal.with_name(self.paths.journal.name + "-wal"))))
        if self._state is None or stamp != self._stamp:
            events = [from_json(stored) for stored in read_events(self.paths)]
            self._state, self._stamp = SweepState.fold(events), stamp
            self._rows = rows_of(self._state)
            self._at_s = events[-1].at if events else 0.0
        return self._state

    def _latest(self, state: SweepState) -> Mapping[str, Evaluation]:
        found = {
            run.run_id: newest_evaluation(self.paths.run(run.run_id), *state.spec.read_metrics)
            for run in state.live_runs
        }
        return {run_id: newest for run_id, newest in found.items() if newest is not None}


def watch(paths: SweepPaths, console: Console, *, once: bool = False) -> None:
    """Show the sweep until Ctrl-C, or once.

    Args:
        paths: The sweep.
        console: Where to; anything that is not a terminal is shown the view once.
        once: Whether to print the view and return.

    Raises:
        MettaSweepError: The journal is damaged or foreign.
    """
    watcher = Watcher(paths)
    if once or not console.is_terminal:
        _print(watcher, console)
        return
    live = Live(watcher.view(time.time()), console=console, screen=True, auto_refresh=False)
    with suppress(KeyboardInterrupt), live:
        _redraw(watcher, live)
    _print(watcher, console)


def _print(watcher: Watcher, console: Console) -> None:
    console.print(watcher.view(time.time(), once=True))
    console.print(watcher.last_line(), soft_wrap=True, highlight=False, markup=False)


def _redraw(watcher: Watcher, live: Live) -> None:
    while True:
        began_s = time.process_time()
        live.update(watcher.view(time.time()), refresh=True)
        time.sleep(pause_s(time.process_time() - began_s))


def pause_s(spent_s: float) -> float:
    """Return how long to wait after a look that took this many seconds of a core."""
    return max(SHORTEST_PAUSE_S, spent_s * (1 / MOST_OF_A_CORE - 1))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    # A reader may leave an empty log behind, which says nothing.
    return (found.st_mtime_ns, found.st_size) if found.st_size else (0, 0)
