"""What ``best --as hydra`` writes trains: alone, and composed into the next sweep."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from metta_sweep import train
from metta_sweep.commands.cli import main
from metta_sweep.config.ask import ask
from metta_sweep.trainer.schema import schema
from tests.factories import History
from tests.report.disk import kept
from tests.trainer.configs import small

PARAMS = {"trainer.learning_rate": 0.0007, "trainer.gamma": 0.95}


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    threads = torch.get_num_threads()
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    torch.set_num_threads(threads)


@pytest.fixture
def winner(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the winner's file of a sweep of the bundled trainer."""
    kept(History(asked={"training": small()}).rollout(0.5, params=PARAMS), tmp_path)
    assert main(["best", "my_test", "--as", "hydra", "--data-dir", str(tmp_path)]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_winner_trains_as_it_is(winner: str, tmp_path: Path) -> None:
    (tmp_path / "winner.yaml").write_text(winner)
    assert train.main([f"config={tmp_path / 'winner.yaml'}", f"run_dir={tmp_path / 'again'}"]) == 0
    trained = yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())
    assert trained["trainer"]["learning_rate"] == PARAMS["trainer.learning_rate"]
    assert (tmp_path / "again" / "result.json").exists()


@pytest.mark.slow
def test_a_sweep_that_takes_the_winner_trains_its_config(winner: str, tmp_path: Path) -> None:
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "winner.yaml").write_text(winner)
    file = tmp_path / "next.yaml"
    file.write_text("sweep: {parameters: {trainer.clip_coef: {min: 0.1, max: 0.3, distribution: uniform}}}\n")
    words = ["run=next", f"++sweep_params={file}", "+experiment=winner"]
    training = ask(words, training=schema, cwd=tmp_path).training
    alone = train.read_config(train.Arguments(config=_kept(winner, tmp_path), run_dir=None, overrides={}))
    assert training == {**alone, "seed": training["seed"]}


def _kept(winner: str, folder: Path) -> Path:
    (folder / "winner.yaml").write_text(winner)
    return folder / "winner.yaml"


def test_a_file_that_has_to_be_composed_first_does_not_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = small()
    del whole["env"]
    (tmp_path / "part.yaml").write_text(yaml.safe_dump({"defaults": [{"override /env": "pong"}], **whole}))
    assert train.main([f"config={tmp_path / 'part.yaml'}"]) == train.INVALID
    assert "invalid_config: defaults: unknown key" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_training_process_says_how_it_is_used(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main([flag]) == 0
    assert capsys.readouterr().out.startswith("Usage: python -m metta_sweep.train config=PATH")
