"""What a paper should state is filled in from the sweep, and what the sweep cannot know is left to the author."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metta_sweep.commands.cli import main
from metta_sweep.report.checklist import Item, checklist, listed
from metta_sweep.report.place import Place
from tests.factories import History, guide_history
from tests.report.disk import kept
from tests.report.html.pages import page
from tests.report.test_confirmed import confirmed, searched


def items(history: History, folder: Path) -> dict[str, Item]:
    return {item.title: item for item in checklist(history.state, Place.here(kept(history, folder)))}


def test_without_fresh_seeds_the_test_seeds_and_the_result_are_open_and_the_command_is_named(tmp_path: Path) -> None:
    told = items(searched(), tmp_path)
    assert told["Tuning seeds"].lines == ("0 to 2",)
    assert not told["Test seeds"].known
    assert "confirm my_test" in told["Test seeds"].lines[1]
    assert not told["Final configuration"].known
    assert any(line.startswith("on tuning seeds only") for line in told["Final configuration"].lines)


def test_a_confirmed_result_is_stated_on_seeds_apart_from_those_of_the_search(tmp_path: Path) -> None:
    told = items(confirmed(), tmp_path)
    assert told["Test seeds"].known
    assert told["Test seeds"].lines[1] == "none of them was a tuning seed"
    assert any("on test seeds: reward" in line for line in told["Final configuration"].lines)


def test_what_was_left_out_is_named(tmp_path: Path) -> None:
    history = guide_history().suggest().start(3).fail(3, "oom", "CUDA out of memory")
    assert items(history, tmp_path)["Left out of the result"].lines == ("1 run failed: oom",)


def test_each_kind_of_machine_is_named_once_and_a_damaged_record_harms_nothing(tmp_path: Path) -> None:
    history = searched()
    paths = kept(history, tmp_path)
    machine = {"os": "Linux", "cpu_count_logical": 16, "memory": {"total": "128000000000"}}
    for number, text in enumerate(
        [json.dumps({"machine": machine, "gpus": ["0"]}), json.dumps({"machine": machine, "gpus": ["1"]}), "{"]
    ):
        run = paths.run(f"my_test.r.{number}")
        run.attempts.mkdir(parents=True, exist_ok=True)
        run.started(f"my_test.r.{number}.a1").write_text(text)
    (hardware,) = [item for item in checklist(history.state, Place.here(paths)) if item.title == "Hardware"]
    assert hardware.lines == ("16 cores, 128 GB of memory, 1 GPU a run; Linux",)


@pytest.mark.parametrize(("numbers", "told"), [([], "none"), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0 to 2, 5, 7 to 8")])
def test_seeds_are_listed_in_short(numbers: list[int], told: str) -> None:
    assert listed(numbers) == told


def test_the_command_prints_it_and_writes_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = kept(confirmed(), tmp_path)
    assert main(["report", "my_test", "--checklist", "--data-dir", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "[x] Search space: 3 parameters\n      trainer.learning_rate: log_normal [0.0001, 0.01]" in said
    assert "[ ] Comparisons: " in said
    assert not (paths.root / "report.html").exists()


def test_the_report_has_it_too() -> None:
    assert "Tuning seeds" in page(confirmed())
