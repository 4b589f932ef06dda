"""A sweep opened for reading, from a notebook or a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from metta_sweep.invocation import default_data_dir
from metta_sweep.optimize.port import Suggestion
from metta_sweep.report.export import frame, records
from metta_sweep.report.reading import paths_of, state_of
from metta_sweep.report.rows import RolloutRow, rows_of
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sweep:
    """A sweep as its journal tells it at the moment of opening: during the sweep or after it. It writes nothing.

    Example:
        >>> sweep = Sweep.open("my_test")          # doctest: +SKIP
        >>> sweep.best.params                      # doctest: +SKIP
        {'trainer.learning_rate': 0.0031, 'trainer.batch_size': 64, 'trainer.gamma': 0.995}
    """

    paths: SweepPaths
    """Where its files lie: ``sweep.paths.run("my_test.r.2").config``."""
    state: SweepState
    """Everything that is known of it: ``state.spec``, ``state.rollouts``, ``state.runs``, ``state.observations``."""

    @classmethod
    def open(cls, name: str, *, data_dir: Path | str | None = None) -> Sweep:
        """Open a sweep by its name.

        Args:
            name: The sweep's name, ``run=NAME``.
            data_dir: Where sweeps lie; by default ``$DATA_DIR`` or ``train_dir``.

        Raises:
            RequestError: There is no such sweep; the message names those that exist.
            MettaSweepError: The journal is damaged or foreign.
        """
        paths = paths_of(name, default_data_dir() if data_dir is None else Path(data_dir))
        return cls(paths=paths, state=state_of(paths))

    @property
    def best(self) -> RolloutRow | None:
        """The confirmed rollout, or while there is none the one with the best mean; None while none has a score.

        ``best.params``, ``best.mean`` (the metric as you named it), ``best.best.run_id``.
        """
        return rows_of(self.state).best_rollout

    def frame(self) -> pandas.DataFrame:
        """Return one row a run, as ``metta-sweep export`` writes them.

        Raises:
            RequestError: pandas is not installed; the message says how to install it.
        """
        return frame(records(self.state, paths=self.paths))

    def report(self, file: Path | str | None = None) -> Path:
        """Write one HTML file with everything about the sweep, as ``metta-sweep report`` does, and return its path.

        Args:
            file: The file; by default ``report.html`` in the sweep's folder.

        Raises:
            RequestError: plotly is not installed; the message says how to install it.
        """
        from metta_sweep.report.html.writing import default_file, write_report

        path = default_file([self.paths]) if file is None else Path(file)
        write_report([self.paths], path)
        return path

    def suggestions(self) -> Sequence[Suggestion]:
        """Return every point that was suggested, in order, with its origin and what was predicted of it."""
        return [rollout.suggestion for rollout in rows_of(self.state).rollouts]

    def __repr__(self) -> str:
        spec, done = self.state.spec, len(self.state.rollouts)
        return f"<Sweep {spec.name}: {done} of {spec.rollout_count} rollouts, {spec.aim}>"
