from __future__ import annotations

import os
import subprocess
import sys

import pytest

from metta_sweep.results.files import OwnFiles


def names(files, *, final=True):
    return sorted(file.shown for file in files.look(final=final))


def test_files_that_were_there_before_are_not_this_attempts(source):
    here = source(path="*.csv")
    (here.cwd / "old.csv").write_text("loss\n1\n")
    files = OwnFiles(here, "")
    (here.cwd / "new.csv").write_text("loss\n2\n")
    assert names(files) == ["new.csv"]


def test_of_a_file_that_is_appended_to_only_the_new_part_is_read(source):
    here = source(path="*.csv")
    path = here.cwd / "log.csv"
    path.write_text("loss\n1\n")
    files = OwnFiles(here, "")
    with path.open("a") as file:
        file.write("2\n")
    assert [(file.shown, file.start) for file in files.look(final=True)] == [("log.csv", 7)]


def test_a_file_that_was_replaced_is_read_from_its_beginning(source):
    here = source(path="*.csv")
    path = here.cwd / "log.csv"
    path.write_text("loss\n1\n2\n3\n")
    files = OwnFiles(here, "")
    (here.cwd / "beside").write_text("loss\n7\n")
    (here.cwd / "beside").replace(path)
    assert [file.start for file in files.look(final=True)] == [0]


def test_neither_our_own_files_nor_another_runs_are_read(source, run, tmp_path):
    here = source(path="**", cwd=tmp_path)
    other = tmp_path / "runs" / "my.r.1"
    other.mkdir()
    (other / "protein_suggestion.yaml").write_text("{}")
    files = OwnFiles(here, "")
    for path in (run.metrics, run.result, run.log, run.attempts / "a1.lock", other / "log.csv", run.root / "log.csv"):
        path.write_text("loss\n1\n")
    assert names(files) == ["runs/my.r.0/log.csv"]


def test_where_other_runs_write_too_a_file_of_unknown_origin_is_refused(source):
    here = source(path="*.csv", is_shared=True)
    files = OwnFiles(here, "")
    (here.cwd / "log.csv").write_text("loss\n1\n")
    assert names(files) == []
    assert "cannot tell which of the files" in here.notes.fault
    assert "log.csv" in here.notes.fault


def test_where_other_runs_write_too_the_run_directory_is_ones_own(source, run):
    here = source(path="{run_dir}/*.csv", is_shared=True)
    files = OwnFiles(here, "")
    (run.root / "log.csv").write_text("loss\n1\n")
    assert len(names(files)) == 1
    assert here.notes.fault == ""


@pytest.mark.skipif(sys.platform != "linux", reason="open files are seen in /proc")
def test_where_other_runs_write_too_a_file_is_ones_own_that_ones_process_holds_open(source):
    here = source(path="*.csv", is_shared=True, keeper=os.getpid())
    files = OwnFiles(here, "")
    (here.cwd / "foreign.csv").write_text("loss\n1\n")
    code = "import sys; f = open('own.csv', 'w'); f.write('loss'); f.flush(); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=here.cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as trainer:
        trainer.stdout.readline()
        assert names(files) == ["own.csv"]
        trainer.communicate()


def test_the_run_directory_may_be_named_in_the_pattern(source, run):
    files = OwnFiles(source(path="{run_dir}/logs/*.csv"), "")
    (run.root / "logs").mkdir()
    (run.root / "logs" / "a.csv").touch()
    assert len(names(files)) == 1
