"""What is missing is named by a command that brings it, wherever this package is installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from metta_sweep import extras
from metta_sweep.extras import how_to_install, requirements

CLONE = Path(extras.__file__).parents[1]


def test_a_clone_is_set_up_again(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(CLONE / ".venv"))
    monkeypatch.chdir(CLONE)
    assert how_to_install("atari") == "./devops/setup.sh atari"
    monkeypatch.chdir(CLONE / "docs")
    assert how_to_install("atari") == "../devops/setup.sh atari"
    monkeypatch.chdir(tmp_path)
    assert how_to_install("atari") == f"{CLONE}/devops/setup.sh atari"


def test_elsewhere_the_requirements_are_installed_themselves(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    words = how_to_install("report")
    assert words.startswith(f"{sys.executable} -m pip install ")
    assert "'pandas>=2.2'" in words
    assert "'plotly>=5.24'" in words
    assert "metta" not in words.partition(" -m ")[2]


@pytest.mark.parametrize("extra", ["wandb", "gymnasium", "mujoco", "atari", "mettagrid", "ray", "report", "optuna"])
def test_every_extra_has_requirements(extra):
    assert requirements(extra)
