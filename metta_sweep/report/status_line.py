"""The line under the events of a sweep in a terminal: how far it is, what runs, the best, what failed, what is left."""

from __future__ import annotations

import atexit
from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from metta_sweep.report.wording import duration, number, printable
from metta_sweep.sweep.state import SweepState

MOST_NAMED = 4
"""Running runs that are named."""


def status(state: SweepState) -> RenderableType:
    """Return the line; it is as long as the terminal allows and never wraps."""
    total, decided = state.spec.rollout_count, len(state.decided_rollouts)
    line = Table.grid(padding=(0, 1))
    line.add_row(
        ProgressBar(total=max(1, total), completed=decided, width=12, complete_style="green"),
        Text(" · ".join(_parts(state, decided, total)), no_wrap=True, overflow="ellipsis"),
    )
    return Group(line)


def _parts(state: SweepState, decided: int, total: int) -> list[str]:
    left = f", about {duration(state.elapsed_s / decided * (total - decided))} to go" if 0 < decided < total else ""
    parts = [f"{decided}/{total}{left}"]
    running = [run.run_id.rpartition(".")[2] for run in state.live_runs]
    if running:
        more = f" and {len(running) - MOST_NAMED} more" if len(running) > MOST_NAMED else ""
        parts.append(f"running {', '.join(running[:MOST_NAMED])}{more}")
    best = state.incumbent
    if best is not None and best.metric is not None:
        parts.append(f"best {printable(state.spec.metric)} {number(best.metric)}")
    failures = Counter(failure.kind for rollout in state.decided_rollouts if (failure := state.failure_of(rollout)))
    parts += [f"{amount} {kind}" for kind, amount in failures.most_common()]
    return [*parts, f"{duration(state.total_cost_s)} of runs"]


class StatusLine:
    """Keeps the line at the bottom of a terminal; does nothing anywhere else."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self._console = console
        self._enabled = enabled and console.is_terminal
        self._live: Live | None = None

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
        self._live.update(status(state), refresh=True)

    def close(self) -> None:
        """Take the line away and give the terminal back; a second call does nothing."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            atexit.unregister(self.close)
