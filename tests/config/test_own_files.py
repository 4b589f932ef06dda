"""Hardware, user and other group files of one's own: they are looked at as closely as the sweep file."""

from __future__ import annotations

import pytest
from omegaconf import OmegaConf

from tests.config.conftest import LEARNING_RATE, Desk

SWEEP = f"sweep:{LEARNING_RATE}"
HEAD = "# @package _global_\n"


def test_a_user_file_sets_what_is_not_the_trainings(desk: Desk) -> None:
    desk.write(HEAD + "wandb: {entity: me, project: mine}\ndata_dir: elsewhere\nseed: 3\n", "configs/user/me.yaml")
    asked = desk.ask(SWEEP, "+user=me")
    assert (asked.wandb.entity, asked.wandb.project) == ("me", "mine")
    assert (asked.data_dir, asked.seed) == (desk.cwd / "elsewhere", 3)
    assert asked.origins["wandb.entity"].place == "configs/user/me.yaml, line 2"


def test_a_hardware_file_sets_the_launcher(desk: Desk) -> None:
    desk.write(HEAD + "launcher: {max_parallel: 3, run_time_limit: 10m}\n", "configs/hardware/box.yaml")
    launcher = desk.ask(SWEEP, "+hardware=box").launcher
    assert (launcher.max_parallel, launcher.run_time_limit, launcher.kill_grace_s) == (3, 600.0, 5.0)


def test_groups_of_ones_own_can_be_chosen(desk: Desk) -> None:
    desk.write("kind: local\nmax_parallel: 2\n", "configs/launcher/two.yaml")
    assert desk.ask(SWEEP, "launcher=two").launcher.max_parallel == 2


@pytest.mark.slow
def test_the_environment_fills_the_example_user(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_ENTITY", raising=False)
    assert desk.ask(SWEEP, "+user=example").wandb.entity is None
    monkeypatch.setenv("WANDB_ENTITY", "us")
    assert desk.ask(SWEEP, "+user=example").wandb.entity == "us"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "trainer: {gama: 0.9}\n",
            "configs/user/me.yaml, line 2: trainer.gama: unknown key\n  fix: did you mean trainer.gamma?",
        ),
        ("wandb: {api_key: abc}\n", "configs/user/me.yaml, line 2: wandb.api_key: keys and tokens are never read"),
        ("wandb: {entity: '${oc.env:MY_TOKEN}'}\n", "configs/user/me.yaml, line 2: wandb.entity: MY_TOKEN must not"),
        ("laucher: {max_parallel: 2}\n", "configs/user/me.yaml, line 2: laucher: there is no such setting"),
        ("launcher: {max_parallel: two}\n", "configs/user/me.yaml, line 2: launcher.max_parallel: need a whole number"),
        (
            "launcher:\n  max_parallel: 2\n  max_parallel: 3\n",
            "line 4: launcher.max_parallel: is given twice",
        ),
        ("wandb: [\n", "configs/user/me.yaml, line 3: invalid YAML"),
        ("wandb: 3\n", "configs/user/me.yaml, line 2: wandb: need a mapping, got 3"),
        ("trainer: 3\n", "configs/user/me.yaml, line 2: trainer: need a mapping, got 3"),
        ("env: pong\n", "to choose a group write   defaults: [override /env: pong]"),
        ("hydra: {run: {dir: x}}\n", "settings of Hydra itself are not used"),
        ("launcher: ${nothing.here}\n", "Interpolation key 'nothing.here' not found"),
        ("data_dir: !!python/object/apply:os.getcwd []\n", "configs/user/me.yaml, line 2: YAML tags are not allowed"),
        ("- a\n- b\n", "configs/user/me.yaml, line 1: need a mapping of keys"),
        ("defaults: [nothing]\n", "nothing"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_place(desk: Desk, content: str, told: str) -> None:
    desk.write(HEAD + content, "configs/user/me.yaml")
    message = desk.message(SWEEP, "+user=me")
    assert told in message
    assert "abc" not in message


@pytest.mark.slow
def test_a_key_is_never_repeated_in_a_message(desk: Desk) -> None:
    assert "s3cr3t" not in desk.message(SWEEP, "wandb.api_key=s3cr3t", "wandb.token=s3cr3t", "++wandb.api_key=s3cr3t")


@pytest.mark.slow
def test_a_resolver_of_ones_own_is_never_called(desk: Desk) -> None:
    called = []
    OmegaConf.register_new_resolver("sweep_test_deed", lambda: called.append(1) or "x")
    try:
        desk.write(HEAD + "data_dir: ${sweep_test_deed:}\n", "configs/user/me.yaml")
        assert "${sweep_test_deed:...} is not allowed" in desk.message(SWEEP, "+user=me")
        assert "is not allowed" in desk.message(SWEEP, "data_dir=${sweep_test_deed:}")
        assert "is not allowed" in desk.message(SWEEP + "    metric: ${sweep_test_deed:}\n")
    finally:
        OmegaConf.clear_resolver("sweep_test_deed")
    assert called == []


def test_a_broken_file_that_is_not_used_does_no_harm(desk: Desk) -> None:
    desk.write("[", "configs/user/other.yaml")
    assert desk.ask(SWEEP).user is None


@pytest.mark.slow
def test_a_working_directory_of_any_name_will_do(desk: Desk) -> None:
    odd = Desk(desk.cwd / "a b',=[ü]${x}")
    odd.write(HEAD + "seed: 3\n", "configs/user/me.yaml")
    assert odd.ask(SWEEP, "+user=me").seed == 3
