import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from metta_sweep.report.watch import Watcher, pause_s, watch
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import to_json
from tests.factories import History, guide_history
from tests.report.disk import evaluated, kept


def once(paths: SweepPaths) -> str:
    file = io.StringIO()
    watch(paths, Console(file=file, width=140), once=True)
    return file.getvalue()


def test_watching_once_shows_the_sweep_and_returns(tmp_path: Path) -> None:
    said = once(kept(guide_history(), tmp_path))
    assert "3/3 rollouts, runs: 3 finished" in said
    assert "best: reward 3.89 (my_test.r.2)" in said


def test_a_view_that_is_printed_once_needs_no_leaving(tmp_path: Path) -> None:
    paths = kept(History().suggest().start(0), tmp_path)
    with SweepLock.acquire(paths):
        assert "In progress" in once(paths)
        assert "Ctrl-C" not in once(paths)


def test_anything_that_is_no_terminal_is_shown_the_view_once(tmp_path: Path) -> None:
    file = io.StringIO()
    watch(kept(guide_history(), tmp_path), Console(file=file, width=140))
    assert "3/3 rollouts" in file.getvalue()


def test_the_newest_metric_of_a_live_run_is_read_from_its_directory(tmp_path: Path) -> None:
    paths = kept(History().suggest().start(0), tmp_path)
    evaluated(paths, "my_test.r.0", 0.1, 0.7654)
    assert "1024  0.7654" in once(paths)


def test_watching_leaves_no_trace(tmp_path: Path) -> None:
    paths = kept(guide_history(), tmp_path)
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    once(paths)
    after = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    assert {p: c for p, c in after.items() if p.suffix not in (".db-wal", ".db-shm")} == before


@given(st.floats(0, 10))
def test_watching_takes_at_most_a_fiftieth_of_a_core(spent_s: float) -> None:
    pause = pause_s(spent_s)
    assert pause >= 1.0
    assert spent_s / (spent_s + pause) <= 0.02 + 1e-9


def test_a_journal_is_read_again_only_where_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History().rollout(0.5)
    paths = kept(history, tmp_path)
    reads = []

    def counted(paths: SweepPaths) -> list[dict[str, Any]]:
        reads.append(paths)
        return read_events(paths)

    monkeypatch.setattr("metta_sweep.report.watch.read_events", counted)
    watcher = Watcher(paths)
    watcher.view(0.0)
    watcher.view(0.0)
    assert len(reads) == 1
    journal = SqliteJournal.open(paths, create=False)
    journal.append([to_json(event) for event in history.suggest().events[-1:]])
    watcher.view(0.0)
    journal.close()
    assert len(reads) == 2
