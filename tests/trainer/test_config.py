"""What a training config may be."""

import subprocess
import sys

import pytest

from metta_sweep.envs.config import ENV_NAMES
from metta_sweep.expression import Expression
from metta_sweep.trainer.config import (
    RULES,
    AgentConfig,
    ConfigError,
    TrainerConfig,
    TrainingConfig,
    flatten,
    parse,
)
from metta_sweep.trainer.schema import schema
from metta_sweep.trainer.simulations import SimConfig
from tests.trainer.configs import put, shipped, small


@pytest.mark.slow
@pytest.mark.parametrize("env", ENV_NAMES)
def test_the_shipped_groups_make_a_valid_config(env):
    config = shipped(env=env)
    assert schema.problems(config) == []
    assert config["env"]["name"] == env


def test_altars_preset_learns_twice_as_often_with_corrected_advantages_and_changes_nothing_else():
    preset, plain = (parse(shipped(trainer=name)).trainer for name in ("altar", "ppo"))
    assert preset == plain.model_copy(update={"update_epochs": 8, "vtrace": True})


@pytest.mark.parametrize(("group", "model"), [("trainer", TrainerConfig), ("agent", AgentConfig), ("sim", SimConfig)])
def test_defaults_in_python_and_in_yaml_are_the_same(group, model):
    assert model().model_dump() == model(**shipped()[group]).model_dump()


def test_a_config_survives_a_round_trip_through_its_dump():
    config = parse(shipped())
    assert parse(config.model_dump(mode="json")) == config


GUIDE_FIRST = {
    "trainer.total_timesteps": 50000,
    "trainer.evaluate_interval": 5000,
    "trainer.checkpoint_interval": 10000,
    "trainer.minibatch_size": 32,
    "env.game.max_steps": 64,
    "env.game.objects.altar.hp": 10,
    "env.game.objects.altar.cooldown": 5,
}
GUIDE_SECOND = {
    "trainer.total_timesteps": 2048,
    "trainer.evaluate_interval": 10,
    "trainer.checkpoint_interval": 20,
    "trainer.minibatch_size": 16,
    "trainer.num_steps": 32,
    "trainer.update_epochs": 1,
    "trainer.num_workers": 1,
    "env.game.max_steps": 32,
    "env.game.objects.altar.hp": 5,
    "env.game.objects.altar.cooldown": 5,
}


@pytest.mark.parametrize("batch_size", [32, 64, 128, 256])
@pytest.mark.parametrize("guide", [GUIDE_FIRST, GUIDE_SECOND], ids=["first", "second"])
def test_every_batch_size_of_the_guide_is_valid(guide, batch_size):
    assert schema.problems(put(shipped(), guide | {"trainer.batch_size": batch_size})) == []


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("trainer.learning_rate", 0, "greater than 0"),
        ("trainer.learning_rate", float("nan"), "finite"),
        ("trainer.learning_rate", "fast", "valid number"),
        ("trainer.gamma", 1.5, "less than or equal to 1"),
        ("trainer.gamma", -0.1, "greater than or equal to 0"),
        ("trainer.gae_lambda", 2, "less than or equal to 1"),
        ("trainer.batch_size", 0, "greater than or equal to 1"),
        ("trainer.batch_size", 100.5, "integer"),
        ("trainer.evaluate_interval", 0, "greater than or equal to 1"),
        ("trainer.checkpoint_interval", -1, "greater than or equal to 1"),
        ("trainer.learning_rate_schedule", "stepwise", "'constant', 'linear' or 'cosine'"),
        ("trainer.entropy_coef_schedule", "stepwise", "'constant', 'linear' or 'cosine'"),
        ("trainer.optimizer.beta1", 1.0, "less than 1"),
        ("trainer.optimizer.nesterov", True, "unknown key"),
        ("trainer.lr", 0.1, "unknown key"),
        ("trainr", {}, "unknown key"),
        ("device", "tpu", "need auto, cpu, cuda or cuda:N"),
        ("env.game.objects.altar", None, "need a mapping of settings"),
        ("seed", -1, "greater than or equal to 0"),
        ("sim.episodes", 0, "greater than or equal to 1"),
        ("agent.activation", "gelu", "'tanh' or 'relu'"),
        ("agent.encoder", "transformer", "'auto', 'dense' or 'conv'"),
        ("agent.hidden_size", 0, "greater than or equal to 1"),
        ("env.num_agents", 0, "greater than or equal to 1"),
        ("env.name", "chess", "need one of 'altar', 'pong'"),
        ("env.game.max_steps", 0, "greater than or equal to 1"),
        ("env.game.view", 4, "odd"),
        ("env.game.map.width", 2, "greater than or equal to 3"),
        ("env.game.objects.altar.hp", -1, "greater than or equal to 0"),
        ("env.game.objects.altar.armour", 3, "unknown key"),
        ("env.game.objects.altar.inputs.wood", 1, "no object gives this item"),
        ("env.game.objects.altar.inputs.battery", 6, "at most inventory_limit"),
        ("env.game.rewards.gold", 1.0, "no object gives this item"),
    ],
)
def test_an_invalid_value_is_refused_by_its_key_with_the_rule(path, value, rule):
    problems = schema.problems(put(shipped(), {path: value}))
    assert [key for key, _ in problems] == [path]
    assert rule in problems[0][1]


