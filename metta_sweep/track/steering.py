"""The sweep's state at W&B: what a person sets there is heard here, and what happens here is shown there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from metta_sweep.sweep.ports import Instruction
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.link import SOURCE
from metta_sweep.track.register import sweep_at

LOOK_S = 15.0
"""Seconds between two looks at the sweep's state there."""

RUNNING, PAUSED, FINISHED, CANCELED = "RUNNING", "PAUSED", "FINISHED", "CANCELED"

MEANING = {
    RUNNING: Instruction.WORK,
    PAUSED: Instruction.PAUSE,
    FINISHED: Instruction.STOP,
    CANCELED: Instruction.STOP_NOW,
}
"""What a person asks for who sets the state there: resume, pause, stop and cancel."""

GOES_ON = frozenset({"stopped", "interrupted", "failed"})
"""Stop rules after which the same command goes on: the sweep waits, it is not finished."""

_SET = """
mutation UpsertSweep($id: ID, $state: String, $entityName: String, $projectName: String) {
  upsertSweep(input: {id: $id, state: $state, entityName: $entityName, projectName: $projectName}) {
    sweep { name }
  }
}
"""
_log = logging.getLogger("metta_sweep.track")


def state_here(state: SweepState) -> str:
    """Return the state that W&B is to show of the sweep."""
    last = state.instructed
    if state.stopped is None:
        is_paused = last is not None and last.instruction == Instruction.PAUSE
        return PAUSED if is_paused else RUNNING
    if last is not None and last.source == SOURCE and last.instruction in (Instruction.STOP, Instruction.STOP_NOW):
        return FINISHED if last.instruction == Instruction.STOP else CANCELED
    return PAUSED if state.stopped.rule in GOES_ON else FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What follows from a look."""

    heard: Instruction | None = None
    """What a person asked for there."""
    push: str = ""
    """The state to set there."""


def decide(*, here: str, before: str, there: str, known: str) -> Decision:
    """Return what follows from the states on both sides.

    Args:
        here: What W&B is to show.
        before: What it was to show at the last look; empty at the first.
        there: What it shows.
        known: What it showed at the last look, or was set to; empty where nobody has looked since the sweep started.
    """
    if known and there != known and there in MEANING:
        return Decision(heard=MEANING[there])
    if here != before and here != there:
        return Decision(push=here)
    return Decision()


class Steering:
    """Keeps the state of one sweep the same on both sides."""

    def __init__(self, graphql: GraphQL, sweep_id: str, *, known: str, hear: Callable[[Instruction], None]) -> None:
        """Steer the sweep ``sweep_id``; ``known`` is the state that an earlier mirror of this start left."""
        self._graphql = graphql
        self._sweep_id = sweep_id
        self._hear = hear
        self._before = known
        self._looked_s = -LOOK_S
        self.known = known
        """The state there, as it was seen or set last."""

    def turn(self, state: SweepState, *, listens: bool = True, joins: bool = False) -> None:
        """Look where it is time or something has changed here.

        Args:
            state: The sweep.
            listens: Whether somebody here can do what is asked there.
            joins: Whether other machines are at work on the sweep: its start here is no reason to change its state.

        Raises:
            TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
        """
        here, now_s = state_here(state), time.monotonic()
        if here == self._before and now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        found = sweep_at(self._graphql, self._sweep_id)
        if found is None:
            raise TryLaterError("the sweep is not there any more")
        there = str(found["state"]).upper()
        known = self.known or (RUNNING if joins else "")
        decision = decide(here=here, before=self._before, there=there, known=known if listens else "")
        if decision.push:
            self._set(str(found["id"]), decision.push)
        elif decision.heard is not None:
            _log.info("asked at W&B: %s", decision.heard)
            self._hear(decision.heard)
        self.known, self._before = decision.push or there, here

    def _set(self, internal_id: str, state: str) -> None:
        place = {"entityName": self._graphql.entity, "projectName": self._graphql.project}
        self._graphql.ask(_SET, id=internal_id, state=state, **place)
