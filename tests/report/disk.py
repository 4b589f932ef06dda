"""Told sweeps on disk, as a controller would have left them."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.result import report_metrics
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import to_json
from tests.factories import History


def kept(history: History, data_dir: Path) -> SweepPaths:
    """Return the paths of a sweep on disk that has this history."""
    paths = SweepPaths(data_dir, history.name)
    journal = SqliteJournal.open(paths, create=True)
    journal.append([to_json(event) for event in history.events])
    journal.close()
    return paths


def evaluated(paths: SweepPaths, run_id: str, *values: float, metric: str = "reward") -> None:
    """Write a run's evaluations, 512 steps apart."""
    run = paths.run(run_id)
    run.root.mkdir(parents=True, exist_ok=True)
    for number, value in enumerate(values, 1):
        report_metrics({metric: value}, step=512 * number, run_dir=run.root)
