import json
import sys
from pathlib import Path

import pytest

from metta_sweep.commands.cli import main
from metta_sweep.extras import how_to_install
from tests.factories import History, guide_history
from tests.report.disk import kept


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("summarize", "🏆 OVERALL BEST RUN: my_test.r.2"),
        ("explain", "🔎 SUGGESTIONS OF my_test"),
        ("best", "🏆 BEST OF my_test: my_test.r.2"),
        ("watch", "3/3 rollouts"),
        ("export", "my_test.r.2,2,search,finished,2,3.89"),
    ],
)
@pytest.mark.parametrize("name", ["my_test", "run=my_test"])
def test_a_sweep_is_read_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, words: str, name: str
) -> None:
    kept(guide_history(), tmp_path)
    code, said, _ = run(capsys, command, name, "--data-dir", str(tmp_path))
    assert code == 0
    assert words in said


@pytest.mark.parametrize("written", ["{0}", "run={0}", "{0}/", "./lab/sweep/my_test", "lab/sweep/../sweep/my_test"])
def test_a_sweep_is_read_by_its_folder(tmp_path, capsys, monkeypatch, written):
    kept(guide_history(), tmp_path / "lab")
    monkeypatch.chdir(tmp_path)
    folder = written.format(tmp_path / "lab" / "sweep" / "my_test")
    code, said, _ = run(capsys, "best", folder)
    assert (code, "my_test.r.2" in said) == (0, True)


@pytest.mark.parametrize("command", ["summarize", "explain", "best", "watch", "export"])
def test_an_unknown_name_lists_the_sweeps_and_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    kept(guide_history(), tmp_path)
    kept(History(name="other"), tmp_path)
    code, said, problem = run(capsys, command, "my_tets", "--data-dir", str(tmp_path))
    assert code == 2
    assert said == ""
    assert "my_test, other" in problem
    assert "my_test" in problem.partition("fix:")[2]


def test_the_next_command_comes_from_where_the_reader_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(guide_history(), tmp_path / "train_dir")
    monkeypatch.chdir(tmp_path)
    _, said, _ = run(capsys, "summarize", "my_test", "--format", "json")
    assert json.loads(said)["best_run"]["config"] == "train_dir/sweep/my_test/runs/my_test.r.2/config.yaml"


@pytest.mark.parametrize("one", [["1"], ["--rollout", "1"]])
def test_one_rollout_is_explained_by_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], one: list[str]
) -> None:
    kept(guide_history(), tmp_path)
    code, said, _ = run(capsys, "explain", "my_test", *one, "--data-dir", str(tmp_path))
    assert code == 0
    assert said.startswith("Rollout 1: ")
    assert "Rollout 2: " not in said
    code, _, problem = run(capsys, "explain", "my_test", "9", "--data-dir", str(tmp_path))
    assert code == 2
    assert "no rollout 9" in problem


def test_no_winner_is_a_wrong_request_with_a_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(History(), tmp_path)
    code, _, problem = run(capsys, "best", "my_test", "--data-dir", str(tmp_path))
    assert code == 2
    assert "no rollout with a score yet" in problem


@pytest.mark.slow
def test_a_report_is_written_for_one_sweep_or_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(guide_history(), tmp_path)
    kept(History(name="other").rollout(0.5), tmp_path)
    code, said, _ = run(capsys, "report", "my_test", "--watch", "--data-dir", str(tmp_path))
    assert code == 0
    assert f"{tmp_path}/sweep/my_test/report.html" in said
    assert "The best reward" in (tmp_path / "sweep" / "my_test" / "report.html").read_text()
    code, said, _ = run(capsys, "report", "my_test", "other", "--data-dir", str(tmp_path))
    assert code == 0
    assert "Side by side" in (tmp_path / "sweep" / "report-my_test-other.html").read_text()


def test_a_report_that_has_no_plotly_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(guide_history(), tmp_path)
    monkeypatch.setitem(sys.modules, "plotly", None)
    code, _, problem = run(capsys, "report", "my_test", "--data-dir", str(tmp_path))
    assert code == 2
    assert how_to_install("report") in problem
    assert not (tmp_path / "sweep" / "my_test" / "report.html").exists()
