"""Advantages against the sum that defines them, and what a player keeps."""

import numpy as np
import pytest
import torch

from metta_sweep.envs.make import make_env
from metta_sweep.trainer.distributions import family_of
from metta_sweep.trainer.playing import Player
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import make_batch
from metta_sweep.trainer.trajectories import Trajectories, advantages, vtrace
from tests.trainer.configs import parsed

T, N = 12, 5


def random_trajectories(seed):
    config = parsed()
    env = make_env(config.env, rows=N)
    kept = Trajectories.empty(env.spec, family_of(env.spec.actions, config.agent), T, torch.device("cpu"))
    rng = np.random.default_rng(seed)
    kept.outputs[:] = torch.from_numpy(rng.normal(size=kept.outputs.shape))
    for name in ("next_values", "rewards"):
        getattr(kept, name)[:] = torch.from_numpy(rng.normal(size=(T, N)))
    kept.terminals[:] = torch.from_numpy(rng.random((T, N)) < 0.15)
    kept.truncations[:] = torch.from_numpy(rng.random((T, N)) < 0.15) & ~kept.terminals
    kept.starts[1:] = kept.terminals | kept.truncations
    return kept


def naive_advantages(kept, gamma, gae_lambda):
    """A_t = sum over l of (gamma lambda)^l delta_t+l up to the end of the episode, in float64, one by one."""
    result = np.zeros((T, N))
    for n in range(N):
        for t in range(T):
            factor = 1.0
            for later in range(t, T):
                terminal, cut = bool(kept.terminals[later, n]), bool(kept.truncations[later, n])
                following = 0.0 if terminal else float(kept.next_values[later, n])
                delta = float(kept.rewards[later, n]) + gamma * following - float(kept.values[later, n])
                result[t, n] += factor * delta
                factor *= gamma * gae_lambda
                if terminal or cut:
                    break
    return result


@pytest.mark.parametrize(("gamma", "gae_lambda"), [(0.99, 0.95), (0.9, 0.0), (1.0, 1.0), (0.0, 0.5)])
def test_advantages_are_the_discounted_sums_of_the_episode_that_a_step_belongs_to(gamma, gae_lambda):
    kept = random_trajectories(seed=int(100 * gamma))
    expected = naive_advantages(kept, gamma, gae_lambda)
    np.testing.assert_allclose(advantages(kept, gamma=gamma, gae_lambda=gae_lambda), expected, rtol=1e-4, atol=1e-5)


def test_with_lambda_one_a_cut_episode_returns_its_rewards_and_the_value_of_its_last_observation():
    kept = random_trajectories(seed=1)
    kept.terminals[:] = kept.truncations[:] = kept.starts[:] = False
    kept.next_values[:-1] = kept.values[1:]
    kept.truncations[3] = kept.starts[4] = True
    kept.next_values[3] = 7.0
    gains = advantages(kept, gamma=0.9, gae_lambda=1.0)
    rewards = kept.rewards.double().numpy()
    expected = sum(0.9**t * rewards[t] for t in range(4)) + 0.9**4 * 7.0 - kept.values[0].numpy()
    np.testing.assert_allclose(gains[0], expected, rtol=1e-4)


def player(rows=6, steps=15, **changes):
    config = parsed(**changes)
    env = make_env(config.env, rows=rows)
    policy = Policy(config, env.spec, torch.Generator().manual_seed(0))
    made = Player(env, policy, steps=steps, device=torch.device("cpu"))
    env.reset(0, made.first_observations, stagger=True)
    return made, policy


