"""Every command and every example of the README works as it stands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("./")]
SWEEPS = [command for command in COMMANDS if command.startswith("./devops/sweep.sh")]


def typed(command, data_dir):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB")}
    return subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env={**environment, "DATA_DIR": str(data_dir)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_the_readme_is_short_and_its_commands_are_known():
    assert len(README.splitlines()) < 150
    assert {command.split()[0] for command in COMMANDS} == {
        "./devops/sweep.sh",
        "./summarize_sweep.sh",
        "./devops/test.sh",
    }
    assert all((ROOT / command.split()[0]).stat().st_mode & 0o111 for command in COMMANDS)


@pytest.mark.slow
def test_the_commands_do_what_the_readme_says(tmp_path):
    (guide,) = (command for command in SWEEPS if "my_test" in command)
    first = typed(guide, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert len(list(tmp_path.glob("sweep/my_test/runs/*/result.json"))) == 3
    again = typed(guide, tmp_path)
    assert again.returncode == 0
    assert "complete" in again.stdout.lower()
    assert typed(f"{guide} rollout_count=5", tmp_path).returncode == 0
    assert len(list(tmp_path.glob("sweep/my_test/runs/*/result.json"))) == 5
    (summarize,) = (command for command in COMMANDS if "summarize" in command)
    summary = typed(summarize, tmp_path)
    assert summary.returncode == 0
    assert "OVERALL BEST RUN: my_test.r." in summary.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [command for command in SWEEPS if "my_test" not in command])
def test_the_other_sweeps_run(command, tmp_path):
    done = typed(command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", blocks("python"))
def test_the_python_examples_run(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "README.md", "exec"), {})


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_sweep_files_are_accepted(text, tmp_path):
    from metta_sweep.config.ask import ask
    from metta_sweep.trainer.schema import schema

    file = tmp_path / "readme.yaml"
    file.write_text(text)
    asked = ask(["run=x", f"++sweep_params={file}"], training=schema, cwd=Path.cwd())
    assert len(asked.parameters) == 3


def test_what_continuous_integration_runs_is_the_test_command():
    assert "exec ./devops/test.sh" in (ROOT / ".ci" / "run").read_text()