@pytest.mark.parametrize(
    ("changes", "key", "rule"),
    [
        (
            {"trainer.batch_size": 96, "trainer.minibatch_size": 64},
            "trainer.minibatch_size",
            "multiple of minibatch_size",
        ),
        (
            {"trainer.batch_size": 32, "trainer.minibatch_size": 64},
            "trainer.minibatch_size",
            "multiple of minibatch_size",
        ),
        ({"trainer.num_steps": 33}, "trainer.num_steps", "multiple of num_steps"),
        (
            {"trainer.use_lstm": True, "trainer.bptt_horizon": 64},
            "trainer.bptt_horizon",
            "num_steps must be a multiple",
        ),
        (
            {"trainer.use_lstm": True, "trainer.minibatch_size": 8, "trainer.batch_size": 32},
            "trainer.bptt_horizon",
            "minibatch_size must be a multiple",
        ),
        (
            {"env": {"name": "gymnasium", "num_agents": 1, "id": "CartPole-v1"}, "trainer.num_workers": 3},
            "trainer.num_workers",
            "must be a multiple of num_workers",
        ),
        (
            {"env": {"name": "atari"}, "trainer.num_workers": 4, "trainer.async_factor": 3},
            "trainer.async_factor",
            "num_workers must be a multiple of async_factor",
        ),
        ({"agent.encoder": "conv", "env": {"name": "pong"}}, "agent.encoder", "pong shows no picture"),
        ({"agent.encoder": "conv", "env.game.view": 3}, "agent.encoder", "view of at least 5, got 3"),
        ({"env.num_agents": 3}, "trainer.num_steps", "multiple of num_steps times env.num_agents"),
        ({"env.game.map.walls": 60}, "env.game.map", "room for 65"),
        ({"env.game.map.rooms": 5}, "env.game.map.rooms", "at least 11 cells each way, got 9x9"),
        ({"env.game.map.rooms": 3, "env.game.map.walls": 30}, "env.game.map", "need room for 35"),
        ({"env.game.objects.rock": {}}, "env.game.objects.rock", "need inputs or outputs"),
    ],
)
def test_settings_at_odds_are_refused(changes, key, rule):
    problems = schema.problems(put(shipped(), changes))
    assert [name for name, _ in problems] == [key]
    assert rule in problems[0][1]


@pytest.mark.parametrize(
    ("drawing", "rule"),
    [
        ("", "at least 3 rows"),
        ("#####\n#@mmga#\n#####", "of one length"),
        ("#######\n#@mmga.\n#######", "walls (#) all around"),
        ("#######\n#.mmga#\n#######", "need 1 places for agents (@), got 0"),
        ("#######\n#@mmgaX\n#######", "no object has the symbol 'X'"),
        ("######\n#@mga#\n######", "need the 1 of the ASCII map (or null), got 2"),
    ],
)
def test_a_bad_ascii_map_is_refused(drawing, rule):
    problems = schema.problems(put(shipped(), {"env.game.map.ascii": drawing}))
    assert any(rule in message for _, message in problems), problems
    assert all(key.startswith("env.game.") for key, _ in problems)


def test_kinds_with_one_symbol_are_refused_on_a_drawn_map():
    drawn = {"env.game.map.ascii": "#######\n#@mmga#\n#######", "env.game.objects.altar.symbol": "m"}
    assert "env.game.objects" in [key for key, _ in schema.problems(put(shipped(), drawn))]


def test_all_problems_are_listed_at_once():
    problems = schema.problems(put(shipped(), {"trainer.gamma": 2, "trainer.lr": 1, "env.game.max_steps": 0}))
    assert {key for key, _ in problems} == {"trainer.gamma", "trainer.lr", "env.game.max_steps"}


def test_a_missing_environment_is_a_problem_and_an_error_names_the_keys():
    config = shipped()
    del config["env"]
    assert schema.problems(config) == [("env", "missing")]
    with pytest.raises(ConfigError, match="env: missing"):
        parse(config)


def test_rules_read_paths_that_every_config_has():
    values = dict(flatten(shipped()))
    for rule in RULES:
        expression = Expression.parse(rule.expression)
        assert expression.names <= set(values)
        assert rule.key in expression.names
        assert expression(values) is True


def test_the_last_update_completes_its_batch():
    assert parse(small(trainer__total_timesteps=129)).num_updates == 2
    assert parse(small(trainer__total_timesteps=128)).num_updates == 1
    assert parse(small(trainer__total_timesteps=1)).num_updates == 1


def test_a_config_is_frozen():
    config: TrainingConfig = parse(shipped())
    with pytest.raises(ValueError, match="frozen"):
        config.trainer.gamma = 0.5


def test_reading_a_config_loads_no_torch_hydra_or_wandb():
    code = (
        "import sys, metta_sweep.trainer.schema, metta_sweep.train;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'hydra', 'wandb', 'omegaconf', 'scipy', 'gpytorch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
