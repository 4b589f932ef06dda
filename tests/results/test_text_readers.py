"""The readers of CSV, JSON lines and JSON, each as its file grows."""

from __future__ import annotations

import json
import math

import pytest

from metta_sweep.result import report
from metta_sweep.results.csv import CsvReader
from metta_sweep.results.json import JsonReader
from metta_sweep.results.jsonl import JsonlReader, ReportReader
from tests.results.conftest import values_of


def append(path, text):
    with path.open("a") as file:
        file.write(text)


# ------------------------------------------------------------------ csv


def test_csv_rows_are_read_as_they_come_and_blank_cells_are_no_values(source):
    here = source(path="*.csv")
    reader, log = CsvReader(here), here.cwd / "metrics.csv"
    append(log, "epoch,loss,step,acc\n0,,10,0.5\n0,1.5,10,\n1,1.2")
    assert values_of(reader.read(final=False)) == [(10.0, 1.5)]
    append(log, "5,20,nan\n")
    assert values_of(reader.read(final=True)) == [(20.0, 1.25)]
    assert reader.seen.names == ["epoch", "acc", "loss"]


def test_a_csv_file_that_is_written_anew_for_a_new_column_gives_no_value_twice(source):
    here = source(path="*.csv")
    reader, log = CsvReader(here), here.cwd / "metrics.csv"
    append(log, "step,loss\n1,5\n2,4\n")
    assert len(values_of(reader.read(final=False))) == 2
    log.write_text("step,loss,a_new_and_long_column\n1,5,\n2,4,\n3,3,9\n")
    assert values_of(reader.read(final=True)) == [(3.0, 3.0)]


def test_csv_rows_of_an_earlier_attempt_are_not_read_and_its_header_counts(source):
    here = source(path="*.csv")
    log = here.cwd / "metrics.csv"
    append(log, "step,loss\n1,5\n")
    reader = CsvReader(here)
    append(log, "2,4\n")
    assert values_of(reader.read(final=True)) == [(2.0, 4.0)]


def test_a_monitor_file_of_stable_baselines_is_read(source):
    here = source(path="*.csv", wanted={"loss": "r"})
    reader = CsvReader(here)
    append(here.cwd / "monitor.csv", '#{"t_start": 1.0, "env_id": "CartPole-v1"}\nr,l,t\n9.5,10,0.1\n')
    assert values_of(reader.read(final=True)) == [(None, 9.5)]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_read(source, delimiter):
    here = source(path="*.csv")
    reader = CsvReader(here)
    append(here.cwd / "a.csv", delimiter.join(["step", "loss"]) + "\r\n" + delimiter.join(["1", "0.5"]) + "\r\n")
    assert values_of(reader.read(final=True)) == [(1.0, 0.5)]


def test_a_torn_row_is_passed_over_and_said(source):
    here = source(path="*.csv")
    reader = CsvReader(here)
    append(here.cwd / "a.csv", "step,loss,acc\n1,0.5,1\n2,0.")
    assert values_of(reader.read(final=True)) == [(1.0, 0.5)]
    assert "incomplete row" in " ".join(here.notes.news())


def test_a_file_without_a_header_is_refused(source):
    here = source(path="*.csv")
    reader = CsvReader(here)
    append(here.cwd / "a.csv", "1,0.5\n2,0.4\n")
    list(reader.read(final=True))
    assert "has no header" in here.notes.fault


def test_nan_and_infinity_are_values(source):
    here = source(path="*.csv")
    reader = CsvReader(here)
    append(here.cwd / "a.csv", "loss\nnan\n-inf\n")
    (_, first), (_, second) = values_of(reader.read(final=True))
    assert math.isnan(first)
    assert second == -math.inf


# ------------------------------------------------------------------ JSON lines


