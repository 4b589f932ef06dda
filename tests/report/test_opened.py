"""A sweep opened from a script: what it shows, and that it only reads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from metta_sweep import Sweep
from metta_sweep.errors import RequestError
from tests.factories import History, guide_history
from tests.report.disk import kept
from tests.report.test_summary import busy_history


def test_a_notebook_reads_a_sweep_as_a_frame_with_a_row_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    kept(busy_history(), tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    frame = Sweep.open("my_test").frame()
    assert list(frame["run"]) == [f"my_test.r.{k}" for k in range(8)]
    assert frame["metric"].max() == 0.9
    assert frame["param.trainer.batch_size"].iloc[0] == 64


def test_its_best_rollout_and_its_suggestions_are_those_of_the_journal(tmp_path: Path) -> None:
    history = guide_history()
    kept(history, tmp_path)
    sweep = Sweep.open("run=my_test", data_dir=str(tmp_path))
    assert sweep.state.spec == history.state.spec
    assert (sweep.best.mean, sweep.best.best.run_id) == (3.89, "my_test.r.2")
    assert sweep.best.params == sweep.suggestions()[2].params
    assert len(sweep.suggestions()) == 3
    assert repr(sweep) == "<Sweep my_test: 3 of 3 rollouts, maximize reward>"


def test_a_sweep_without_a_score_has_no_best(tmp_path: Path) -> None:
    kept(History().suggest().start(0).fail(0), tmp_path)
    assert Sweep.open("my_test", data_dir=tmp_path).best is None


def test_an_unknown_sweep_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    kept(History(), tmp_path)
    with pytest.raises(RequestError, match="my_test"):
        Sweep.open("my_tets", data_dir=tmp_path)


@pytest.mark.slow
def test_opening_writes_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    kept(guide_history(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    code = (
        f"import sys; from metta_sweep import Sweep; Sweep.open('my_test', data_dir={str(tmp_path)!r}).best\n"
        "print([name for name in ('torch', 'hydra', 'omegaconf', 'wandb', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {path: path.stat().st_mtime_ns for path in before} == before
