"""The controller's side of a shared sweep: reads what the mirror wrote, and goes on alone where that grows old."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.runs import RunDirectories
from metta_sweep.sweep.events import RolloutCeded, RolloutSuggested, from_json
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import Rollout, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.labels import number_of
from metta_sweep.track.ranges import machine_of
from metta_sweep.track.share.board import Board
from metta_sweep.track.share.claims import alone_number

GLANCE_S = 0.5
"""Seconds between two looks at the board."""

PATIENCE_S = 30.0
"""Seconds without news of the others after which this machine goes on alone."""


class BoardPeers:
    """Other machines of the sweep, as the mirror's board tells of them; implements the port ``Peers``."""

    def __init__(
        self,
        paths: SweepPaths,
        recorder: Recorder,
        *,
        center: Mapping[str, Any],
        gone_after_s: float,
        is_mirrored: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the board of ``paths`` from now on; what an earlier mirror wrote is passed over.

        Args:
            paths: The sweep.
            recorder: Takes what others have finished.
            center: The point at which a search begins.
            gone_after_s: Seconds of silence after which other machines are not counted on any more.
            is_mirrored: Whether there is a mirror at all; without one nobody is waited for.
            clock: Seconds that only go forward.
        """
        self._paths = paths
        self._recorder = recorder
        self._center = center
        self._gone_after_s = gone_after_s
        self._patience_s = PATIENCE_S if is_mirrored else 0.0
        self._clock = clock
        self._board: Board | None = None
        self._heard_s = clock()
        self._glanced_s = -GLANCE_S
        self._was_alone = not is_mirrored
        left = Board.read(paths)
        self._stale_beat = None if left is None else left.beat

    # ---------------------------------------------------------------- what the loop asks

    def is_known(self) -> bool:
        """Whether the others were heard of, or are not waited for any more."""
        return self._board is not None or self._is_alone

    def claim(self, state: SweepState) -> int | None:
        """Return a number that was claimed for this machine, or one of its own range while it is alone."""
        used = {number_of(rollout.run_ids[0]) for rollout in state.rollouts}
        in_hand = self._board.in_hand if self._board is not None else ()
        claimed = next((number for number in in_hand if number not in used), None)
        if claimed is not None or not self._is_alone:
            return claimed
        is_left = state.full_rollouts + self._counted_on + 1.0 <= state.spec.rollout_count
        return self.own_number(state) if is_left else None

    def own_number(self, state: SweepState) -> int:
        """Return the next number of this machine's own range.

        Raises:
            ValueError: The journal is empty.
        """
        if state.created is None:
            raise ValueError("nobody has asked for this sweep yet")
        return alone_number(machine_of(state.created), len(state.runs))

    def points(self) -> Sequence[Mapping[str, Any]]:
        """Return the points that others are evaluating, as far as they are known or can be told."""
        if self._board is None:
            return ()
        return [*self._board.points, *([self._center] if self._board.is_first_elsewhere else [])]

    @property
    def _is_alone(self) -> bool:
        return self._clock() - self._heard_s >= self._patience_s

    @property
    def _counted_on(self) -> int:
        """Return how many rollouts others are still held to be doing."""
        is_fresh = self._clock() - self._heard_s < self._gone_after_s
        return len(self._board.elsewhere) if self._board is not None and is_fresh else 0

    # ---------------------------------------------------------------- between two turns

    def tick(self) -> None:
        """Read the board where it is time, and record what others have finished or taken over."""
        now_s = self._clock()
        if now_s - self._glanced_s < GLANCE_S:
            return
        self._glanced_s = now_s
        board = Board.read(self._paths)
        known = self._stale_beat if self._board is None else self._board.beat
        if board is not None and board.beat != known:
            self._tell(self._board, board)
            self._board, self._heard_s = board, now_s
            for finished in board.finished:
                self._take_in(finished)
            self._cede(board.ceded)
        self._tell_of_being_alone()

    def _take_in(self, finished: Mapping[str, Any]) -> None:
        """Record another machine's rollout, and keep its configs so that its runs can be repeated here."""
        state = self._recorder.state
        suggested, *rest = (from_json(event) for event in finished["events"])
        if not isinstance(suggested, RolloutSuggested) or suggested.runs[0].run_id in state.runs:
            return
        self._recorder.record_together(replace(suggested, rollout=len(state.rollouts)), *rest)
        directories, shown = RunDirectories(self._paths), {"origin": suggested.suggestion.origin}
        for run_id, config in finished["configs"].items():
            found = {"run": run_id, "machine": suggested.machine, **shown, "params": dict(suggested.suggestion.params)}
            directories.prepare(run_id, config=config, suggestion=found)

    def _cede(self, numbers: Sequence[int]) -> None:
        """Leave to others what they have taken over, unless it is running here."""
        state = self._recorder.state
        for rollout in state.open_rollouts:
            if number_of(rollout.run_ids[0]) in numbers and not _is_running(state, rollout):
                self._recorder.record(RolloutCeded(rollout=rollout.index))

    def _tell(self, before: Board | None, now: Board) -> None:
        if before is None and not now.machines:
            self._recorder.note("sharing this sweep: no other machine is at work yet")
        elif before is None or list(before.machines) != list(now.machines):
            self._recorder.note(f"sharing this sweep with: {', '.join(now.machines) or 'nobody any more'}")

    def _tell_of_being_alone(self) -> None:
        if self._is_alone and not self._was_alone:
            self._recorder.note("no news of other machines: going on alone, to be merged when W&B is back")
        self._was_alone = self._is_alone


def _is_running(state: SweepState, rollout: Rollout) -> bool:
    return any(run.state is RunState.RUNNING for run in state.runs_of(rollout))
