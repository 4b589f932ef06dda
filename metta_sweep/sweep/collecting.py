"""How runs end: what is over is recorded, what is not wanted any more is asked to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metta_sweep.sweep.endings import Left, ending_event, left_by
from metta_sweep.sweep.events import AttemptUnknown
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.ports import Clock, JobState, JobStatus, Launcher, RunStore
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import Run

UNREADABLE_S = 60.0
"""Seconds in which a result that the file system does not let be read is looked at again, before its run is."""

UNKNOWN_S = 10.0
"""Seconds for which a launcher may not know what an attempt does before the person is told."""

RELEASE_MARGIN_S = 2.0
"""Seconds beside the grace in which a cancelled job must be gone."""


class Collector:
    """Sees runs to their end. Owns nothing that the journal does not, but since when it has been waiting."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        launcher: Launcher,
        runs: RunStore,
        clock: Clock,
        settings: LoopSettings,
        fence: Callable[[], None],
    ) -> None:
        self._recorder = recorder
        self._launcher = launcher
        self._runs = runs
        self._clock = clock
        self._settings = settings
        self._fence = fence
        self._asked_to_end: set[tuple[str, int]] = set()
        self._told_to_stop_s: dict[tuple[str, int], float] = {}
        self._unreadable_s: dict[str, float] = {}
        self._unknown_s: dict[str, float] = {}

    def collect(self) -> None:
        """Record the end of every attempt that is over."""
        live = self._recorder.state.live_runs
        for run, status in zip(live, self._launcher.poll(handles_of(live)), strict=True):
            if status.is_over:
                self._record_ending(run, status)
            else:
                self._note_unknown(run, status)

    def _note_unknown(self, run: Run, status: JobStatus) -> None:
        """Record it where the launcher has not known for a while what an attempt does, and where it knows again."""
        attempt, now_s = run.attempts[-1], self._clock.monotonic_s()
        is_unknown = status.state is JobState.UNKNOWN and bool(status.reason)
        if not is_unknown:
            self._unknown_s.pop(run.run_id, None)
        elif now_s - self._unknown_s.setdefault(run.run_id, now_s) < UNKNOWN_S:
            return
        reason = status.reason if is_unknown else ""
        if bool(reason) != bool(attempt.unknown):
            self._recorder.record(AttemptUnknown(run_id=run.run_id, attempt=attempt.number, reason=reason))

    def _record_ending(self, run: Run, status: JobStatus, *, released: bool = False) -> None:
        state, elapsed_s, left = self._recorder.state, self._recorder.elapsed_s, left_by(run, self._runs)
        if left.unreadable and not released and self._is_looked_at_again(run, left, elapsed_s):
            return
        self._unreadable_s.pop(run.run_id, None)
        self._recorder.record(
            ending_event(
                run,
                status,
                self._runs,
                left,
                spec=state.spec,
                elapsed_s=elapsed_s,
                released=released,
                stopped_from=state.is_to_end(run),
            )
        )

    def _is_looked_at_again(self, run: Run, left: Left, elapsed_s: float) -> bool:
        """Return whether to wait for an unreachable file system: the result may be there, and was paid for."""
        if run.run_id not in self._unreadable_s:
            self._recorder.note(
                f"{run.run_id}: its result cannot be read ({left.unreadable}): looking again for a while"
            )
        return elapsed_s - self._unreadable_s.setdefault(run.run_id, elapsed_s) < UNREADABLE_S

    def end_runs(self) -> None:
        """Ask the runs to end that somebody wants to end, or that will not win; the end is recorded once it is seen."""
        state = self._recorder.state
        for run in state.live_runs:
            attempt = run.attempts[-1]
            source, which = state.is_to_end(run), (run.run_id, attempt.number)
            is_ended = bool(source) or run.judgement is not None
            if is_ended and attempt.handle is not None and which not in self._asked_to_end:
                if not source and self._may_end_by_itself(run):
                    continue
                self._fence()
                self._asked_to_end.add(which)
                if source:
                    self._recorder.note(f"{run.run_id}: ending it, as asked at {source}")
                self._launcher.cancel(attempt.handle, self._settings.kill_grace_s)

    def _may_end_by_itself(self, run: Run) -> bool:
        """Return whether a run that looks whether it is to stop has time left to see it."""
        which, now_s = (run.run_id, run.attempts[-1].number), self._clock.monotonic_s()
        if which not in self._told_to_stop_s and not self._runs.ask_to_stop(run.run_id):
            return False
        told_s, grace_s = self._told_to_stop_s.setdefault(which, now_s), self._settings.exit_grace_s
        return grace_s is None or now_s - told_s < grace_s

    def release(self) -> None:
        """End every live run and record it as interrupted, or as finished where its result came first."""
        self._fence()
        grace_s = min(self._settings.kill_grace_s, 3.0)
        for handle in handles_of(self._recorder.state.live_runs):
            self._launcher.cancel(handle, grace_s)
        until_s = self._clock.monotonic_s() + grace_s + RELEASE_MARGIN_S
        while self._recorder.state.live_runs and self._clock.monotonic_s() < until_s:
            live = self._recorder.state.live_runs
            for run, status in zip(live, self._launcher.poll(handles_of(live)), strict=True):
                if status.is_over:
                    self._record_ending(run, status, released=True)
            self._clock.sleep(0.02)


def handles_of(runs: Sequence[Run]) -> list[Mapping[str, Any]]:
    """Return the handles of living runs, in order; an empty one where an attempt has none yet."""
    return [run.attempts[-1].handle or {} for run in runs]
