import csv
import importlib.util
import io
import json
import math
from pathlib import Path

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.report.export import export, records
from tests.factories import Directories, History, prediction
from tests.report.test_summary import busy_history

PATHS = Directories()


def test_every_run_is_one_record_and_all_have_the_same_keys() -> None:
    found = records(busy_history().state, paths=PATHS)
    assert [record["run"] for record in found] == [f"my_test.r.{k}" for k in range(8)]
    assert len({tuple(record) for record in found}) == 1


def test_csv_reads_back_to_the_same_values() -> None:
    history = History().rollout(0.1 + 0.2, params={"a.rate": 1e-5 / 3, "a.on": True}, predicted=prediction())
    history.suggest(params={"a.rate": 0.5, "a.name": 'say "hi", twice\nnow'}).start(1).fail(1, "crash", "exit 1; boom")
    first, second = csv.DictReader(io.StringIO(export(history.state, paths=PATHS, to="csv")))
    assert float(first["metric"]) == 0.1 + 0.2
    assert float(first["param.a.rate"]) == 1e-5 / 3
    assert (first["param.a.on"], first["param.a.name"], first["predicted_score_high"]) == ("true", "", "0.7")
    assert (second["metric"], second["failure"], second["param.a.on"]) == ("", "crash", "")
    assert second["param.a.name"] == 'say "hi", twice\nnow'


def test_csv_is_harmless_to_a_terminal_and_to_a_spreadsheet() -> None:
    history = History().suggest(
        params={"=cmd|'/C calc'!A0": "\x1b]0;title\x07red", "b": "+1+2", "c": [64, 64], "d": -3}
    )
    written = export(history.start(0).fail(0, "crash", "=HYPERLINK(1)\x1b[31m").state, paths=PATHS, to="csv")
    assert "\x1b" not in written
    assert "\x07" not in written
    (record,) = csv.DictReader(io.StringIO(written))
    assert record["failure_message"].startswith("'=HYPERLINK(1)")
    assert (record["param.b"], record["param.c"], record["param.d"]) == ("'+1+2", "[64, 64]", "-3")


def test_json_is_versioned_and_has_no_number_that_json_lacks() -> None:
    told = json.loads(export(History().rollout(math.inf).state, paths=PATHS, to="json"))
    assert told["version"] == 1
    assert told["runs"][0]["metric.reward"] is None


def test_an_empty_sweep_exports_no_record() -> None:
    assert export(History().state, paths=PATHS, to="csv") == ""
    assert json.loads(export(History().state, paths=PATHS, to="json"))["runs"] == []


def test_a_file_gets_the_same_text(tmp_path: Path) -> None:
    state = busy_history().state
    assert export(state, paths=PATHS, to="csv", out=tmp_path / "runs.csv") == ""
    assert (tmp_path / "runs.csv").read_text() == export(state, paths=PATHS, to="csv")


def test_parquet_without_a_file_is_refused_with_the_option_to_add() -> None:
    with pytest.raises(RequestError, match=r"--out FILE\.parquet"):
        export(busy_history().state, paths=PATHS, to="parquet")


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="pip install pyarrow"):
        export(busy_history().state, paths=PATHS, to="parquet", out=tmp_path / "runs.parquet")
