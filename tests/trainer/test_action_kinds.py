"""Runs whose actions are numbers, or several choices at once."""

import numpy as np
import pytest
import torch

pytest.importorskip("gymnasium")

from metta_sweep.trainer.checkpoint import CheckpointFolder
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.replay.recording import films, load_policy
from metta_sweep.trainer.training import InterruptedRunError, Training
from tests.trainer.configs import put, shipped

CPU = torch.device("cpu")
SMALL = {
    "trainer.total_timesteps": 4096,
    "trainer.batch_size": 512,
    "trainer.minibatch_size": 128,
    "trainer.num_steps": 16,
    "trainer.learning_rate": 0.01,
    "trainer.evaluate_interval": 1000,
    "agent.hidden_size": 32,
    "sim.num_envs": 4,
    "device": "cpu",
}


def config(game, **changes):
    changes = {"env.id": f"tests.envs.aiming:{game}-v0"} | {k.replace("__", "."): v for k, v in changes.items()}
    return parse(put(shipped(env="gymnasium"), SMALL | changes))


def trained(run_dir, asked):
    run_dir.mkdir(exist_ok=True)
    training = Training(asked, run_dir, CPU, lambda line: None)
    return training, training.run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("game", "separate", "chance", "learned"), [("Aim", True, -2.6, -1.5), ("Match", False, 0.34, 0.55)]
)
def test_every_kind_of_action_is_learned(tmp_path, game, separate, chance, learned):
    _, metrics = trained(tmp_path, config(game, agent__separate_value=separate))
    assert metrics["reward"] > learned > chance
    assert np.isfinite([metrics[f"train/{name}"] for name in ("entropy", "kl", "policy_loss")]).all()
    assert ("train/entropy_share" in metrics) == (game == "Match")


@pytest.mark.slow
def test_squashed_and_cut_off_numbers_are_played_differently_and_both_learned(tmp_path):
    rewards = [
        trained(tmp_path / bounds, config("Aim", agent__action_bounds=bounds))[1]["reward"]
        for bounds in ("clip", "tanh")
    ]
    assert rewards[0] != rewards[1]
    assert min(rewards) > -1.6


def test_the_deviation_starts_where_it_was_asked_to_and_is_learned(tmp_path):
    training, _ = trained(tmp_path, config("Aim", agent__log_std_init=-1.5, trainer__total_timesteps=512))
    deviations = training.policy.heads.log_std.detach()
    assert (deviations != -1.5).all()
    torch.testing.assert_close(deviations, torch.full((2,), -1.5), atol=0.3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("game", "use_lstm"), [("Aim", True), ("Match", False)])
def test_a_stopped_run_goes_on_from_its_checkpoint(tmp_path, game, use_lstm):
    asked = config(game, trainer__use_lstm=use_lstm, trainer__total_timesteps=1024)
    with pytest.raises(InterruptedRunError):
        Training(asked, tmp_path, CPU, lambda line: None).run(lambda: True)
    resumed = Training(asked, tmp_path, CPU, lambda line: None)
    assert resumed.resume()
    assert resumed.step == 512
    assert "reward" in resumed.run()


CHOICES = ("0:0", "0:1", "0:2", "1:0", "1:1", "1:2")


@pytest.mark.parametrize(("game", "names"), [("Aim", ("0", "1")), ("Match", CHOICES)])
def test_an_episode_can_be_looked_at(tmp_path, game, names):
    asked = config(game, trainer__total_timesteps=512)
    trained(tmp_path, asked)
    folder = CheckpointFolder(tmp_path / "checkpoints")
    policy = load_policy(asked, folder.latest()["policy"], folder.best)
    (film,) = films(policy, asked, number=0)
    assert film.action_names == names
    (frame,) = film.frames
    if game == "Aim":
        assert frame.actions == frame.probabilities == ()
        assert len(frame.facts["action"].split()) == len(frame.facts["deviation"].split()) == 2
    else:
        assert 0 <= frame.actions[0] < 3 <= frame.actions[1] < 6
        assert sum(frame.probabilities) == pytest.approx(2.0)


@pytest.mark.slow
def test_a_walker_of_mujoco_is_played(tmp_path):
    pytest.importorskip("mujoco")
    few = {"trainer.total_timesteps": 512, "sim.num_envs": 1, "sim.episodes": 1}
    asked = parse(put(shipped(env="continuous"), SMALL | few | {"env.id": "Hopper-v5"}))
    assert trained(tmp_path, asked)[1]["episode_length"] > 1
