"""The line under the events of a sweep in a terminal: how far it is, what runs, the best, what failed, what is left."""

from __future__ import annotations

import atexit
import math
import time
from collections import Counter
from collections.abc import Mapping

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metta_sweep.report.place import HasRunPaths
from metta_sweep.report.wording import duration, number, printable, progress_in_short
from metta_sweep.result import newest_evaluation
from metta_sweep.sweep.state import SweepState

MOST_NAMED = 4
"""Running runs that are named."""


LATEST_S = 2.0
"""Least seconds between two looks at what the running runs report."""
MOST_CALLS = 100.0
"""A look that takes long is taken less often: it may cost a hundredth of a core."""


def status(state: SweepState, latest: Mapping[str, float] | None = None) -> RenderableType:
    """Return the line; it is as long as the terminal allows and never wraps.

    Args:
        state: The sweep so far.
        latest: The newest metric of runs that are alive, by run, where they have reported one.
    """
    total, decided = state.spec.rollout_count, len(state.decided_rollouts)
    unspent = state.counted_rollouts - state.full_rollouts
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=max(1, total), completed=decided - unspent, width=12, complete_style="green"),
        Text(" · ".join(_parts(state, decided, total, unspent, latest or {})), no_wrap=True, overflow="ellipsis"),
    )
    return Group(line)


def _parts(state: SweepState, decided: int, total: int, unspent: float, latest: Mapping[str, float]) -> list[str]:
    done = decided - unspent
    left = f", about {duration(state.elapsed_s / done * (total - done))} to go" if 0 < done < total else ""
    parts = [f"{progress_in_short(decided, total, unspent)}{left}"]
    running = [_running(run.run_id, latest.get(run.run_id)) for run in state.live_runs]
    if running:
        more = f" and {len(running) - MOST_NAMED} more" if len(running) > MOST_NAMED else ""
        parts.append(f"running {', '.join(running[:MOST_NAMED])}{more}")
    unknown = [run.attempts[-1].unknown for run in state.live_runs if run.attempts[-1].unknown]
    if unknown:
        parts.append(f"{len(unknown)} not known: {printable(unknown[0])}")
    if state.confirmation is not None and any(run.confirms for run in state.live_runs):
        parts.append(f"confirming the best {len(state.confirmation.rollouts)}")
    best = state.incumbent
    if best is not None and best.metric is not None:
        parts.append(f"best {printable(state.spec.metric)} {number(best.metric)}")
    failures = Counter(failure.kind for rollout in state.decided_rollouts if (failure := state.failure_of(rollout)))
    parts += [f"{amount} {kind}" for kind, amount in failures.most_common()]
    return [*parts, f"{duration(state.total_cost_s)} of runs"]


def _running(run_id: str, newest: float | None) -> str:
    number_of_run = run_id.rpartition(".")[2]
    return number_of_run if newest is None else f"{number_of_run} ({number(newest)})"


def newest_metrics(state: SweepState, paths: HasRunPaths) -> dict[str, float]:
    """Return the newest metric of the runs that are named on the line, read from their directories."""
    found = {}
    for run in state.live_runs[:MOST_NAMED]:
        newest = newest_evaluation(paths.run(run.run_id), state.spec.metric)
        if newest is not None:
            found[run.run_id] = newest.metrics.get(state.spec.metric, math.nan)
    return {run_id: value for run_id, value in found.items() if math.isfinite(value)}


class StatusLine:
    """Keeps the line at the bottom of a terminal; does nothing anywhere else."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self._console = console
        self._enabled = enabled and console.is_terminal
        self._live: Live | None = None
        self._latest: Mapping[str, float] = {}
        self._next_s = 0.0

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
        self._latest = newest_metrics(state, paths)
        self.show(state)
        spent_s = time.process_time() - began_s
        self._next_s = now_s + max(LATEST_S, MOST_CALLS * spent_s)

    def show(self, state: SweepState) -> None:
        """Redraw the line."""
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
        self._live.update(status(state, self._latest), refresh=True)

    def close(self) -> None:
        """Take the line away and give the terminal back; a second call does nothing."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self.close)
