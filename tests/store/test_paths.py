from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.errors import RequestError
from metta_sweep.store.paths import NAME_LIMIT, SweepPaths, sweep_names, unknown_sweep, validate_name

LETTERS = string.ascii_letters + string.digits + "._-"


@pytest.mark.parametrize("name", ["my_test", "a", "A.1-b_c", "2024-01-01", "_x", "x" * NAME_LIMIT])
def test_a_plain_name_is_taken(name):
    assert validate_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", ".hidden", "-rf", "a b", "ä", "a\n", "x" * (NAME_LIMIT + 1), "a\x00b", "~"]
)
def test_a_name_that_leads_elsewhere_is_refused_in_one_line_with_a_name_that_would_do(name):
    with pytest.raises(RequestError) as refused:
        validate_name(name)
    [problem] = refused.value.problems
    assert problem.key == "run"
    assert repr(name[:50])[:-1] in problem.message
    assert validate_name(problem.fix.removeprefix("run="))


@settings(deadline=None)
@given(st.text(max_size=NAME_LIMIT + 10))
def test_whatever_is_taken_stays_inside_the_data_directory(tmp_path_factory, name):
    data_dir = tmp_path_factory.getbasetemp()
    try:
        paths = SweepPaths(data_dir, name)
    except RequestError:
        return
    assert paths.root.resolve().parent == (data_dir / "sweep").resolve()
    assert set(name) <= set(LETTERS)


def test_every_file_is_inside_the_sweeps_folder(tmp_path):
    paths = SweepPaths(tmp_path, "my")
    files = [paths.journal, paths.head, paths.lock, paths.launch, paths.runs, paths.run("my.r.0").config]
    assert all(file.is_relative_to(tmp_path / "sweep" / "my") for file in files)
    assert len(set(files)) == len(files)


def test_runs_are_listed_by_number_and_other_folders_are_not_runs(tmp_path):
    paths = SweepPaths(tmp_path, "my")
    assert paths.run_ids() == []
    for folder in ("my.r.10", "my.r.2", "my.r.0", "other.r.1", "my.r.x", "my.r.", "notes"):
        (paths.runs / folder).mkdir(parents=True)
    assert paths.run_ids() == ["my.r.0", "my.r.2", "my.r.10"]


def test_sweeps_are_listed_whether_or_not_they_are_whole(tmp_path):
    assert sweep_names(tmp_path) == []
    for name in ("with_journal", "with_runs"):
        SweepPaths(tmp_path, name).runs.mkdir(parents=True)
    SweepPaths(tmp_path, "with_journal").journal.touch()
    (SweepPaths(tmp_path, "with_runs").runs / "with_runs.r.0").mkdir()
    SweepPaths(tmp_path, "only_a_folder").root.mkdir()
    (tmp_path / "sweep" / "a file").touch()
    assert sweep_names(tmp_path) == ["with_journal", "with_runs"]


def test_an_unknown_name_is_answered_with_those_there_are_and_the_nearest(tmp_path):
    for name in ("my_test", "pong"):
        paths = SweepPaths(tmp_path, name)
        paths.root.mkdir(parents=True)
        paths.journal.touch()
    [problem] = unknown_sweep(tmp_path, "my_tset").problems
    assert "my_test, pong" in problem.message
    assert problem.fix == "did you mean my_test?"
    [nothing_near] = unknown_sweep(tmp_path, "zzzzz").problems
    assert nothing_near.fix == ""
    assert "there is no sweep" in unknown_sweep(tmp_path / "elsewhere", "x").problems[0].message
