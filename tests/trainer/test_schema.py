"""What the sweep is told of the trainer."""

import pytest

from metta_sweep.config.training_schema import TrainingSchema
from metta_sweep.envs.config import ENV_NAMES
from metta_sweep.trainer.config import flatten
from metta_sweep.trainer.schema import schema
from tests.trainer.configs import put, shipped


def test_it_is_what_the_configuration_asks_for():
    kept: TrainingSchema = schema
    assert [rule.expression for rule in kept.rules]


@pytest.mark.slow
def test_every_key_that_can_be_set_is_in_a_shipped_file():
    written = {path for env in ENV_NAMES for path, _ in flatten(shipped(env=env))}
    missing = [path for path in schema.paths() if "*" not in path and path not in written]
    assert missing == ["run"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("trainer.learning_rate", True),
        ("trainer.optimizer.beta1", True),
        ("env.game.objects.altar.hp", True),
        ("env.game.objects.shrine.inputs.ore", True),
        ("env.game.rewards.heart", True),
        ("seed", True),
        ("trainer", False),
        ("trainer.optimizer", False),
        ("trainer.learning_rat", False),
        ("env.game.objects.altar", False),
        ("env.game.objects.altar.hitpoints", False),
        ("", False),
    ],
)
def test_a_path_is_known_if_a_config_can_have_a_value_there(path, known):
    assert schema.has_path(path) is known


def test_only_the_schema_of_this_machine_asks_what_the_machine_has(monkeypatch):
    monkeypatch.setattr("metta_sweep.trainer.machine.gpu_count", lambda: 0)
    config = put(shipped(), {"device": "cuda"})
    assert schema.problems(config) == []
    assert [key for key, _ in schema.here(None).problems(config)] == ["device"]


def test_an_invalid_config_is_told_before_what_the_machine_lacks():
    config = put(shipped(), {"device": "cuda:99", "trainer.gamma": 2.0})
    assert [key for key, _ in schema.here(None).problems(config)] == ["trainer.gamma"]


def test_the_metrics_of_an_invalid_config_are_not_known():
    assert schema.metrics(put(shipped(), {"trainer.gamma": 2.0})) is None
    assert "reward" in schema.metrics(shipped())
