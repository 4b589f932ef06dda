"""``metta-sweep replay`` on real runs."""

from __future__ import annotations

import re
import signal

import pytest
import torch
import yaml

from metta_sweep import train
from metta_sweep.commands import cli
from tests.trainer.configs import small
from tests.trainer.replay.gif_reader import read_gif


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """Return the directory of a finished run."""
    folder = tmp_path_factory.mktemp("replay")
    (folder / "config.yaml").write_text(yaml.safe_dump(small()))
    handler, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    assert train.main([f"config={folder / 'config.yaml'}", f"run_dir={folder / 'run'}"]) == 0
    signal.signal(signal.SIGTERM, handler)
    torch.set_num_threads(threads)
    return folder / "run"


def test_a_run_is_shown_as_a_page_beside_its_result(run_dir, capsys):
    assert cli.main(["replay", str(run_dir)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"Policy after \d+ steps; episode 0 of the evaluation\. reward ", said)
    assert str(run_dir / "replay.html") in said
    assert (run_dir / "replay.html").read_text().startswith("<!doctype html>")


def test_a_run_is_shown_as_a_gif_wherever_it_is_wanted(run_dir, tmp_path):
    out = tmp_path / "episode.gif"
    assert cli.main(["replay", str(run_dir), "--format", "gif", "--episode", "2", "--out", str(out)]) == 0
    pictures, _ = read_gif(out.read_bytes())
    assert len(pictures) == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--episode", "9"], "episode: need a number from 0 to 3, got 9"),
        (["--simulation", "maze"], "simulation: need one of"),
        (["--out", "/nowhere/at/all.html"], "/nowhere/at/all.html: cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_one_message(run_dir, capsys, arguments, message):
    assert cli.main(["replay", str(run_dir), *arguments]) == 2
    assert f"error: {message}" in capsys.readouterr().err


def test_a_directory_without_a_checkpoint_is_one_message(tmp_path, capsys):
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "has no checkpoint: only runs of the bundled trainer" in capsys.readouterr().err


def test_damaged_checkpoints_are_one_message(run_dir, tmp_path, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.pt").write_bytes(b"garbage")
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "best.pt: cannot be read" in capsys.readouterr().err


SWEEP = """
rollout_count: 1
sweep:
  parameters:
    trainer.learning_rate: {min: 0.0001, max: 0.01, distribution: log_normal}
  trainer: {total_timesteps: 1000, batch_size: 512}
  sim: {num_envs: 4}
"""


@pytest.mark.slow
def test_a_sweep_is_shown_by_its_best_run(sweep, capsys):
    file = sweep.root / "bundled.yaml"
    file.write_text(SWEEP)
    done = sweep.run(f"++sweep_params={file}")
    assert done.returncode == 0, done.stdout + done.stderr
    data_dir = ["--data-dir", str(sweep.root / "data")]
    for name in ("s", "s.r.0"):
        assert cli.main(["replay", name, *data_dir]) == 0
        assert "s.r.0/replay.html" in capsys.readouterr().out
    assert cli.main(["replay", "s.r.7", *data_dir]) == 2
    assert "sweep s has no run s.r.7" in capsys.readouterr().err
    assert cli.main(["replay", "nothing", *data_dir]) == 2
    assert "no sweep named 'nothing'" in capsys.readouterr().err
