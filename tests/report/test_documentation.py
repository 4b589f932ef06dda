import json
import re
from pathlib import Path

import pytest

from metta_sweep.commands.cli import NAMES, main
from metta_sweep.report.export import records
from tests.factories import Directories
from tests.report.test_summary import busy_history, summarize

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "reading_results.md").read_text(encoding="utf-8")


def test_every_key_of_the_json_summary_is_documented() -> None:
    told = json.loads(summarize(busy_history(), "json"))
    rollout = told["rollouts"][0]
    keys = {*told, *rollout, *rollout["runs"][0], *told["failures"][0], *told["next"], *told["calibration"]}
    assert [key for key in keys if f"`{key}`" not in PAGE] == []


def test_every_column_of_an_export_is_documented() -> None:
    (record, *_) = records(busy_history().state, paths=Directories())
    names = {re.sub(r"^(param|metric)\..*", r"\1.", name) for name in record}
    assert [name for name in names if f"`{name}" not in PAGE] == []


def test_every_command_and_picture_of_the_page_exists() -> None:
    assert set(re.findall(r"metta-sweep (\w+)", PAGE)) <= set(NAMES)
    assert [name for name in re.findall(r"\]\((pictures/[^)]+)\)", PAGE) if not (DOCS / name).exists()] == []


@pytest.mark.parametrize("option", ["--once", "--rollout", "--as", "--out", "--watch", "--to", "--format"])
def test_every_option_of_the_page_is_one(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for command in ("summarize", "explain", "best", "watch", "export", "report"):
        assert main([command, "--help"]) == 0
        shown.append(capsys.readouterr().out)
    assert option in "".join(shown)
