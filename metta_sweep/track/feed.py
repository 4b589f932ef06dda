"""The journal as the mirror follows it: read-only, event by event, without holding up its writer."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from metta_sweep.store.damage import unreadable
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.reading import connect_to_read
from metta_sweep.sweep.events import AttemptFailed, AttemptStarted, RunFinished, RunStoppedEarly, from_json
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.facts import Times


class Feed:
    """Follows a sweep's journal; ``state`` is the fold of what was read."""

    def __init__(self, paths: SweepPaths) -> None:
        self._paths = paths
        self._seen = 0
        self.state = SweepState()
        """The sweep, up to the last event read."""
        self._starts: dict[str, list[float]] = {}
        self._ends: dict[str, float] = {}

    def times(self, run_id: str) -> Times:
        """Return when a run's attempts were started and when it ended."""
        return Times(starts=tuple(self._starts.get(run_id, ())), end=self._ends.get(run_id))

    def follow(self) -> bool:
        """Take in what is new and return whether there was anything.

        Raises:
            RequestError: The journal is missing, damaged or newer; the whole of it is checked at the first call.
            UnknownEventError: An event is of a kind that this version does not know.
        """
        new = read_events(self._paths) if self._seen == 0 else self._after(self._seen)
        for stored in new:
            event = from_json(stored)
            self.state.apply(event)
            if isinstance(event, AttemptStarted):
                self._starts.setdefault(event.run_id, []).append(event.at)
            elif isinstance(event, RunFinished | RunStoppedEarly | AttemptFailed):
                self._ends[event.run_id] = event.at
        self._seen += len(new)
        return bool(new)

    def _after(self, seq: int) -> list[dict[str, Any]]:
        query = "SELECT kind, body FROM events WHERE seq > ? ORDER BY seq"
        try:
            with closing(connect_to_read(self._paths.journal)) as connection:
                return [{"kind": kind, **json.loads(body)} for kind, body in connection.execute(query, (seq,))]
        except sqlite3.Error as error:
            raise unreadable(self._paths, error) from error
