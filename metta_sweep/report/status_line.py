"""The line under the events of a sweep in a terminal: how far it is, what runs, the best, what failed, what is left."""

from __future__ import annotations

import atexit
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metta_sweep.report.how_far import how_far
from metta_sweep.report.place import HasRunPaths
from metta_sweep.report.wording import duration, number, printable, progress_in_short
from metta_sweep.result import Evaluation, newest_evaluation
from metta_sweep.result.values import as_metric
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState

MOST_NAMED = 4
"""Running runs that are named."""


LATEST_S = 2.0
"""Least seconds between two looks at what the running runs report."""
MOST_CALLS = 100.0
"""A look that takes long is taken less often: it may cost a hundredth of a core."""


def status(state: SweepState, running: Mapping[str, str] | None = None, since_s: float = 0.0) -> RenderableType:
    """Return the line; it is as long as the terminal allows and never wraps.

    Args:
        state: The sweep so far.
        running: How far runs that are alive have come, by run, where that was looked at.
        since_s: Seconds since the last event.
    """
    total, decided = state.spec.rollout_count, len(state.decided_rollouts)
    unspent = state.counted_rollouts - state.full_rollouts
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=max(1, total), completed=decided - unspent, width=12, complete_style="green"),
        Text(
            " · ".join(_parts(state, decided, total, unspent, running or {}, since_s)),
            no_wrap=True,
            overflow="ellipsis",
        ),
    )
    return Group(line)


def _parts(
    state: SweepState, decided: int, total: int, unspent: float, running: Mapping[str, str], since_s: float
) -> list[str]:
    done, elapsed_s = decided - unspent, state.elapsed_s + since_s
    left = f", about {duration(elapsed_s / done * (total - done))} to go" if 0 < done < total else ""
    parts = [progress_in_short(decided, total, unspent), f"{duration(elapsed_s)}{left}"]
    if state.live_runs:
        parts.append(_running(state, running))
    unknown = [run.attempts[-1].unknown for run in state.live_runs if run.attempts[-1].unknown]
    if unknown:
        parts.append(f"{len(unknown)} not known: {printable(unknown[0])}")
    if state.confirmation is not None and any(run.confirms for run in state.live_runs):
        parts.append(f"confirming the best {len(state.confirmation.rollouts)}")
    best = state.incumbent
    if best is not None and best.metric is not None:
        parts.append(f"best {printable(state.spec.metric)} {number(best.metric)}")
    elif state.front:
        parts.append(f"front of {len(state.front)}")
    elif state.spec.bounds and state.has_score:
        parts.append(f"none keeps {printable(' and '.join(map(str, state.spec.bounds)))}")
    failures = Counter(failure.kind for rollout in state.decided_rollouts if (failure := state.failure_of(rollout)))
    return parts + [f"{amount} {kind}" for kind, amount in failures.most_common()]


def _running(state: SweepState, told: Mapping[str, str]) -> str:
    """Return ``2 running (r.3, step 640 of 2048; r.4, loading torch)``."""
    live = state.live_runs
    named = [", ".join(filter(None, (_short(run), told.get(run.run_id)))) for run in live[:MOST_NAMED]]
    more = [f"{len(live) - MOST_NAMED} more"] if len(live) > MOST_NAMED else []
    return f"{len(live)} running ({'; '.join([*named, *more])})"


def _short(run: Run) -> str:
    return f"r.{run.run_id.rpartition('.')[2]}"


def told_of_running(state: SweepState, paths: HasRunPaths) -> dict[str, str]:
    """Return how far the runs that are named on the line have come, and their newest metric."""
    live = state.live_runs[:MOST_NAMED]
    newest = {run.run_id: newest_evaluation(paths.run(run.run_id), *state.spec.read_metrics) for run in live}
    return {run.run_id: _told(state, run, newest[run.run_id], paths) for run in live}


def _told(state: SweepState, run: Run, newest: Evaluation | None, paths: HasRunPaths) -> str:
    value = as_metric(state.spec.value_in(newest.metrics)) if newest is not None else None
    reported = f", {number(value)}" if value is not None else ""
    return f"{how_far(state, run, newest, paths.run(run.run_id))}{reported}"


class StatusLine:
    """Keeps the line at the bottom of a terminal; does nothing anywhere else."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self._console = console
        self._enabled = enabled and console.is_terminal
        self._live: Live | None = None
        self._running: Mapping[str, str] = {}
        self._next_s = 0.0
        self._seen = (-1.0, 0.0)

    def tick(self, state: SweepState, paths: HasRunPaths, now_s: float) -> None:
        """Redraw the line with what runs report, from time to time; does nothing before the line is there.

        Args:
            state: The sweep so far.
            paths: Finds the directory of a run.
            now_s: Seconds that only go forward.
        """
        if self._live is None or now_s < self._next_s or not state.live_runs:
            return
        began_s = time.process_time()
        self._running = told_of_running(state, paths)
        if state.elapsed_s != self._seen[0]:
            self._seen = (state.elapsed_s, now_s)
        self.show(state, now_s - self._seen[1])
        spent_s = time.process_time() - began_s
        self._next_s = now_s + max(LATEST_S, MOST_CALLS * spent_s)

    def show(self, state: SweepState, since_s: float = 0.0) -> None:
        """Redraw the line, so many seconds after the last event."""
        if not self._enabled:
            return
        if self._live is None:
            self._live = Live(
                console=self._console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            atexit.register(self.close)
        self._live.update(status(state, self._running, since_s), refresh=True)

    def close(self) -> None:
        """Take the line away and give the terminal back; a second call does nothing."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self.close)
