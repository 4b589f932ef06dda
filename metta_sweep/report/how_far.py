"""How far a run that is alive has come, in words: ``step 640 of 2048``, ``loading torch``."""

from __future__ import annotations

from metta_sweep.report.wording import number
from metta_sweep.result import Evaluation, RunPaths
from metta_sweep.sweep.judging import length_of
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState


def how_far(state: SweepState, run: Run, newest: Evaluation | None, paths: RunPaths | None = None) -> str:
    """Return how far a run is, by what it reported last, or what it does before it reports anything.

    Args:
        state: The sweep.
        run: A run that is alive.
        newest: Its newest report, where it has one.
        paths: Its directory, where that can be looked at.
    """
    if newest is not None:
        length = length_of(state, run)
        return f"step {number(newest.step)}" + (f" of {number(length)}" if length and length >= newest.step else "")
    return "loading torch" if not state.spec.command and _is_queued(run, paths) else "no report yet"


def _is_queued(run: Run, paths: RunPaths | None) -> bool:
    """Return whether the run's process has not begun: the one that it is forked from is still loading."""
    handle = run.attempts[-1].handle or {}
    known = paths is not None and handle.get("launcher") == "local" and "attempt_id" in handle
    return known and paths is not None and not paths.started(str(handle["attempt_id"])).exists()
