"""What a sweep file can say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from metta_sweep.commands.parts import loop_settings
from metta_sweep.config.asked import Asked
from metta_sweep.config.settings import LimitSettings
from metta_sweep.errors import RequestError
from tests.config.conftest import Desk

Swept = Callable[..., str]


@pytest.mark.slow
def test_the_package_header_makes_no_difference(desk: Desk, swept: Swept) -> None:
    plain, with_header = desk.ask(swept()), desk.ask("# @package _global_\n" + swept())
    assert plain.training == with_header.training
    assert plain.parameters == with_header.parameters


@pytest.mark.slow
def test_metric_and_goal_have_defaults(desk: Desk, swept: Swept) -> None:
    asked = desk.ask(swept())
    assert (asked.metric, asked.goal, asked.rollout_count, asked.num_samples) == ("reward", "maximize", 10, 1)
    asked = desk.ask(swept("metric: episode_length\ngoal: minimize"))
    assert (asked.metric, asked.goal) == ("episode_length", "minimize")


@pytest.mark.slow
def test_nested_and_dotted_parameters_are_the_same(desk: Desk) -> None:
    leaf = "{distribution: uniform, min: 0.9, max: 0.99}"
    dotted = desk.ask(f"sweep: {{parameters: {{trainer.gamma: {leaf}}}}}")
    nested = desk.ask(f"sweep: {{parameters: {{trainer: {{gamma: {leaf}}}}}}}")
    assert dotted.parameters == nested.parameters


def test_a_conditional_parameter_reads_as_the_guide_writes_it(desk: Desk) -> None:
    asked = desk.ask(
        """
        sweep:
          parameters:
            agent.activation:
              values: [tanh, relu]
            trainer.gamma:
              min: 0.9
              max: 0.99
              distribution: uniform
              when: {agent.activation: relu}
        """
    )
    assert asked.space.decode(asked.space.encode({"agent.activation": "tanh"})) == {"agent.activation": "tanh"}


@pytest.mark.slow
def test_the_trainers_own_rules_are_constraints(desk: Desk, swept: Swept) -> None:
    asked = desk.ask(swept("constraints: ['trainer.learning_rate < 0.005']"))
    assert asked.constraints[0] == "trainer.learning_rate < 0.005"
    assert "trainer.batch_size % trainer.minibatch_size == 0" in asked.constraints


def test_an_expression_reads_the_suggestion_not_the_base_config(desk: Desk) -> None:
    asked = desk.ask(
        """
        sweep:
          parameters:
            trainer.batch_size: {distribution: uniform_pow2, min: 512, max: 4096}
            trainer.minibatch_size: {expr: "${trainer.batch_size} // 4"}
          constraints: ["${trainer.batch_size} > 256"]
        """
    )
    values = asked.space.decode(asked.space.encode({"trainer.batch_size": 512}))
    assert values["trainer.minibatch_size"] == 128


def test_a_config_value_that_follows_a_swept_one_keeps_following_it(desk: Desk) -> None:
    asked = desk.ask(
        """
        sweep:
          parameters:
            trainer.batch_size: {distribution: uniform_pow2, min: 512, max: 4096}
          trainer:
            minibatch_size: ${trainer.batch_size}
        """
    )
    assert asked.space.decode(asked.space.encode({"trainer.batch_size": 4096}))["trainer.minibatch_size"] == 4096
    assert any("trainer.minibatch_size follows trainer.batch_size" in note for note in asked.notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "bounds", "is_integer"),
    [
        ("trainer.total_timesteps", "min: 1000, max: 5000", True),
        ("trainer.total_timesteps", "min: 1.0e+3, max: 5.0e+3", True),
        ("trainer.max_grad_norm", "min: 1, max: 5", False),
        ("trainer.gamma", "min: 0, max: 1", False),
    ],
)
def test_whole_bounds_are_whole_numbers_where_the_training_takes_nothing_else(
    desk: Desk, path: str, bounds: str, is_integer: bool
) -> None:
    asked = desk.ask(f"sweep: {{parameters: {{{path}: {{distribution: uniform, {bounds}}}}}}}")
    assert asked.parameters[path].get("integer", False) is is_integer
    assert asked.space.parameters[0].domain.integer is is_integer  # type: ignore[union-attr]


class TestLimits:
    def limits(self, desk: Desk, swept: Swept, text: str, *words: str) -> Asked:
        return desk.ask(swept(f"limits: {{{text}}}"), *words)

    def test_durations_are_seconds_or_text(self, desk: Desk, swept: Swept) -> None:
        asked = self.limits(desk, swept, "wall_time: 2h 30m, total_cost: 90, run_time: 1.5m, target: 3, patience: 4")
        assert asked.limits == LimitSettings(
            wall_time_s=9000.0, total_cost_s=90.0, run_time_s=90.0, target=3.0, patience=4
        )

    def test_a_deadline_is_a_point_in_time(self, desk: Desk, swept: Swept) -> None:
        asked = self.limits(desk, swept, "deadline: 2026-11-24T08:00+00:00")
        assert asked.limits.deadline_s == 1795507200.0

    def test_the_cost_of_a_run_bounds_proposals_and_runs(self, desk: Desk, swept: Swept) -> None:
        asked = self.limits(desk, swept, "run_cost: 5m, run_time: 10m")
        assert (asked.limits.run_end_s, asked.protein["max_suggestion_cost"]) == (300.0, 300.0)

    @pytest.mark.slow
    def test_rollouts_is_another_name_of_rollout_count(self, desk: Desk, swept: Swept) -> None:
        assert self.limits(desk, swept, "rollouts: 3").rollout_count == 3
        assert self.limits(desk, swept, "rollouts: 3", "rollout_count=5").rollout_count == 5
        assert desk.ask(f"rollout_count: 2\n{swept('limits: {rollouts: 3}')}").rollout_count == 2

    def test_the_launchers_time_limit_holds_too(self, desk: Desk, swept: Swept) -> None:
        asked = self.limits(desk, swept, "run_time: 1h", "launcher.run_time_limit=10m")
        assert loop_settings(asked).time_limit_s == 600.0


class TestDefaultsList:
    @pytest.mark.slow
    def test_a_sweep_file_chooses_groups(self, desk: Desk, swept: Swept) -> None:
        asked = desk.ask("defaults: [override /hardware: macbook, override /wandb: off]\n" + swept())
        assert (asked.hardware, asked.wandb.mode) == ("macbook", "off")

    @pytest.mark.slow
    def test_the_command_line_still_wins(self, desk: Desk, swept: Swept) -> None:
        text = "defaults: [override /hardware: macbook]\n" + swept()
        assert desk.ask(text, "hardware=aws").hardware == "aws"
        assert desk.ask(text, "+hardware=aws").hardware == "aws"

    @pytest.mark.slow
    def test_a_sweep_file_extends_another(self, desk: Desk, swept: Swept) -> None:
        base = "rollout_count: 7\nnum_samples: 2\n" + swept("trainer: {gamma: 0.5, num_workers: 3}")
        desk.write(base, "configs/sweep/base.yaml")
        asked = desk.ask(
            """
            defaults: [/sweep/base, override /hardware: macbook]
            num_samples: 3
            sweep:
              parameters:
                trainer: {learning_rate: {max: 0.005}}
              trainer: {num_workers: 4}
            """
        )
        assert (asked.rollout_count, asked.num_samples, asked.hardware) == (7, 3, "macbook")
        trainer = asked.training["trainer"]
        assert (trainer["gamma"], trainer["num_workers"]) == (0.5, 4)
        bounds = asked.parameters["trainer.learning_rate"]
        assert (bounds["min"], bounds["max"]) == (0.0001, 0.005)
        assert asked.origins["trainer.gamma"].place == "configs/sweep/base.yaml, line 6"


class TestOwnCommand:
    COMMAND = "command: python train.py {overrides}"

    @pytest.mark.slow
    def test_a_command_is_split_into_words(self, desk: Desk, swept: Swept) -> None:
        assert desk.ask(swept(self.COMMAND)).command == ("python", "train.py", "{overrides}")
        assert desk.ask(swept("command: [python, a b.py]")).command == ("python", "a b.py")
        assert desk.ask(swept(), "command=python 'a b.py' {args}").command == ("python", "a b.py", "{args}")

    @pytest.mark.slow
    def test_its_paths_are_its_own(self, desk: Desk) -> None:
        asked = desk.ask(
            """
            sweep:
              command: ./train {args}
              parameters:
                lr: {distribution: log_normal, min: 0.001, max: 0.1}
              model: {size: 3}
            """,
            "model.depth=2",
        )
        assert asked.space.names == ("lr",)
        assert asked.training == {"seed": 0, "model": {"size": 3, "depth": 2}}
        assert asked.constraints == ()

    @pytest.mark.slow
    def test_its_parameters_can_be_pinned(self, desk: Desk) -> None:
        leaf = "{distribution: uniform, min: 0, max: 1}"
        asked = desk.ask(f"sweep: {{command: ./train, parameters: {{lr: {leaf}, b: {leaf}}}}}", "lr=0.5")
        assert (asked.pinned, asked.space.names, asked.training["lr"]) == ({"lr": 0.5}, ("b",), 0.5)


@pytest.mark.slow
def test_points_are_kept_by_dotted_path_and_a_wrong_one_is_refused_where_it_stands(desk: Desk, swept: Swept) -> None:
    asked = desk.ask(swept("points: [{trainer: {learning_rate: 0.001}}, {trainer.learning_rate: 0.002}]"))
    assert asked.points == ({"trainer.learning_rate": 0.001}, {"trainer.learning_rate": 0.002})
    message = desk.message(swept("points: [{trainer.learning_rate: 7}]"))
    assert "asked.yaml, line " in message
    assert "sweep.points.0.trainer.learning_rate: need a number from 0.0001 to 0.01, got 7" in message
    assert "share the sweep" in desk.message(swept("points: [{trainer.learning_rate: 0.001}]"), "wandb.share=true")


@pytest.mark.slow
@pytest.mark.parametrize("word", ["start_with", "initial_points", "points_to_evaluate"])
def test_other_words_for_points_are_answered_with_points(desk: Desk, swept: Swept, word: str) -> None:
    assert "write points: [{PARAMETER: VALUE" in desk.message(swept(f"{word}: [{{trainer.learning_rate: 0.001}}]"))


OPTIM = """
    sweep:
      command: python train.py {args}
      parameters:
        optim.lr: {min: 0.001, max: 0.1, distribution: log_normal}
      optim: {momentum: 0.9}
