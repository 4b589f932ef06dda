"""What a machine lacks is told before a run is started on it."""

import pytest

from metta_sweep.extras import how_to_install
from metta_sweep.trainer import machine
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.machine import HardwareHere, device_problem
from tests.trainer.configs import put, shipped


def lacking(gpus=None, **changes):
    env = changes.pop("env", "altar")
    config = put(shipped(env=env), {name.replace("__", "."): value for name, value in changes.items()})
    return list(HardwareHere(gpus=gpus).lacks(parse(config)))


@pytest.mark.parametrize("name", ["cpu", "auto"])
@pytest.mark.parametrize("gpus", [0, 1, 8])
def test_cpu_and_auto_are_everywhere(name, gpus):
    assert device_problem(name, gpus) is None


@pytest.mark.parametrize(("name", "least"), [("cuda", 1), ("cuda:0", 1), ("cuda:3", 4)])
def test_a_gpu_is_there_from_its_number_on(name, least):
    assert device_problem(name, least) is None
    problem = device_problem(name, least - 1)
    assert f"got {name}" in problem
    assert problem.startswith("need cpu")


def test_the_gpus_that_a_run_is_shown_are_those_that_count(monkeypatch):
    monkeypatch.setattr(machine, "gpu_count", lambda: 4)
    assert lacking(device="cuda:3") == []
    assert lacking(gpus=2, device="cuda:1") == []
    ((key, rule),) = lacking(gpus=1, device="cuda:3")
    assert key == "device"
    assert "a run sees 1 GPU (" in rule
    assert lacking(gpus=8, device="cuda:4") != []


def test_torch_is_asked_only_where_a_gpu_is_asked_for(monkeypatch):
    def never():
        raise AssertionError("nobody asked for a GPU")

    monkeypatch.setattr(machine, "gpu_count", never)
    assert lacking(device="auto") == lacking(device="cpu") == []


@pytest.mark.parametrize("env", ["gymnasium", "atari", "mettagrid"])
def test_an_extra_that_is_not_installed_is_named_with_what_installs_it(env, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda module: None)
    ((key, message),) = lacking(env=env)
    assert key == "env.name"
    assert how_to_install(env) in message


@pytest.mark.slow
@pytest.mark.parametrize("env", ["altar", "pong", "cogeval"])
def test_the_native_environments_need_no_extra(env, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda module: None)
    assert lacking(env=env) == []


@pytest.mark.parametrize(
    ("changes", "key", "rule"),
    [
        ({"env__id": "NoSuchThing-v1"}, "env.id", "cannot make 'NoSuchThing-v1'"),
        ({"env__id": "tests.envs.bad_environments:Wordy-v0"}, "env.id", "need actions of one kind"),
        ({"env__options": {"gravity_of": 3}}, "env.options", "gravity_of"),
        ({"agent__encoder": "conv"}, "agent.encoder", "no picture"),
    ],
)
def test_an_environment_that_cannot_be_played_is_refused_by_its_key(changes, key, rule):
    pytest.importorskip("gymnasium")
    ((found, message),) = lacking(env="gymnasium", **changes)
    assert found == key
    assert rule in message


def test_an_atari_game_that_is_not_there_is_refused():
    pytest.importorskip("ale_py")
    ((key, message),) = lacking(env="atari", env__id="pong_two")
    assert key == "env.id"
    assert "pong_two" in message


def test_an_environment_is_made_once_however_often_it_is_asked_for(monkeypatch):
    pytest.importorskip("gymnasium")
    made = []
    original = machine._made_once.__wrapped__

    def counted(env):
        made.append(env)
        return original(env)

    monkeypatch.setattr(machine, "_made_once", machine.cache(counted))
    assert lacking(env="gymnasium") == lacking(env="gymnasium") == []
    assert len(made) == 1
