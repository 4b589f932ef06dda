"""What the sweep command itself prints: one readable line an event, and a short block at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.text import Text

from metta_sweep.report.confirmed import in_short
from metta_sweep.report.narration import Line, Narrator, Tone, opening
from metta_sweep.report.next_step import next_step
from metta_sweep.report.place import HasRunPaths, Place
from metta_sweep.report.rows import SweepRows, rows_of
from metta_sweep.report.status_line import StatusLine
from metta_sweep.report.stopped_early import saved_in_words
from metta_sweep.report.text import mean_of, totals
from metta_sweep.report.tradeoff import front_in_short, front_lines, measured, no_best
from metta_sweep.report.wording import duration, printable
from metta_sweep.sweep.events import AttemptStarted, AttemptSubmitted, Event, RunFinished, SweepAsked, SweepStopped
from metta_sweep.sweep.records import Observation
from metta_sweep.sweep.state import SweepState

MOST_EVIDENCE = 40
"""Lines of a log that are shown where a sweep has failed."""

_STYLES = {Tone.PLAIN: "", Tone.QUIET: "dim", Tone.GOOD: "green", Tone.BEST: "bold green", Tone.BAD: "red"}


class Progress:
    """Listens to a sweep and prints it; the only state it keeps is what it has said."""

    def __init__(
        self,
        console: Console,
        *,
        paths: HasRunPaths | None = None,
        place: Place | None = None,
        status_line: bool = True,
    ) -> None:
        """Print to a console.

        Args:
            console: Where to; lines are wrapped in a terminal and left whole elsewhere.
            paths: Finds the directory of a run; without it the final block names no file.
            place: Where the reader stands; by default this process's working directory and interpreter.
            status_line: Whether a terminal shows a line of totals under the events.
        """
        self._console = console
        self._place = place or (Place.here(paths) if paths is not None else None)
        self._best: Observation | None = None
        self._started: set[str] = set()
        self._notes: set[str] = set()
        self._began = False
        self._status = StatusLine(console, enabled=status_line)

    def begin(self, state: SweepState) -> None:
        """Say what there is before the first event, where a sweep goes on; saying it is optional."""
        if state.is_empty:
            return
        self._best = state.incumbent
        if state.rollouts:
            self._say(opening(state))
            self._began = True

    def on_event(self, event: Event, state: SweepState) -> None:
        """Print the event; it is already in the state."""
        if not self._is_known(event):
            self._say(Narrator(state=state, said=self._notes, best_before=self._best).lines(event))
        self._began = True
        self._best = state.incumbent
        if isinstance(event, RunFinished):
            self._notes.update(event.notes)
        if isinstance(event, SweepStopped):
            self.close()
            self._say(closing(state, self._place))
        elif not isinstance(event, SweepAsked):
            # A request may still turn out to be wrong; its message must not meet the line.
            self._status.show(state)

    def tick(self, state: SweepState, now_s: float) -> None:
        """Bring the line of totals up to what the running runs report; ``now_s`` only goes forward."""
        if self._place is not None:
            self._status.tick(state, self._place.paths, now_s)

    def on_note(self, text: str) -> None:
        """Print something that is not a fact of the sweep."""
        self._say([Line(text=printable(text), tone=Tone.QUIET, whole="`" in text)])  # a command is in it

    def close(self) -> None:
        """Give the terminal back; whoever made the listener calls it at the end, however that comes."""
        self._status.close()

    def _is_known(self, event: Event) -> bool:
        """Return whether the event adds nothing to what was said: a job of a start, a request of an opening."""
        if isinstance(event, AttemptStarted):
            self._started.add(event.run_id)
        if isinstance(event, SweepAsked):
            return self._began
        return isinstance(event, AttemptSubmitted) and event.run_id in self._started

    def _say(self, lines: Iterable[Line]) -> None:
        for line in lines:
            text = Text(line.text, style=_STYLES[line.tone])
            clipped = line.clipped and self._console.is_terminal
            self._console.print(
                text,
                soft_wrap=line.whole or not self._console.is_terminal,
                no_wrap=clipped or None,
                overflow="ellipsis" if clipped else None,
                highlight=False,
            )


def closing(state: SweepState, place: Place | None) -> Iterator[Line]:
    """Yield the last words: what came out, where it lies, what to type next."""
    rows = rows_of(state)
    yield Line(text="")
    yield from _evidence(rows)
    best = rows.best_run
    if rows.front:
        yield Line(text=f"{front_in_short(rows)}:", tone=Tone.BEST)
        yield from (Line(text=f"  {line}") for line in front_lines(rows))
    elif best is None or best.metric is None:
        yield Line(text=no_best(rows) or "no run has a score", tone=Tone.BAD)
    else:
        said = "best, confirmed" if rows.winner is not None else "best"
        yield Line(text=f"{said}: {best.run_id}, {measured(rows.spec, best.metrics)}", tone=Tone.BEST)
    if rows.winner is not None and rows.verdict is not None:
        yield Line(text=f"on fresh seeds: {in_short(rows.verdict, rows.winner)}", tone=Tone.BEST)
    elif rows.best_rollout is not None and len(rows.best_rollout.runs) > 1:
        yield Line(text=f"best mean: {mean_of(rows.best_rollout)} (rollout {rows.best_rollout.index})")
    if place is not None and best is not None:
        yield Line(text=f"config: {place.show(place.paths.run(best.run_id).used_config())}")
    yield Line(text=f"runs: {totals(rows)}; {duration(rows.elapsed_s)} of sweep time, {duration(rows.cost_s)} of runs")
    if saved := saved_in_words(rows):
        yield Line(text=f"early stopping: {saved}")
    if place is not None:
        step = next_step(rows, place)
        yield Line(text=f"next, {step.purpose}:")
        yield Line(text=f"  {step.command}", whole=True)


def _evidence(rows: SweepRows) -> Iterator[Line]:
    """Yield the one traceback of a sweep that stopped because its runs cannot succeed."""
    if rows.stopped is None or rows.stopped.rule != "failed":
        return
    most = max(rows.failures, key=lambda row: len(row.run_ids) + row.retried, default=None)
    if most is None or not most.detail.strip():
        return
    yield Line(text=f"what the last failure left in its log ({most.kind}):", tone=Tone.BAD)
    shown = most.detail.rstrip().splitlines()
    if len(shown) > MOST_EVIDENCE:
        yield Line(text=f"  … {len(shown) - MOST_EVIDENCE} lines before", tone=Tone.QUIET)
    yield from (Line(text=f"  {printable(line)}", whole=True) for line in shown[-MOST_EVIDENCE:])
    yield Line(text="")