def test_json_lines_of_any_nesting_are_read_and_a_torn_one_waits_for_its_end(source):
    here = source(path="*.jsonl", wanted={"loss": "eval/success[0]"}, step="t")
    reader, log = JsonlReader(here), here.cwd / "log.jsonl"
    append(log, '{"t": 1, "eval": {"success": [0.5, 0.1]}}\n{"t": 2, "eval": {"suc')
    assert values_of(reader.read(final=False)) == [(1.0, 0.5)]
    append(log, 'cess": [0.75]}}\nnoise\n')
    assert values_of(reader.read(final=True)) == [(2.0, 0.75)]
    assert "is not JSON" in " ".join(here.notes.news())


@pytest.mark.parametrize("name", ["metrics/mAP50-95(B)", "recall@5", "f1%", "eval/success[0]", "été \N{SNOWMAN}"])
def test_a_metric_may_have_any_name_that_json_allows(source, name):
    here = source(path="*.jsonl", metric=name)
    reader = JsonlReader(here)
    append(here.cwd / "log.jsonl", json.dumps({name: 0.25}) + "\n")
    assert values_of(reader.read(final=True), name) == [(None, 0.25)]


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"loss": true}', '{"loss": "0.5 of 1"}', "1", "null", '{"loss": [[]]}']
)
def test_what_is_no_number_gives_no_value(source, line):
    here = source(path="*.jsonl")
    reader = JsonlReader(here)
    append(here.cwd / "log.jsonl", line + "\n")
    assert values_of(reader.read(final=True)) == []


@pytest.mark.parametrize(("written", "means"), [("0.5", 0.5), ("-1e-05", -1e-5), ("nan", math.nan), ("inf", math.inf)])
def test_a_number_that_was_written_as_text_is_one(source, written, means):
    here = source(path="*.jsonl")
    reader = JsonlReader(here)
    append(here.cwd / "log.jsonl", json.dumps({"loss": written}, default=str) + "\n")
    [(_, value)] = values_of(reader.read(final=True))
    assert value == pytest.approx(means, nan_ok=True)


def test_what_the_run_reported_is_read_for_its_last_value(source, run):
    reader = ReportReader(source())
    report(step=10, run_dir=run.root, loss=0.5)
    report(step=20, run_dir=run.root, loss=0.25)
    assert values_of(reader.read(final=True)) == [(10.0, 0.5), (20.0, 0.25)]


# ------------------------------------------------------------------ JSON


def test_a_json_file_that_is_written_again_gives_its_values_each_time(source):
    here = source(path="*.json")
    reader, file = JsonReader(here), here.cwd / "metrics.json"
    for loss in (2.0, 1.0):
        file.write_text(json.dumps({"step": 10 / loss, "loss": loss, "note": "x"}))
        assert values_of(reader.read(final=True)) == [(10 / loss, loss)]
    assert values_of(reader.read(final=True)) == []


def test_a_history_of_lists_is_a_series_and_only_what_is_new_of_it_is_read(source):
    here = source(path="*.json", wanted={"loss": "val_loss"})
    reader, file = JsonReader(here), here.cwd / "history.json"
    file.write_text(json.dumps({"val_loss": [3.0, 2.0], "step": [10, 20]}))
    assert values_of(reader.read(final=True)) == [(10.0, 3.0), (20.0, 2.0)]
    file.write_text(json.dumps({"val_loss": [3.0, 2.0, 1.0], "step": [10, 20, 30]}))
    assert values_of(reader.read(final=True)) == [(30.0, 1.0)]


def test_a_list_of_objects_is_a_series(source):
    here = source(path="*.json")
    reader = JsonReader(here)
    (here.cwd / "a.json").write_text(json.dumps([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]))
    assert values_of(reader.read(final=True)) == [(1.0, 0.5), (2.0, 0.25)]


def test_half_a_json_file_is_said_at_the_end(source):
    here = source(path="*.json")
    reader = JsonReader(here)
    (here.cwd / "a.json").write_text('{"loss": 0.')
    assert values_of(reader.read(final=True)) == []
    assert "invalid JSON" in " ".join(here.notes.news())
