"""One run, as the function that trains sees it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from metta_sweep.result import RunPaths, finish_metrics, report_metrics
from metta_sweep.result.writing import should_stop


class Trial:
    """One run of a sweep: where it reports, asks whether to stop, and keeps its files.

    Args:
        run: The run's directory.
        seed: The run's seed.
        told_to_end: Whether the sweep wants the run to end for another reason than its outlook: it is interrupted, or
            the run's time is over.
        check: Raises where the run is to end; called by :meth:`report` and :meth:`finish`.
        sync: Have the result on disk before it counts.
    """

    def __init__(
        self,
        run: RunPaths,
        *,
        seed: int,
        told_to_end: Callable[[], bool] | None = None,
        check: Callable[[], None] | None = None,
        sync: bool = True,
    ) -> None:
        self.run_dir: Path = run.root
        """The run's directory: checkpoints and whatever else is to be kept go there."""
        self.run_id: str = run.root.name
        """The run's name, ``NAME.r.K``."""
        self.seed: int = seed
        """The run's seed: each run has its own, and a run that is done again has the same."""
        self._run = run
        self._told_to_end = told_to_end
        self._check = check
        self._sync = sync
        self._began_s = time.monotonic()
        self._last_step: int | None = None
        self._has_finished = False

    @property
    def has_finished(self) -> bool:
        """Whether :meth:`finish` was called."""
        return self._has_finished

    @property
    def last_step(self) -> int | None:
        """The step of the last report; None before the first."""
        return self._last_step

    def report(self, step: int, metrics: Mapping[str, float] | None = None, **more: float) -> None:
        """Report an evaluation on the way: the run's learning curve, by which early stopping judges.

        Args:
            step: Training steps done so far.
            metrics: Values by name, for names that are no Python identifiers.
            **more: Values by name.

        Raises:
            RunEndedError: The run is to end, and has not asked :meth:`should_stop`.
        """
        if self._check is not None:
            self._check()
        since_s = time.monotonic() - self._began_s
        report_metrics({**(metrics or {}), **more}, step=step, run_dir=self.run_dir, time_s=since_s)
        self._last_step = int(step)

    def should_stop(self) -> bool:
        """Return whether the sweep wants this run to end early; save what is to be kept and return then.

        What the function returns after that is no final score.
        """
        return (self._told_to_end is not None and self._told_to_end()) or should_stop(run_dir=self.run_dir)

    def finish(self, metrics: Mapping[str, float] | None = None, *, cost_s: float | None = None, **more: float) -> None:
        """Leave the run's final metrics, instead of returning them.

        Args:
            metrics: Values by name, for names that are no Python identifiers.
            cost_s: What the run cost in seconds; None: the time that the call took.
            **more: Values by name.

        Raises:
            RunEndedError: The run was to end before: what comes after that is no result.
        """
        if self._check is not None:
            self._check()
        finish_metrics({**(metrics or {}), **more}, cost_s=cost_s, run_dir=self.run_dir, sync=self._sync)
        self._has_finished = True
