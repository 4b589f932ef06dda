"""What a person may correct of runs that are over: discard, restore, do again; and why one may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from metta_sweep.errors import Problem
from metta_sweep.nearest import nearest
from metta_sweep.sweep.events import Correction, CorrectionRefused, PointAdded, RunDiscarded, RunRestored, RunRetried
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState


def correction_problems(state: SweepState, corrections: Iterable[Correction]) -> list[Problem]:
    """Return what stands against corrections, one problem a run; empty where all can be recorded."""
    found = [(each, _problem(state, each)) for each in corrections]
    return [Problem(key=each.run_id, message=wrong[0], fix=wrong[1]) for each, wrong in found if wrong is not None]


def new_events(
    state: SweepState, requests: Iterable[PointAdded | Correction]
) -> Iterator[PointAdded | Correction | CorrectionRefused]:
    """Yield what is to be recorded of requests that were left, each once however often it is read.

    Each event is applied to the state before the next one is asked for.
    """
    for request in requests:
        if state.has_request(request.id):
            continue
        problems = [] if isinstance(request, PointAdded) else correction_problems(state, [request])
        if problems and not isinstance(request, PointAdded):
            yield CorrectionRefused(id=request.id, run_id=request.run_id, message=problems[0].message)
        else:
            yield request


def _problem(state: SweepState, correction: Correction) -> tuple[str, str] | None:
    """Return what is wrong and what to do about it."""
    run = state.runs.get(correction.run_id)
    if run is None:
        return "there is no such run", _near(state, correction.run_id)
    if isinstance(correction, RunRestored):
        return None if run.discarded is not None else ("it is not discarded", _listed("discarded", _discarded(state)))
    wanted = "discarded" if isinstance(correction, RunDiscarded) else "done again"
    if not run.state.is_over:
        fix = "wait for its end, or stop the sweep with its runs first" if run.state is RunState.RUNNING else ""
        return f"it is {run.state}, only a run that is over is {wanted}", fix
    if isinstance(correction, RunDiscarded) and run.discarded is not None:
        return f"it is discarded already: {run.discarded}", "--undo has it counted again"
    if isinstance(correction, RunRetried) and correction.seed is not None and state.spec.common_seeds:
        return "all points are run with the same seeds (common_seeds), and another one would not compare", ""
    goes_on = isinstance(correction, RunRetried) and correction.seed is None and run.state is RunState.FAILED
    if state.created is not None and state.created.shared and not goes_on:
        return "several machines share this sweep, and the others would go on with what it gave", ""
    return None


def _discarded(state: SweepState) -> list[str]:
    return [run.run_id for run in state.runs.values() if run.discarded is not None]


def _near(state: SweepState, run_id: str) -> str:
    near = nearest(run_id, state.runs)
    return f"did you mean {near}?" if near else f"name one of its {len(state.runs)} runs, {state.spec.name}.r.K"


def _listed(what: str, run_ids: Sequence[str]) -> str:
    return f"{what}: {', '.join(run_ids) or 'none'}"


def in_words(correction: Correction) -> str:
    """Return what comes of it, one line."""
    if isinstance(correction, RunDiscarded):
        return f"{correction.run_id}: discarded ({correction.why})"
    if isinstance(correction, RunRetried):
        seed = "" if correction.seed is None else f" with seed {correction.seed}"
        return f"{correction.run_id}: will be done again{seed}"
    return f"{correction.run_id}: counts again"
