"""The one way in which a fact enters a sweep: onto disk, into the state, to the listeners, in this order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from metta_sweep.sweep.events import Event, from_json, to_json
from metta_sweep.sweep.ports import Clock, Journal
from metta_sweep.sweep.state import SweepState


class Listener(Protocol):
    """Someone who is told what happens; it may show or copy it but not change it."""

    def on_event(self, event: Event, state: SweepState) -> None:
        """Hear of an event that is on disk and in the state."""

    def on_note(self, text: str) -> None:
        """Hear something worth saying that is not a fact of the sweep."""


class Recorder:
    """Owns a sweep's journal and state."""

    def __init__(self, journal: Journal, clock: Clock, listeners: Sequence[Listener] = ()) -> None:
        self._journal = journal
        self._clock = clock
        self._listeners = tuple(listeners)
        self.state = SweepState.fold(from_json(stored) for stored in journal.read())
        """What is known, up to the last recorded event."""
        self._elapsed_before_s = self.state.elapsed_s
        self._began_s = clock.monotonic_s()

    @property
    def elapsed_s(self) -> float:
        """Seconds that controllers have spent on the sweep, this one included."""
        return self._elapsed_before_s + self._clock.monotonic_s() - self._began_s

    def record(self, event: Event) -> None:
        """Stamp the event, store it durably, apply it and tell the listeners."""
        self.record_together(event)

    def record_together(self, *events: Event) -> None:
        """Record events of which none may be stored without the others."""
        now_s, elapsed_s = round(self._clock.now_s(), 3), round(self.elapsed_s, 3)
        stamped = [replace(event, at=now_s, elapsed_s=elapsed_s) for event in events]
        self._journal.append([to_json(event) for event in stamped])
        for event in stamped:
            self.state.apply(event)
            for listener in self._listeners:
                listener.on_event(event, self.state)

    def note(self, text: str) -> None:
        """Tell the listeners something that is not a fact of the sweep."""
        for listener in self._listeners:
            listener.on_note(text)