def test_kept_values_and_log_probs_are_those_of_the_policy():
    made, policy = player()
    kept = made.collect(torch.Generator().manual_seed(0))
    outputs, _ = policy.step(kept.observations[:-1].flatten(0, 1), ())
    log_probs = torch.log_softmax(outputs[:, :-1], -1).gather(-1, kept.actions.reshape(-1, 1)).squeeze(-1)
    torch.testing.assert_close(outputs[:, -1], kept.values.reshape(-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(log_probs, kept.log_probs().reshape(-1), rtol=1e-4, atol=1e-5)


def test_segments_with_their_memories_give_the_outputs_that_were_kept():
    made, policy = player(rows=4, steps=24, trainer__use_lstm=True, trainer__bptt_horizon=8)
    generator = torch.Generator().manual_seed(0)
    made.collect(generator)
    kept = made.collect(generator)
    assert kept.starts[1:-1].any()
    settings = parsed(trainer__use_lstm=True, trainer__bptt_horizon=8).trainer
    batch = make_batch(made, settings, torch.device("cpu"))
    assert batch.actions.shape == (8, 12)
    outputs = policy.unroll(batch.observations, batch.starts, batch.memory)
    torch.testing.assert_close(outputs[:, -1], batch.values.flatten(), rtol=1e-4, atol=1e-5)
    for segment in range(12):
        time, row = 8 * (segment // 4), segment % 4
        torch.testing.assert_close(batch.observations[:, segment], kept.observations[time : time + 8, row])
        torch.testing.assert_close(batch.actions[:, segment], kept.actions[time : time + 8, row])


def test_shuffled_and_split_segments_stay_whole():
    made, _ = player(rows=4, steps=24, trainer__use_lstm=True, trainer__bptt_horizon=8)
    made.collect(torch.Generator().manual_seed(0))
    batch = make_batch(made, parsed(trainer__use_lstm=True, trainer__bptt_horizon=8).trainer, torch.device("cpu"))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(0))
    parts = list(batch.shuffled(order).split([5, 5, 2]))
    assert [part.actions.shape[1] for part in parts] == [5, 5, 2]
    for name in ("observations", "starts", "actions", "log_probs", "values", "advantages"):
        joined = torch.cat([getattr(part, name) for part in parts], dim=1)
        assert torch.equal(joined, getattr(batch, name)[:, order])
    assert torch.equal(torch.cat([part.memory[0] for part in parts]), batch.memory[0][order])


def test_a_step_is_followed_by_the_next_value_unless_a_time_limit_cut_it():
    made, policy = player()
    kept = made.collect(torch.Generator().manual_seed(0))
    assert kept.truncations.any()
    last = policy.step(kept.observations[-1], ())[0][:, -1]
    following = torch.cat([kept.values[1:], last.detach().unsqueeze(0)])
    plain = ~kept.truncations
    torch.testing.assert_close(kept.next_values[plain], following[plain], rtol=1e-4, atol=1e-5)
    assert (kept.next_values[~plain] != following[~plain]).all()


def test_cut_episodes_are_bootstrapped_from_their_own_last_observation():
    made, policy = player(rows=2, steps=13, env__game__max_steps=13)
    first = made.first_observations.copy()
    state = made.env.state()
    kept = made.collect(torch.Generator().manual_seed(0))
    t, row = (int(k) for k in kept.truncations.nonzero()[0])
    twin, _ = player(rows=2, steps=13, env__game__max_steps=14)
    twin.env.restore(state, first)
    for step in range(t + 1):
        twin.env.step(kept.actions[step].numpy(), twin.trajectories.step(step))
    uncut = twin.trajectories.observations[t + 1, row]
    value = policy.step(uncut.unsqueeze(0), ())[0][0, -1]
    torch.testing.assert_close(kept.next_values[t, row], value.detach(), rtol=1e-4, atol=1e-5)


def test_a_batch_goes_on_where_the_last_one_ended():
    made, _ = player()
    generator = torch.Generator().manual_seed(0)
    last = made.collect(generator).observations[-1].clone()
    torch.testing.assert_close(made.collect(generator).observations[0], last)


def naive_vtrace(kept, values, ratios, gamma, gae_lambda, rho_clip, c_clip):
    """The sum of Espeholt et al. (2018), equation 1, as it stands: of gamma^(u-t) (product of c) rho delta."""
    result = np.zeros((T, N))
    for n in range(N):
        for t in range(T):
            product = 1.0
            for u in range(t, T):
                terminal, cut = bool(kept.terminals[u, n]), bool(kept.truncations[u, n])
                following = float(kept.next_values[u, n] if cut or u == T - 1 else values[u + 1, n])
                delta = float(kept.rewards[u, n]) + (0.0 if terminal else gamma * following) - float(values[u, n])
                result[t, n] += gamma ** (u - t) * product * min(rho_clip, float(ratios[u, n])) * delta
                product *= gae_lambda * min(c_clip, float(ratios[u, n]))
                if terminal or cut:
                    break
    return result


@pytest.mark.parametrize("gae_lambda", [0.95, 1.0])
@pytest.mark.parametrize(("rho_clip", "c_clip"), [(1.0, 1.0), (2.0, 0.5), (1e9, 1e9)])
def test_vtrace_is_the_sum_of_its_paper(gae_lambda, rho_clip, c_clip):
    kept, rng = random_trajectories(seed=4), np.random.default_rng(5)
    values = torch.from_numpy(rng.normal(size=(T, N)).astype(np.float32))
    ratios = torch.from_numpy(np.exp(rng.normal(size=(T, N))).astype(np.float32))
    settings = {"gamma": 0.97, "gae_lambda": gae_lambda, "rho_clip": rho_clip, "c_clip": c_clip}
    expected = naive_vtrace(kept, values, ratios, **settings)
    np.testing.assert_allclose(vtrace(kept, values, ratios, **settings), expected, rtol=1e-4, atol=1e-4)


def test_while_the_policy_has_not_moved_vtrace_is_generalized_advantage_estimation():
    kept = random_trajectories(seed=6)
    kept.next_values[:-1] = torch.where(kept.truncations[:-1], kept.next_values[:-1], kept.values[1:])
    same = vtrace(kept, kept.values, torch.ones(T, N), gamma=0.9, gae_lambda=0.8, rho_clip=1.0, c_clip=1.0)
    torch.testing.assert_close(same, advantages(kept, gamma=0.9, gae_lambda=0.8))
