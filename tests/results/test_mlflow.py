"""The database of MLflow's client: what the real one writes, and what may be wrong with one."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from metta_sweep.results.environment import run_environment
from metta_sweep.results.mlflow import MlflowReader
from tests.results.conftest import values_of

TRAINER = """
import mlflow
with mlflow.start_run(run_name="training"):
    for step in range(0, 40, 10):
        mlflow.log_metrics({"loss": 1 / (step + 1), "eval/return": step / 10}, step=step)
    mlflow.log_metric("odd", float("nan"))
    mlflow.log_metric("odd", float("-inf"), step=1)
"""


@pytest.fixture
def database(run):
    """An empty database of a run, open for writing."""
    with closing(sqlite3.connect(run.root / "mlflow.db")) as opened:
        opened.execute("CREATE TABLE runs (run_uuid TEXT, name TEXT)")
        opened.execute(
            "CREATE TABLE metrics (key TEXT, value FLOAT, timestamp BIGINT, run_uuid TEXT, step BIGINT, is_nan BOOLEAN)"
        )
        opened.commit()
        yield opened


def log(database, *values, name="loss", run="a", at_s=None):
    at_ms = int((time.time() if at_s is None else at_s) * 1000)
    rows = [(name, value, at_ms, run, step, False) for step, value in enumerate(values)]
    database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.commit()


@pytest.mark.slow
def test_what_the_real_client_logs_is_read(source, run, tmp_path):
    pytest.importorskip("mlflow")
    reader = MlflowReader(source())
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    ours = run_environment(["mlflow"], sweep="my", base=clean)
    filled = {name: value.replace("{run_dir}", str(run.root)) for name, value in ours.items()}
    env = {**clean, **filled}
    subprocess.run([sys.executable, "-c", TRAINER], env=env, check=True, capture_output=True, cwd=tmp_path, timeout=300)
    points = list(reader.read(final=True))
    assert values_of(points, "loss") == [(step, 1 / (step + 1)) for step in range(0, 40, 10)]
    assert values_of(points, "eval/return")[-1] == (30, 3.0)
    odd = [value for _, value in values_of(points, "odd")]
    assert math.isnan(odd[0])
    assert odd[1] == -math.inf
    assert all(abs(point.at_s - time.time()) < 300 for point in points)
    assert {point.place.partition(" ")[2] for point in points} == {"(run training)"}


def test_what_is_new_is_read_while_it_is_written(source, run, database):
    (run.root / "mlflow.db").rename(run.root / "later")
    reader = MlflowReader(source())
    assert list(reader.read(final=False)) == []
    (run.root / "later").rename(run.root / "mlflow.db")
    log(database, 1.0, 0.5)
    assert values_of(reader.read(final=True)) == [(0, 1.0), (1, 0.5)]
    log(database, 0.25)
    assert values_of(reader.read(final=False)) == [(0, 0.25)]
    assert list(reader.read(final=True)) == []


def test_an_earlier_attempts_values_are_not_taken_again(source, run, database):
    log(database, 9.0, at_s=time.time() - 60)
    reader = MlflowReader(source(began_s=time.time() - 1))
    log(database, 1.0)
    assert values_of(reader.read(final=True)) == [(0, 1.0)]


def test_cells_that_hold_something_else_are_passed_over(source, run, database):
    rows = [("loss", "x", 1, "a", 0, 0), ("loss", 0.5, "late", "a", "first", 0), (b"loss", 1.0, 1, "a", 0, 0)]
    database.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", [*rows, (None, None, None, None, None, None)])
    database.commit()
    reader = MlflowReader(source())
    assert list(reader.read(final=True)) == []  # it was there before, and none of it is of this attempt
    (run.root / "mlflow.db").rename(run.root / "moved.db")
    reader = MlflowReader(source())
    (run.root / "moved.db").rename(run.root / "mlflow.db")
    assert [(point.value, point.step, point.at_s) for point in reader.read(final=True)] == [(0.5, None, None)]


def test_two_runs_in_one_program_are_two_places(source, run, database):
    database.execute("INSERT INTO runs VALUES ('a', 'train'), ('b', NULL)")
    reader = MlflowReader(source())
    log(database, 1.0)
    log(database, 2.0, run="b")
    points = list(reader.read(final=True))
    assert [point.place.rpartition("(")[2] for point in points] == ["run train)", "run b)"]


def test_a_database_that_is_locked_or_none_changes_nothing_before_the_end(source, run, database, monkeypatch):
    monkeypatch.setattr("metta_sweep.results.mlflow.BUSY_S", 0.1)
    here = source()
    reader = MlflowReader(here)
    log(database, 1.0)
    database.execute("BEGIN EXCLUSIVE")
    assert list(reader.read(final=False)) == []
    assert here.notes.said == []
    assert list(reader.read(final=True)) == []
    assert "mlflow.db cannot be read" in here.notes.said[0]
    database.rollback()
    assert values_of(reader.read(final=True)) == [(0, 1.0)]


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\xff" * 200])
def test_a_file_that_is_no_database_harms_nothing(source, run, content):
    here = source()
    reader = MlflowReader(here)
    (run.root / "mlflow.db").write_bytes(content)
    assert list(reader.read(final=True)) == []
    assert "cannot be read" in here.notes.said[0]
