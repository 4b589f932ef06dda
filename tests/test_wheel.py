"""What is installed from a wheel is whole: the configs are in it and are found from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return a folder that holds what the wheel would install."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    zipfile.ZipFile(wheel).extractall(site)
    return site


@pytest.mark.slow
def test_every_config_is_in_the_wheel_and_nothing_else_than_the_package(installed):
    inside = {str(path.relative_to(installed / "metta_sweep" / "configs")) for path in installed.rglob("*.yaml")}
    assert inside == {str(path.relative_to(ROOT / "configs")) for path in (ROOT / "configs").rglob("*.yaml")}
    assert (installed / "metta_sweep" / "py.typed").exists()
    assert (installed / "metta_sweep" / "client" / "metta_sweep_client" / "hydra.py").exists()  # for runs' PYTHONPATH
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {"metta_sweep"}


@pytest.mark.slow
def test_the_source_of_the_kernel_is_in_the_wheel(installed):
    assert (installed / "metta_sweep" / "trainer" / "native" / "kernel.c").exists()


@pytest.mark.long
def test_an_installed_sweep_finds_shipped_and_own_sweep_files(installed, tmp_path):
    own = tmp_path / "configs" / "sweep" / "mine.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "rollout_count: 2\nsweep:\n  parameters:\n    trainer.gamma: {min: 0.9, max: 0.99, distribution: uniform}\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed), "DATA_DIR": str(tmp_path / "data")}
    for file in ("sweep/my_test_sweep", "sweep/mine"):
        done = subprocess.run(
            [sys.executable, "-m", "metta_sweep.commands", "plan", "run=x", f"++sweep_params={file}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "trainer.gamma" in done.stdout


@pytest.mark.slow
def test_the_first_commands_work_where_there_is_no_checkout(installed, tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WANDB")},
        "PYTHONPATH": str(installed),
        "DATA_DIR": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
    }

    def typed(*words):
        command = [sys.executable, "-m", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    tool = "metta_sweep.commands"
    assert typed(tool, "--version").startswith("metta-sweep ")
    typed(tool, "run", "run=my_test", "++sweep_params=sweep/my_test_sweep", "rollout_count=2", "wandb=off")
    assert "OVERALL BEST RUN: my_test.r." in typed(tool, "summarize", "my_test")
    (tmp_path / "winner.yaml").write_text(typed(tool, "best", "my_test", "--as", "hydra"))
    typed("metta_sweep.train", "config=winner.yaml", "run_dir=again", "trainer.total_timesteps=1024")
    assert (tmp_path / "again" / "result.json").exists()
    assert "[x] Tuning seeds: 0 to 1" in typed(tool, "report", "my_test", "--checklist")
