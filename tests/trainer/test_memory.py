"""What a memory is for: a small maze in which only those who remember find the goal."""

import pytest
import torch

from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import Training
from tests.trainer.configs import put, shipped

MAZES = (
    "#######\n#a....#\n###.###\n###.###\n##g@###\n#######",
    "#######\n#....a#\n###.###\n###.###\n###@g##\n#######",
)
"""The generator beside the start says where the altar is. An agent sees one cell far, and there is time for one way."""
GAME = {
    "max_steps": 6,
    "view": 3,
    "map": {"ascii": MAZES},
    "rewards": {"heart": 1.0},
    "objects": {
        "mine": {"outputs": {"ore": 1}},
        "generator": {"inputs": {"ore": 1}, "outputs": {"battery": 1}},
        "altar": {"outputs": {"heart": 1}, "hp": 1},
    },
}


def reward(run_dir, *, use_lstm):
    run_dir.mkdir()
    changes = {
        "env.game": GAME,
        "agent.hidden_size": 32,
        "trainer.use_lstm": use_lstm,
        "trainer.lstm_hidden_size": 32,
        "trainer.gamma": 0.9,
        "trainer.normalize_advantage": False,
        "trainer.evaluate_interval": 1000,
        "device": "cpu",
    }
    config = parse(put(shipped(), changes))
    return Training(config, run_dir, torch.device("cpu"), lambda line: None).run()["reward"]


@pytest.mark.long
def test_a_memory_solves_what_no_policy_without_one_can(tmp_path):
    assert reward(tmp_path / "with", use_lstm=True) > 0.85
    assert reward(tmp_path / "without", use_lstm=False) < 0.65