"""


def test_a_group_of_the_programs_own_may_be_called_almost_as_a_setting_is(desk: Desk) -> None:
    assert desk.ask(OPTIM).training["optim"] == {"momentum": 0.9}
    assert desk.ask(OPTIM, "optim.momentum=0.8").training["optim"] == {"momentum": 0.8}
    with pytest.raises(RequestError, match="did you mean optimizer"):
        desk.ask(OPTIM.replace("optim.lr", "lr"))


def test_what_a_commands_own_config_file_has_is_what_a_searched_value_usually_is(desk: Desk) -> None:
    base = desk.cwd / "base.yaml"
    base.write_text("net: {width: 20, act: tanh, depth: 3.0}\nlr: 1e-2\nepochs: 9\n")
    sweep = f"""
        sweep:
          command: python train.py {{config:{base}}}
          parameters:
            lr: {{min: 0.001, max: 0.1, distribution: log_normal}}
            net.width: {{min: 8, max: 128, distribution: log_normal}}
            net.depth: {{min: 1, max: 5, distribution: uniform}}
            net.act: {{values: [relu, tanh]}}
    """
    asked = desk.ask(sweep)
    assert {one.name: one.usual for one in asked.space.parameters if one.name != "net.act"} == {
        "lr": 0.01,
        "net.width": 20,
        "net.depth": 3.0,
    }
    assert asked.space.center()["net.act"] == "tanh"
    assert asked.parameters["net.width"]["integer"] is True
    assert "integer" not in asked.parameters["net.depth"]
    base.unlink()
    assert desk.ask(sweep).space.center()["net.act"] == "relu"
