"""Which value wins: defaults < hardware < user < sweep file < command line < suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest

from metta_sweep.config.ask import ask
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.trainer.schema import schema
from tests.config.conftest import Desk

SWEEP = """
rollout_count: 4
sweep:
  parameters:
    trainer.learning_rate: {distribution: log_normal, min: 0.0001, max: 0.01, mean: 0.001}
"""


def with_workers(count: int) -> str:
    return f"{SWEEP}  trainer: {{num_workers: {count}}}\n"


@pytest.fixture
def own(desk: Desk) -> Desk:
    desk.write("# @package _global_\ntrainer: {num_workers: 11, gamma: 0.9}\n", "configs/hardware/box.yaml")
    desk.write("# @package _global_\ntrainer: {num_workers: 12}\nrollout_count: 7\n", "configs/user/me.yaml")
    return desk


def workers(desk: Desk, sweep: str, *words: str) -> tuple[int, str]:
    asked = desk.ask(sweep, *words)
    return asked.training["trainer"]["num_workers"], asked.origins["trainer.num_workers"].source


@pytest.mark.slow
def test_each_layer_wins_over_the_weaker_ones(own: Desk) -> None:
    both = ["+hardware=box", "+user=me"]
    assert workers(own, SWEEP) == (1, "defaults")
    assert workers(own, SWEEP, "+hardware=box") == (11, "hardware")
    assert workers(own, SWEEP, *both) == (12, "user")
    assert workers(own, SWEEP, *reversed(both)) == (12, "user")
    assert workers(own, with_workers(13), *both) == (13, "sweep file")
    assert workers(own, with_workers(13), *both, "trainer.num_workers=14") == (14, "command line")


@pytest.mark.slow
def test_a_weaker_layer_keeps_what_a_stronger_one_leaves_alone(own: Desk) -> None:
    asked = own.ask(with_workers(13), "+hardware=box", "+user=me")
    assert asked.training["trainer"]["gamma"] == 0.9
    assert asked.rollout_count == 4
    assert (asked.hardware, asked.user) == ("box", "me")


@pytest.mark.slow
@pytest.mark.parametrize("word", ["hardware=macbook", "+hardware=macbook", "++hardware=macbook"])
def test_a_group_may_be_chosen_with_or_without_plus(desk: Desk, word: str) -> None:
    asked = desk.ask(SWEEP, word)
    assert (asked.hardware, asked.training["device"]) == ("macbook", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_value_may_be_given_with_or_without_plus(desk: Desk, plus: str) -> None:
    asked = desk.ask(SWEEP, f"{plus}trainer.gamma=0.5", f"{plus}env.game.objects.altar.hp=3")
    assert asked.training["trainer"]["gamma"] == 0.5
    assert asked.training["env"]["game"]["objects"]["altar"]["hp"] == 3


@pytest.mark.slow
def test_a_block_of_the_sweep_reaches_every_depth_of_its_group(desk: Desk) -> None:
    asked = desk.ask(f"{SWEEP}  env: {{game: {{objects: {{altar: {{hp: 10}}}}}}}}\n  sim.episodes: 3\n")
    altar = asked.training["env"]["game"]["objects"]["altar"]
    assert (altar["hp"], altar["cooldown"]) == (10, 5)
    assert asked.training["sim"]["episodes"] == 3
    assert asked.overrides == {"env": {"game": {"objects": {"altar": {"hp": 10}}}}, "sim": {"episodes": 3}}


@pytest.mark.slow
def test_overrides_show_the_values_that_came_out(desk: Desk) -> None:
    asked = desk.ask(with_workers(2), "trainer.num_workers=3", "trainer.gamma=0.5")
    assert asked.overrides == {"trainer": {"num_workers": 3, "gamma": 0.5}}


@pytest.mark.slow
def test_the_sweep_block_itself_may_be_changed_on_the_command_line(desk: Desk) -> None:
    asked = desk.ask(with_workers(2), "sweep.metric=heart.get", "sweep.trainer.num_workers=5", "rollout_count=9")
    assert (asked.metric, asked.rollout_count) == ("heart.get", 9)
    assert asked.training["trainer"]["num_workers"] == 5
    assert asked.origins["trainer.num_workers"].source == "command line"


@pytest.mark.slow
def test_a_bound_may_be_changed_on_the_command_line(desk: Desk) -> None:
    asked = desk.ask(SWEEP, "sweep.parameters.trainer.learning_rate.max=0.005")
    assert asked.parameters["trainer.learning_rate"]["max"] == 0.005
    assert asked.parameters["trainer.learning_rate"]["min"] == 0.0001


@pytest.mark.slow
def test_a_swept_parameter_on_the_command_line_is_pinned(desk: Desk) -> None:
    sweep = f"{SWEEP}    trainer.gamma: {{distribution: uniform, min: 0.9, max: 0.99}}\n"
    asked = desk.ask(sweep, "trainer.learning_rate=0.5")
    assert asked.space.names == ("trainer.gamma",)
    assert asked.pinned == {"trainer.learning_rate": 0.5}
    assert asked.training["trainer"]["learning_rate"] == 0.5
    assert "trainer.learning_rate" not in asked.parameters
    assert any("trainer.learning_rate" in note and "0.5" in note for note in asked.notes)


@pytest.mark.slow
def test_pinning_every_parameter_leaves_nothing_to_search(desk: Desk) -> None:
    assert "every parameter is held" in desk.message(SWEEP, "trainer.learning_rate=0.5")


@pytest.mark.slow
def test_a_removed_key_is_gone(desk: Desk) -> None:
    assert "episodes" not in desk.ask(SWEEP, "~sim.episodes").training["sim"]


@pytest.mark.slow
def test_the_same_key_twice_means_the_last(desk: Desk) -> None:
    assert desk.ask(SWEEP, "seed=1", "seed=2").seed == 2


def test_the_environment_reaches_every_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_TEST_STEPS", "77")
    text = SWEEP.replace("4", "${oc.decode:${oc.env:SWEEP_TEST_ROLLOUTS,5}}")
    asked = desk.ask(f"{text}  env: {{game: {{max_steps: '${{oc.decode:${{oc.env:SWEEP_TEST_STEPS}}}}'}}}}\n")
    assert (asked.rollout_count, asked.training["env"]["game"]["max_steps"]) == (5, 77)


@pytest.mark.slow
@pytest.mark.parametrize(("variable", "expected"), [("elsewhere", "elsewhere"), ("", "train_dir"), (None, "train_dir")])
def test_state_lies_under_data_dir(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, variable: str | None, expected: str
) -> None:
    if variable is not None:
        monkeypatch.setenv("DATA_DIR", variable)
    assert desk.ask(SWEEP).data_dir == desk.cwd / expected


@pytest.mark.slow
def test_data_dir_on_the_command_line_may_be_any_folder(desk: Desk) -> None:
    assert desk.ask(SWEEP, "data_dir=/a b/ü").data_dir == Path("/a b/ü")
    assert desk.ask(SWEEP, "data_dir=~/x").data_dir == Path.home() / "x"


def test_interpolation_reads_the_composed_config(desk: Desk) -> None:
    asked = desk.ask(f"{SWEEP}  trainer: {{minibatch_size: '${{trainer.batch_size}}', batch_size: 512}}\n")
    assert asked.training["trainer"]["minibatch_size"] == 512


@pytest.mark.slow
def test_asking_twice_gives_the_same(desk: Desk) -> None:
    first, second = (desk.ask(with_workers(2), "+hardware=aws") for _ in range(2))
    assert first.training == second.training
    assert first.parameters == second.parameters


@pytest.mark.slow
def test_asking_changes_nothing_on_disk(desk: Desk) -> None:
    desk.write(SWEEP)
    before = {path: path.stat().st_mtime_ns for path in desk.cwd.rglob("*")}
    ask(["run=x", "++sweep_params=asked.yaml", "cmd=plan"], training=schema, cwd=desk.cwd)
    assert {path: path.stat().st_mtime_ns for path in desk.cwd.rglob("*")} == before


@pytest.mark.slow
def test_the_optimizer_is_chosen_in_the_sweep_file_and_the_command_line_wins(desk: Desk) -> None:
    chosen = SWEEP + "  optimizer: sobol\n"
    assert desk.ask(SWEEP).optimizer == "protein"
    assert desk.ask(chosen).optimizer == "sobol"
    assert desk.ask(chosen, "optimizer=random").optimizer == "random"
    assert desk.ask(chosen, "sweep.optimizer=random").optimizer == "random"
    assert desk.ask(chosen).origins["optimizer"].place.endswith("line 6")


@pytest.mark.slow
@pytest.mark.parametrize(("written", "word"), [("  optimizer: randon\n", ""), ("", "optimizer=randon")])
def test_an_unknown_optimizer_is_told_where_it_is_written_with_the_nearest_name(
    tmp_path: Path, written: str, word: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SWEEP + written)
    words = ["run=a", f"++sweep_params={file}", *([word] if word else [])]
    with pytest.raises(RequestError) as told:
        ask(words, training=schema, cwd=tmp_path, optimizer=read_optimizer)
    place = "command line: optimizer" if word else "line 6: sweep.optimizer"
    assert f"{place}: need one of protein, random, sobol, got 'randon'" in str(told.value)
    assert "fix: did you mean random?" in str(told.value)
