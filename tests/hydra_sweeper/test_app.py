"""A run is started as the app was: the same interpreter, program, flags of Hydra's and overrides."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from tests.hydra_sweeper.conftest import PLUGIN

assert PLUGIN

from hydra_protein_sweeper.app import flags, hydra_overrides, program  # noqa: E402


@pytest.mark.parametrize(
    ("before", "own"),
    [
        (["python", "-m", "shop.train"], ["-m", "shop.train"]),
        (["python", "-W", "ignore", "train.py"], ["-W", "ignore", "{cwd}/train.py"]),
        (["python", "-c", "from shop import main; main()"], ["-c", "from shop import main; main()"]),
    ],
)
def test_the_program_is_what_was_typed_before_the_app_s_own_words(before, own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").touch()
    given = ["-m", "lr=1"]
    monkeypatch.setattr(sys, "argv", ["train.py", *given])
    monkeypatch.setattr(sys, "orig_argv", [*before, *given])
    assert program() == [sys.executable, *(word.replace("{cwd}", os.fspath(tmp_path)) for word in own)]


def test_an_app_that_has_changed_its_words_is_found_by_its_main_module(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x", "changed"])
    monkeypatch.setattr(sys, "orig_argv", ["python", "x", "--typed"])
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="shop.train.__main__"))
    assert program()[-2:] == ["-m", "shop.train"]


def test_hydra_s_flags_go_with_every_run_and_multirun_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["-m", "-cn", "other", "a=1", "--config-dir=more", "--config-path", "../conf"]
    folder = os.fspath(tmp_path / "more")
    assert flags(words) == ["--config-path", "../conf", "--config-name", "other", "--config-dir", folder]
    assert flags(["--multirun", "a=1"]) == []


def test_overrides_of_hydra_s_own_go_with_every_run_but_for_those_about_the_sweep():
    about_the_sweep = ["hydra/sweeper=protein", "hydra.sweeper.name=x", "+hydra.sweeper.launcher.kind=ray"]
    about_the_sweep += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.mode=MULTIRUN", "hydra.run.dir=x"]
    kept = ["hydra.job.chdir=true", "hydra/job_logging=none", "hydra.sweep.dir=out", "+hydra.job.env_set.A='{b}'"]
    assert hydra_overrides([*about_the_sweep, *kept]) == kept
