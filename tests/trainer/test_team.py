"""Several processes do what one does."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
import yaml

from metta_sweep import train
from metta_sweep.result import RunPaths, read_evaluations, read_result
from metta_sweep.trainer.ppo import own_numbers, own_segments
from metta_sweep.trainer.team import Team, find_team, meet
from metta_sweep.trainer.training import Training
from tests.trainer.configs import parsed, small


def test_torchrun_says_who_is_who():
    cpu = torch.device("cpu")
    assert find_team(cpu, {"RANK": "2", "WORLD_SIZE": "4"}) == Team(rank=2, size=4)
    assert find_team(cpu, {}) == Team()
    assert [Team(rank=rank, size=3).share(12) for rank in range(3)] == [range(4), range(4, 8), range(8, 12)]


@pytest.mark.parametrize(
    ("place", "size", "expected"),
    [
        ("cuda:1", 2, [("set_device", "cuda:1"), ("nccl", "cuda:1")]),
        ("cuda:3", 1, [("set_device", "cuda:3")]),
        ("cpu", 2, [("gloo", "None")]),
        ("cpu", 1, []),
    ],
)
def test_every_process_uses_a_gpu_of_its_own_where_none_is_named(place, size, expected, monkeypatch):
    called = []
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: called.append(("set_device", str(device))))
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda kind, device_id: called.append((kind, str(device_id)))
    )
    meet(find_team(torch.device(place), {"RANK": "0", "WORLD_SIZE": str(size)}))
    assert called == expected


@pytest.mark.parametrize("ask", [lambda team: team.any(True), lambda team: team.add(torch.ones(3))])
def test_what_is_added_up_lies_on_the_gpu_of_its_process(ask, monkeypatch):
    class ReachedError(Exception):
        pass

    def added(tensor):
        assert tensor.device == torch.device("meta")
        raise ReachedError

    monkeypatch.setattr(torch.distributed, "all_reduce", added)
    with pytest.raises(ReachedError):
        ask(Team(rank=1, size=2, place=torch.device("meta")))


@pytest.mark.parametrize(("use_lstm", "horizon"), [(False, 1), (True, 8)])
def test_every_segment_of_a_minibatch_is_held_by_one_process(use_lstm, horizon):
    config = parsed(trainer__use_lstm=use_lstm, trainer__bptt_horizon=8).trainer
    rows, segments = config.batch_size // config.num_steps, config.batch_size // horizon
    order = torch.randperm(segments, generator=torch.Generator().manual_seed(0))
    size = config.minibatch_size // horizon
    alone, sizes = own_segments(order, Team(), config)
    assert torch.equal(alone, order)
    assert sizes == [size] * (segments // size)
    parts = [own_segments(order, Team(rank=rank, size=2), config) for rank in range(2)]
    assert [a + b for a, b in zip(parts[0][1], parts[1][1], strict=True)] == sizes
    for rank, (mine, own_sizes) in enumerate(parts):
        there = [int(k) // (rows // 2) * rows + rank * rows // 2 + int(k) % (rows // 2) for k in mine]
        place = {int(segment): number for number, segment in enumerate(order)}
        minibatch = [place[segment] // size for segment in there]
        assert minibatch == [k for k, own in enumerate(own_sizes) for _ in range(own)]


@pytest.mark.parametrize("use_lstm", [False, True])
def test_processes_number_the_segments_that_they_hold_alike(use_lstm):
    config = parsed(trainer__use_lstm=use_lstm, trainer__bptt_horizon=8).trainer
    count = config.batch_size // (8 if use_lstm else 1)
    numbers = [own_numbers(count // 2, Team(rank=rank, size=2), config) for rank in range(2)]
    assert sorted(torch.cat(numbers).tolist()) == list(range(count))
    assert own_numbers(count, Team(), config).tolist() == list(range(count))
    for rank, mine in enumerate(numbers):
        here, _ = own_segments(mine, Team(rank=rank, size=2), config)
        assert here.tolist() == list(range(count // 2))


def test_rows_that_cannot_be_shared_out_are_refused(tmp_path):
    with pytest.raises(ValueError, match="multiple of the 3 processes"):
        Training(parsed(), tmp_path, torch.device("cpu"), print, Team(rank=0, size=3))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(config, run_dir, *overrides):
    port = str(free_port())
    command = [sys.executable, "-m", "metta_sweep.train", f"config={config}", f"run_dir={run_dir}", *overrides]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(command, env=os.environ | meeting | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]


def finish(processes):
    errors = [process.communicate(timeout=280)[1] for process in processes]
    return [process.returncode for process in processes], errors


def policy(run_dir, step):
    return torch.load(RunPaths(run_dir).checkpoints / f"step-{step:012d}.pt", weights_only=True)["policy"]


@pytest.mark.slow
@pytest.mark.parametrize("use_lstm", [False, True])
def test_two_processes_learn_what_one_does(tmp_path, use_lstm, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    handler = signal.getsignal(signal.SIGTERM)
    config = tmp_path / "config.yaml"
    changes = {"trainer__target_kl": 0.5, "trainer__normalize_reward": True, "agent__separate_value": use_lstm}
    config.write_text(yaml.safe_dump(small(trainer__use_lstm=use_lstm, **changes)))
    codes, errors = finish(start(config, tmp_path / "two"))
    assert codes == [0, 0], errors
    assert train.main([f"config={config}", f"run_dir={tmp_path / 'one'}"]) == 0
    signal.signal(signal.SIGTERM, handler)
    one, two = policy(tmp_path / "one", 512), policy(tmp_path / "two", 512)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    metrics = [read_result(RunPaths(tmp_path / name)).metrics["reward"] for name in ("one", "two")]
    assert metrics[0] == pytest.approx(metrics[1], abs=0.2)
    assert len(list(read_evaluations(RunPaths(tmp_path / "two")))) == 4


@pytest.mark.long
def test_a_team_that_is_stopped_goes_on_where_it_was(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(small(trainer__total_timesteps=3072, trainer__checkpoint_interval=2)))
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    assert finish(start(config, straight))[0] == [0, 0]
    processes = start(config, stopped)
    limit = time.monotonic() + 240
    while not list(RunPaths(stopped).checkpoints.glob("step-*.pt")):
        assert time.monotonic() < limit
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGTERM)
    codes, errors = finish(processes)
    assert codes == [143, 143], errors
    codes, errors = finish(start(config, stopped))
    assert codes == [0, 0], errors
    one, two = policy(straight, 3072), policy(stopped, 3072)
    assert all(torch.equal(two[name], value) for name, value in one.items())
    assert len(list(RunPaths(stopped).checkpoints.glob("part-*.pt"))) == 2
