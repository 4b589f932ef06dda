"""The training process, from the outside."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml

from metta_sweep import train
from metta_sweep.result import RunPaths, read_result
from tests.trainer.configs import put, small


@pytest.fixture(autouse=True)
def keep_signals_and_threads(monkeypatch):
    monkeypatch.delenv("METTA_SWEEP_RUN_DIR", raising=False)
    numbers, threads = (signal.SIGTERM, signal.SIGUSR1), torch.get_num_threads()
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)
    torch.set_num_threads(threads)


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(small()))
    return path


def test_a_run_goes_where_the_command_line_says(config, tmp_path, monkeypatch):
    monkeypatch.setenv("METTA_SWEEP_RUN_DIR", str(tmp_path / "elsewhere"))
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'here'}"]) == 0
    assert read_result(RunPaths(tmp_path / "here")).steps == 512
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_goes_where_the_environment_says(config, tmp_path, monkeypatch):
    monkeypatch.setenv("METTA_SWEEP_RUN_DIR", str(tmp_path / "there"))
    assert train.main([f"config={config}"]) == 0
    assert read_result(RunPaths(tmp_path / "there")) is not None


@pytest.mark.slow
def test_a_run_of_its_own_never_overwrites_another(config, tmp_path):
    for _ in range(2):
        assert train.main([f"config={config}"]) == 0
    one, two = (read_result(RunPaths(tmp_path / f"repeat-{k}")) for k in (1, 2))
    assert one.metrics == two.metrics


def test_a_finished_run_is_left_alone(config, tmp_path, capsys):
    arguments = [f"config={config}", f"run_dir={tmp_path / 'run'}"]
    train.main(arguments)
    before = RunPaths(tmp_path / "run").result.read_bytes()
    assert train.main(arguments) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert RunPaths(tmp_path / "run").result.read_bytes() == before


def test_the_command_line_wins_and_the_run_keeps_its_whole_config(config, tmp_path):
    run_dir = tmp_path / "run"
    overrides = ["trainer.total_timesteps=128", "+env.game.objects.altar.hp=3", "trainer.learning_rate=1e-3"]
    assert train.main([f"config={config}", f"run_dir={run_dir}", *overrides]) == 0
    kept = yaml.safe_load(RunPaths(run_dir).config.read_text())
    assert kept["trainer"]["total_timesteps"] == 128
    assert kept["env"]["game"]["objects"]["altar"]["hp"] == 3
    assert kept["trainer"]["learning_rate"] == 0.001
    assert train.main([f"config={RunPaths(run_dir).config}", f"run_dir={tmp_path / 'again'}"]) == 0
    assert read_result(RunPaths(tmp_path / "again")).metrics == read_result(RunPaths(run_dir)).metrics


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "invalid_config: config: need config=PATH"),
        (["config=nowhere.yaml"], "invalid_config: config: cannot read nowhere.yaml"),
        (["config={config}", "trainer.gamma=2"], "invalid_config: trainer.gamma: Input should be less than"),
        (["config={config}", "trainer.lr=2"], "invalid_config: trainer.lr: unknown key"),
        (["config={config}", "trainer.minibatch_size=100"], "batch_size must be a multiple of minibatch_size"),
        (["config={config}", "--batch"], "invalid_config: --batch: need key=value"),
        (["config={config}", "seed.x=1"], "invalid_config: seed.x: seed holds a value"),
        (["config={config}", "seed=[1"], "invalid_config: overrides: not YAML"),
    ],
)
def test_an_invalid_request_is_one_message_and_exit_code_2(config, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert train.main([argument.format(config=config) for argument in arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("repeat-*"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_missing_cuda_device_is_one_message(config, tmp_path, capsys):
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'run'}", "device=cuda"]) == 2
    assert capsys.readouterr().err.startswith("invalid_config: device: need cpu or auto")


def test_checkpoints_of_another_config_are_one_message(config, tmp_path, capsys):
    run_dir = tmp_path / "run"
    assert train.main([f"config={config}", f"run_dir={run_dir}"]) == 0
    RunPaths(run_dir).result.unlink()
    assert train.main([f"config={config}", f"run_dir={run_dir}", "agent.hidden_size=8"]) == 2
    assert "another config (agent.hidden_size was 16, is 8)" in capsys.readouterr().err


def test_an_environment_that_cannot_be_made_is_one_message(config, tmp_path, capsys):
    pytest.importorskip("gymnasium")
    content = yaml.safe_load(config.read_text())
    content["env"] = {"name": "gymnasium", "id": "NoSuchThing-v1"}
    config.write_text(yaml.safe_dump(content))
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'run'}"]) == 2
    assert capsys.readouterr().err.startswith("invalid_config: env.id: gymnasium cannot make 'NoSuchThing-v1'")


def test_gymnasium_trains_like_any_other_environment(config, tmp_path):
    pytest.importorskip("gymnasium")
    content = yaml.safe_load(config.read_text())
    content["env"] = {"name": "gymnasium", "id": "CartPole-v1", "options": {"max_episode_steps": 20}}
    config.write_text(yaml.safe_dump(content))
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'run'}"]) == 0
    assert 5 < read_result(RunPaths(tmp_path / "run")).metrics["reward"] <= 20


@pytest.mark.slow
def test_atari_trains_like_any_other_environment(config, tmp_path):
    pytest.importorskip("ale_py")
    content = yaml.safe_load(config.read_text())
    content["env"] = {"name": "atari", "id": "pong", "size": 36, "max_frames": 100}
    content["trainer"] |= {"total_timesteps": 128, "num_steps": 64}
    content["sim"] |= {"num_envs": 1, "episodes": 1}
    config.write_text(yaml.safe_dump(content))
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'run'}"]) == 0
    metrics = read_result(RunPaths(tmp_path / "run")).metrics
    assert 20 <= metrics["episode_length"] <= 25
    assert metrics["reward"] <= 0


def test_several_processes_must_be_told_where_they_meet(config, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train.main([f"config={config}"]) == 2
    assert "invalid_config: run_dir: several processes must be told one" in capsys.readouterr().err


def test_a_config_file_that_holds_no_mapping_is_refused(tmp_path, capsys):
    (tmp_path / "list.yaml").write_text("- 1\n")
    assert train.main([f"config={tmp_path / 'list.yaml'}"]) == 2
    assert "holds no mapping" in capsys.readouterr().err


def test_a_diverged_run_says_so_and_exits_with_3(tmp_path, capsys):
    path = tmp_path / "config.yaml"
    wild = {"trainer.learning_rate": 1e30, "trainer.max_grad_norm": None, "trainer.learning_rate_schedule": "constant"}
    path.write_text(yaml.safe_dump(put(small(), wild)))
    assert train.main([f"config={path}", f"run_dir={tmp_path / 'run'}"]) == 3
    assert capsys.readouterr().err.startswith("diverged: ")
    assert not RunPaths(tmp_path / "run").result.exists()


def start(config, run_dir, *overrides):
    command = [sys.executable, "-m", "metta_sweep.train", f"config={config}", f"run_dir={run_dir}", *overrides]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, seconds=60.0):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


LONG = ("trainer.total_timesteps=6400", "trainer.evaluate_interval=10", "trainer.checkpoint_interval=5")


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [*(pytest.param(number, marks=pytest.mark.long) for number in (signal.SIGTERM, signal.SIGUSR1)), signal.SIGKILL],
)
def test_a_run_killed_as_a_process_and_started_again_ends_where_an_undisturbed_one_does(config, tmp_path, number):
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'straight'}", *LONG]) == 0
    run_dir = tmp_path / "killed"
    process = start(config, run_dir, *LONG)
    wait_for(lambda: len(list(RunPaths(run_dir).checkpoints.glob("step-*.pt"))) >= 1)
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=240)
    assert process.returncode == (-9 if number == signal.SIGKILL else 143), error
    assert not RunPaths(run_dir).result.exists()
    assert train.main([f"config={config}", f"run_dir={run_dir}", *LONG]) == 0
    results = [json.loads(RunPaths(path).result.read_text()) for path in (run_dir, tmp_path / "straight")]
    assert results[0]["metrics"] == results[1]["metrics"]
    folders = [RunPaths(path).checkpoints / "step-000000006400.pt" for path in (run_dir, tmp_path / "straight")]
    killed, straight = (torch.load(path, weights_only=True)["policy"] for path in folders)
    assert all(torch.equal(killed[name], straight[name]) for name in straight)
