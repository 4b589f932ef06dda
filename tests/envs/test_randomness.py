"""Numbers that belong to an episode."""

import numpy as np

from metta_sweep.envs.randomness import uniforms


def test_a_number_depends_on_seed_environment_episode_and_position_alone():
    table = uniforms(7, np.arange(5), np.array([0, 3, 1, 1, 9]), 6)
    for k in range(5):
        alone = uniforms(7, np.array([k]), np.array([[0, 3, 1, 1, 9][k]]), 4)
        np.testing.assert_array_equal(alone[0], table[k, :4])


def test_numbers_of_different_seeds_environments_and_episodes_differ():
    env, episode = (grid.reshape(-1) for grid in np.meshgrid(np.arange(40), np.arange(40)))
    numbers = np.concatenate([uniforms(seed, env, episode, 3).reshape(-1) for seed in range(5)])
    assert len(np.unique(numbers)) == len(numbers)


def test_numbers_are_uniform_and_uncorrelated():
    numbers = uniforms(1, np.arange(200), np.zeros(200, np.int64), 200)
    assert 0.0 <= numbers.min() < numbers.max() < 1.0
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    chi_square = ((counts - 2000.0) ** 2 / 2000.0).sum()
    assert chi_square < 43.8  # the 99.9% quantile at 19 degrees of freedom
    assert abs(np.corrcoef(numbers[:, :-1].reshape(-1), numbers[:, 1:].reshape(-1))[0, 1]) < 0.02
    assert abs(np.corrcoef(numbers[:-1].reshape(-1), numbers[1:].reshape(-1))[0, 1]) < 0.02


def test_negative_and_huge_seeds_are_seeds_too():
    one = np.array([0])
    assert uniforms(2**63 - 1, one, one, 1) != uniforms(0, one, one, 1)
