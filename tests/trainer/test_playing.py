"""Groups that take turns, and decisions a part of the rows at a time, change nothing but the speed."""

import numpy as np
import pytest
import torch

from metta_sweep.envs.config import AtariEnv, GymnasiumEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.mixture import Mixture
from metta_sweep.trainer.playing import Player, _parts
from metta_sweep.trainer.policy import Policy
from tests.trainer.configs import parsed

KEPT = ("observations", "starts", "actions", "outputs", "next_values", "rewards", "terminals", "truncations")


def player(env, config, steps=24, most=None):
    policy = Policy(config, env.spec, torch.Generator().manual_seed(0))
    made = Player(env, policy, steps=steps, device=torch.device("cpu"), most=most)
    env.reset(3, made.first_observations)
    return made


def assert_same(one, other):
    for name in KEPT:
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=1e-4, atol=1e-5)


def cartpole(**settings):
    env = GymnasiumEnv(name="gymnasium", id="CartPole-v1", options={"max_episode_steps": 15})
    return make_env(env, rows=4, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("use_lstm", [False, True])
def test_groups_that_take_turns_play_what_lock_step_does(use_lstm):
    pytest.importorskip("gymnasium")
    config = parsed(trainer__use_lstm=use_lstm)
    plain, turns = player(cartpole(), config), player(cartpole(workers=2, groups=2), config)
    assert isinstance(turns.env, Mixture)
    for _ in range(2):
        kept = [made.collect(torch.Generator().manual_seed(1)) for made in (plain, turns)]
        assert kept[0].truncations.any()
        assert kept[0].terminals.any()
        assert_same(*kept)
        for one, other in zip(plain.memory, turns.memory, strict=True):
            torch.testing.assert_close(one, other)
        for t in (0, 10):
            for one, other in zip(plain.memory_before(t), turns.memory_before(t), strict=True):
                torch.testing.assert_close(one, other)
    turns.env.close()


@pytest.mark.slow
def test_emulators_in_groups_play_what_they_do_together():
    pytest.importorskip("ale_py")
    config, env = parsed(), AtariEnv(name="atari", size=36)
    kept = [
        player(make_env(env, rows=2, workers=groups, groups=groups), config, steps=5).collect(torch.Generator())
        for groups in (1, 2)
    ]
    assert_same(*kept)


@pytest.mark.slow
@pytest.mark.parametrize("use_lstm", [False, True])
def test_deciding_for_a_part_of_the_rows_at_a_time_changes_nothing(use_lstm):
    config = parsed(trainer__use_lstm=use_lstm)
    made = [player(make_env(config.env, rows=7), config, most=most) for most in (None, 3, 1)]
    for _ in range(2):
        kept = [each.collect(torch.Generator().manual_seed(1)) for each in made]
        assert kept[0].truncations.any()
        assert_same(kept[0], kept[1])
        assert_same(kept[0], kept[2])


@pytest.mark.parametrize(("rows", "most", "sizes"), [(7, 3, [2, 2, 3]), (6, 3, [3, 3]), (5, 8, [5]), (3, 1, [1, 1, 1])])
def test_parts_are_as_few_and_as_equal_as_can_be(rows, most, sizes):
    parts = list(_parts(rows, most))
    assert [part.stop - part.start for part in parts] == sizes
    assert np.concatenate([np.arange(rows)[part] for part in parts]).tolist() == list(range(rows))


def test_a_memory_that_was_saved_can_be_put_back():
    config = parsed(trainer__use_lstm=True)
    made, other = (player(make_env(config.env, rows=4), config) for _ in range(2))
    made.collect(torch.Generator())
    other.remember(made.memory)
    assert all(torch.equal(one, two) for one, two in zip(made.memory, other.memory, strict=True))


def test_groups_that_do_not_come_out_even_are_refused():
    with pytest.raises(ValueError, match="multiples of 2 groups, got 4 environments and 3 workers"):
        cartpole(workers=3, groups=2)
