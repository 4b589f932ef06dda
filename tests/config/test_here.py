"""What this machine and this training have is asked before anything is started."""

from __future__ import annotations

import pytest

from metta_sweep.config.ask import ask
from metta_sweep.extras import how_to_install
from metta_sweep.trainer import machine
from metta_sweep.trainer.schema import schema


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(machine, "gpu_count", lambda: 0)


@pytest.mark.slow
def test_a_gpu_that_this_machine_lacks_is_refused_where_runs_are_on_this_machine(desk, swept, no_gpu):
    told = desk.message(swept(), "device=cuda")
    assert told.startswith("command line: device: need cpu or auto")
    assert desk.message(swept("device: cuda")).startswith("asked.yaml, line")


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["slurm", "ray"])
def test_what_a_cluster_has_is_not_judged_by_this_machine(desk, swept, no_gpu, launcher, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda module: None)
    assert desk.ask(swept(), f"launcher={launcher}", "device=cuda:3").training["device"] == "cuda:3"
    assert desk.ask(swept(), f"launcher={launcher}", "env=atari").training["env"]["name"] == "atari"


@pytest.mark.slow
def test_the_gpus_that_the_launcher_shows_a_run_count(desk, swept, monkeypatch):
    monkeypatch.setattr(machine, "gpu_count", lambda: 4)
    desk.write(swept())
    words = ["run=x", "++sweep_params=asked.yaml", "device=cuda:1"]
    shown = {"auto": 1, 2: 2}
    with pytest.raises(Exception, match="a run sees 1 GPU"):
        ask(words, training=schema, cwd=desk.cwd, gpus=shown.get)
    ask([*words, "launcher.gpus_per_run=2"], training=schema, cwd=desk.cwd, gpus=shown.get)


def test_an_extra_that_is_not_installed_is_refused(desk, swept, monkeypatch):
    monkeypatch.setattr(machine, "find_spec", lambda module: None)
    assert how_to_install("atari") in desk.message(swept(), "env=atari")


def test_a_value_of_a_list_is_asked_about_too(desk, no_gpu):
    told = desk.message("sweep: {parameters: {device: {values: [cpu, cuda]}}}")
    assert "sweep.parameters.device.values" in told
    assert "got cuda" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metric", "fix"),
    [("hart.get", "did you mean heart.get?"), ("loss", "it reports reward,"), ("sim.craft.reward", "")],
)
def test_a_metric_that_no_run_reports_is_refused(desk, swept, metric, fix):
    told = desk.message(swept(f"metric: {metric}"))
    assert "asked.yaml, line" in told
    assert f"got {metric!r}" in told
    assert fix in told


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["reward", "reward_se", "heart.get", "train/gradient_norm"])
def test_whatever_a_run_reports_can_be_the_metric(desk, swept, metric):
    assert desk.ask(swept(f"metric: {metric}")).metric == metric


def test_a_simulation_of_the_suite_has_metrics_of_its_own(desk, swept):
    asked = desk.ask(swept("metric: sim.t_maze.reward"), "env=cogeval", "sim=cogeval")
    assert asked.metric == "sim.t_maze.reward"


@pytest.mark.slow
def test_with_a_command_of_ones_own_any_metric_and_device_may_be(desk, swept, no_gpu):
    assert desk.ask(swept("metric: loss\ncommand: [train]"), "device=cuda").metric == "loss"
