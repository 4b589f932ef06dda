"""Everything that a report shows, read once: the only part of it that touches the disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metta_sweep.errors import RequestError
from metta_sweep.report.advice import advice
from metta_sweep.report.best import Winner, winner_of
from metta_sweep.report.html.run_figures import runs_to_draw
from metta_sweep.report.next_step import confirm_command
from metta_sweep.report.place import Place
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.rows import SweepRows, rows_of
from metta_sweep.report.second_thoughts import SecondThought, second_thoughts
from metta_sweep.report.surrogate import Surrogate, surrogate_of
from metta_sweep.result import Evaluation, read_evaluations
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.state import SweepState

CURVE_BYTES = 512 * 1024
"""How much is read of each run's evaluations: more points than a figure has pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """One sweep, ready to be shown."""

    state: SweepState
    """Its state."""
    rows: SweepRows
    """The state's rows."""
    place: Place
    """Where the reader stands who types commands, and who controls the sweep."""
    page_dir: Path
    """Folder of the page: links to run directories are relative to it."""
    winner: Winner | None
    """The best rollout, where one has a score."""
    space: SearchSpace | None
    """The search space, where it can still be read."""
    surrogate: Surrogate | None
    """What the model has learned, where there is enough to learn from."""
    second_thoughts: Sequence[SecondThought]
    """What is thought by now of the runs that were stopped early, the most promising first."""
    advice: Sequence[str]
    """What to try next."""
    evaluations: Mapping[str, Sequence[Evaluation]] = field(default_factory=dict)
    """Evaluations of the runs whose learning curves are drawn."""
    run_page: str = ""
    """Address of a run's page with ``{run}`` for its name; empty where a run is linked to its directory."""


def gather_answer(state: SweepState, place: Place, run_page: str) -> Gathered:
    """Return what the answer alone needs: no model is fitted and no file of a run is read.

    Args:
        state: The sweep so far.
        place: Where its controller stands.
        run_page: Address of a run's page with ``{run}`` for its name.
    """
    rows = rows_of(state)
    space, winner = space_of(state.spec), _winner(state, rows, place)
    return Gathered(
        state=state,
        rows=rows,
        place=place,
        page_dir=place.cwd,
        winner=winner,
        space=space,
        surrogate=None,
        second_thoughts=[],
        advice=advice(rows, winner, space, None, place.program),
        run_page=run_page,
    )


def _winner(state: SweepState, rows: SweepRows, place: Place) -> Winner | None:
    try:
        return winner_of(state, rows, place)
    except RequestError:
        return None


def gather(state: SweepState, place: Place, page_dir: Path) -> Gathered:
    """Read what the report of a sweep needs.

    Args:
        state: The sweep so far.
        place: Where the reader stands, and who controls the sweep.
        page_dir: Folder that the page will lie in.

    Side effects:
        Reads the evaluations of at most forty runs.
    """
    rows = rows_of(state)
    space = space_of(state.spec)
    surrogate = surrogate_of(state, space) if space is not None else None
    winner = _winner(state, rows, place)
    return Gathered(
        state=state,
        rows=rows,
        place=place,
        page_dir=page_dir,
        winner=winner,
        space=space,
        surrogate=surrogate,
        second_thoughts=second_thoughts(state, rows, space) if space is not None else [],
        advice=advice(rows, winner, space, surrogate, confirm_command(rows, place)),
        evaluations={
            run.run_id: list(read_evaluations(place.paths.run(run.run_id), CURVE_BYTES)) for run in runs_to_draw(rows)
        },
    )
