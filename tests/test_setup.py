"""Setting up says what it does, uses what is there, and does nothing a second time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path):
    """Return a clone's files that set-up reads, and a PATH with a uv that only notes what it is asked."""
    (tmp_path / "devops").mkdir()
    shutil.copy(ROOT / "devops" / "setup.sh", tmp_path / "devops")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "bin").mkdir()
    tool(tmp_path, "uv", 'echo "$*" >> "$LEDGER"')
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def tool(clone: Path, name: str, does: str) -> None:
    file = clone / "bin" / name
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)


def set_up(clone: Path, *words: str, **more: str) -> tuple[str, list[str]]:
    ledger = clone / "ledger"
    environment = {
        **os.environ,
        "PATH": f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "LEDGER": str(ledger),
        **more,
    }
    command = [clone / "devops" / "setup.sh", *words]
    done = subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr, ledger.read_text().splitlines() if ledger.exists() else []


def test_uv_is_used_where_it_is_there_and_each_stage_is_told_with_its_time(clone):
    said, calls = set_up(clone, "report")
    assert [call.rsplit(" ", 1)[1] for call in calls] == ["torch", ".[report]"]
    assert all("-c constraints.txt" in call for call in calls)
    assert said.startswith("Setting up .venv with uv")
    assert said.count("done in") == 2
    assert set_up(clone, "report") == ("", calls)


def test_the_dev_extra_has_the_plugin_that_the_tests_try(clone):
    assert set_up(clone, "dev")[1][-1].endswith("-e .[dev] -e plugins/hydra-protein-sweeper")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("nvidia-smi") is not None, reason="needs Linux, no GPU")
def test_the_build_of_torch_is_that_of_the_machine_unless_it_is_said(clone):
    said, calls = set_up(clone, "a")
    assert "torch (cpu build)" in said
    assert calls[0].endswith("--torch-backend cpu torch")
    assert "torch (default build)" in set_up(clone, "b", TORCH="default")[0]
    tool(clone, "nvidia-smi", "true")
    assert "torch (default build)" in set_up(clone, "c")[0]


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("nvidia-smi") is not None, reason="needs Linux, no GPU")
def test_the_default_build_is_taken_and_said_where_that_of_the_cpu_cannot_be_reached(clone):
    tool(clone, "uv", 'echo "$*" >> "$LEDGER"; case "$*" in *torch-backend*) exit 1 ;; esac')
    said, calls = set_up(clone, "a")
    assert "the CPU build cannot be reached; taking the default one" in said
    assert [call.rsplit(" ", 1)[1] for call in calls] == ["torch", "torch", ".[a]"]
