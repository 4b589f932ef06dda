"""Environments that misbehave end a run with one message, or do no harm."""

import os
import signal

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip("gymnasium")

from metta_sweep.envs import gymnasium as adapter
from metta_sweep.envs.config import EnvUnavailableError, GymnasiumEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Step
from metta_sweep.envs.workers import WorkerDiedError
from metta_sweep.result import RunPaths, read_result
from metta_sweep.train import main
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import DivergedError, Training
from tests.trainer.configs import put, shipped

SMALL = {
    "trainer.total_timesteps": 128,
    "trainer.batch_size": 64,
    "trainer.num_steps": 16,
    "trainer.minibatch_size": 32,
    "sim.num_envs": 2,
    "sim.episodes": 1,
    "device": "cpu",
}


def train(name, run_dir, **changes):
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    changes["env.id"] = f"tests.envs.bad_environments:{name}-v0"
    config = parse(put(shipped(env="gymnasium"), SMALL | changes))
    run_dir.mkdir(exist_ok=True)
    return Training(config, run_dir, torch.device("cpu"), lambda line: None).run()


@pytest.mark.slow
def test_observations_that_are_no_numbers_are_a_diverged_run(tmp_path):
    with pytest.raises(DivergedError, match="an observation of the environment is not finite"):
        train("Blind", tmp_path)
    assert read_result(RunPaths(tmp_path)) is None


@pytest.mark.slow
@pytest.mark.parametrize("normalize", [False, True])
def test_huge_rewards_are_learned_from(tmp_path, normalize):
    metrics = train("Rich", tmp_path, trainer__normalize_reward=normalize)
    assert 1e8 < abs(metrics["reward"]) <= 5e9


def test_an_episode_that_never_ends_is_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr(adapter, "LONGEST", 40)
    with pytest.raises(EnvUnavailableError, match="has not ended after 40 steps: give it a limit") as caught:
        train("Endless", tmp_path)
    assert caught.value.key == "env.options"
    assert train("Endless", tmp_path / "limited", env__options={"max_episode_steps": 20})["episode_length"] == 20.0


def step_until_it_breaks(name):
    env = make_env(GymnasiumEnv(name="gymnasium", id=f"tests.envs.bad_environments:{name}-v0"), rows=2, workers=2)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    try:
        for _ in range(5):
            env.step(np.zeros(2, np.int64), out)
    finally:
        env.close()


@pytest.mark.slow
def test_what_an_environment_raises_in_a_worker_is_raised_here():
    with pytest.raises(KeyError, match="the map has no north") as caught:
        step_until_it_breaks("Broken")
    assert "in a worker that plays environments" in caught.value.__notes__[0]
    assert "bad_environments.py" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="BrokenError: odd at north") as odd:
        step_until_it_breaks("Odd")
    assert str(odd.value) == "BrokenError: odd at north"
    assert "TypeError" not in odd.value.__notes__[0]


@pytest.mark.slow
def test_an_environment_that_ends_its_worker_is_one_message():
    with pytest.raises(WorkerDiedError, match=r"worker 0 of 2, which plays environments, ended \(exit code 7\)"):
        step_until_it_breaks("Deadly")


@pytest.mark.slow
def test_a_training_whose_worker_is_gone_ends_with_that_one_message(tmp_path, capfd):
    changes = {"env.id": "tests.envs.bad_environments:Deadly-v0", "trainer.num_workers": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(put(shipped(env="gymnasium"), SMALL | changes)))
    assert main([f"config={tmp_path / 'config.yaml'}", f"run_dir={tmp_path / 'run'}"]) == 1
    said = capfd.readouterr().err
    assert "WorkerDiedError: worker 0 of 2, which plays environments, ended (exit code 7)" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_workers_outlive_the_signals_that_ask_a_run_to_end_and_end_with_it():
    env = make_env(GymnasiumEnv(name="gymnasium", id="CartPole-v1"), rows=2, workers=2)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    for process in env._processes:
        os.kill(process.pid, signal.SIGTERM)
    env.step(np.zeros(2, np.int64), out)
    env.close()
    assert not any(process.is_alive() for process in env._processes)
