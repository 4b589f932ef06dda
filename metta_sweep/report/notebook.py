"""A sweep in a notebook: one table under the cell that shows how it stands, at most once a second."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from metta_sweep.report.live import Moment, live_view
from metta_sweep.report.place import Place
from metta_sweep.result import Evaluation, newest_evaluation
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import Event, SweepStopped
from metta_sweep.sweep.state import SweepState

EVERY_S = 1.0
"""Least seconds between two pictures."""

WIDTH = 110
"""Columns of the table."""

_FRAME = '<pre style="line-height:1.35;font-family:monospace;white-space:pre;overflow-x:auto">{code}</pre>'


def is_notebook() -> bool:
    """Return whether this process is the kernel of a notebook; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class NotebookTable:
    """Listens to a sweep and keeps one output of the notebook up to date. Made where the output is to be."""

    def __init__(self, paths: SweepPaths) -> None:
        from IPython.display import HTML, display

        self._paths = paths
        self._html = HTML
        self._handle: Any = display(HTML(_FRAME.format(code="the sweep begins …")), display_id=True)
        self._state: SweepState | None = None
        self._shown_s = float("-inf")
        self._notes: list[str] = []

    def begin(self, state: SweepState) -> None:
        """Show what there is."""
        if not state.is_empty:
            self._show(state)

    def on_event(self, event: Event, state: SweepState) -> None:
        """Take note of the state; the last one is shown at once."""
        self._state = state
        if isinstance(event, SweepStopped):
            self._show(state, controller="")

    def on_note(self, text: str) -> None:
        """Say something beside the table."""
        self._notes.append(text)

    def tick(self, state: SweepState, now_s: float) -> None:
        """Show how it stands, not too often."""
        if now_s - self._shown_s >= EVERY_S:
            self._shown_s = now_s
            self._show(state)

    def close(self) -> None:
        """Show it for the last time."""
        if self._state is not None:
            self._show(self._state, controller="")

    def _show(self, state: SweepState, controller: str = "this notebook") -> None:
        place = Place.here(self._paths, controller=controller)
        moment = Moment(place=place, latest=self._latest(state), is_left_by_hand=not controller)
        console = Console(record=True, file=io.StringIO(), width=WIDTH, force_jupyter=False)
        console.print(live_view(state, moment))
        for note in self._notes[-3:]:
            console.print(note, markup=False, highlight=False, style="dim")
        self._handle.update(self._html(console.export_html(inline_styles=True, code_format=_FRAME)))

    def _latest(self, state: SweepState) -> Mapping[str, Evaluation]:
        metric = state.spec.metric
        found = {run.run_id: newest_evaluation(self._paths.run(run.run_id), metric) for run in state.live_runs}
        return {run_id: newest for run_id, newest in found.items() if newest is not None}
