"""``workdir: run``: what a command names is found from a directory of the run's own."""

from __future__ import annotations

import pytest

from metta_sweep.commands.workdir import started_words, with_search_path


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("train.py", "run.sh", "python3", "base.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "runs").mkdir()
    return tmp_path


def test_files_are_absolute_and_nothing_else_is(here):
    words = ("python3", "train.py", "--config=base.yaml", "--out=runs", "--note=a=base.yaml", "{args}", "/bin/sh", "")
    started = started_words(words, "run")
    assert started == (
        *("python3", f"{here}/train.py", f"--config={here}/base.yaml", "--out=runs"),
        *(f"--note=a={here}/base.yaml", "{args}", "/bin/sh", ""),
    )
    assert started_words(("./run.sh",), "run") == (f"{here}/run.sh",)


def test_a_command_that_is_started_here_stays_as_it_is():
    assert started_words(("python3", "train.py"), "here") == ("python3", "train.py")
    assert with_search_path({"A": "1"}, ("python3", "-m", "pkg"), "here") == {"A": "1"}


def test_modules_of_this_directory_are_found_from_there(here, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/mine")
    assert with_search_path({}, ("python3", "-m", "pkg.train"), "run") == {"PYTHONPATH": f"{here}:/mine"}
    assert with_search_path({"PYTHONPATH": "/a"}, ("python3", "-m", "x"), "run") == {"PYTHONPATH": f"{here}:/a"}
    assert with_search_path({}, ("python3", "train.py"), "run") == {}
