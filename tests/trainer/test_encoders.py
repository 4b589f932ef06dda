"""First layers for pictures and for the cells of a grid."""

import pytest
import torch
from torch.nn import functional

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import AgentConfig, ConfigError
from metta_sweep.trainer.encoders import ATARI, Brightness, Cells, Convolutions, Numbers, make_encoder
from tests.trainer.configs import parsed

SCREENS = EnvSpec(rows=2, actions=Discrete(6), width=4 * 40 * 42, picture=(4, 40, 42))
NUMBERS = EnvSpec(rows=2, actions=Discrete(3), width=8)
GRID = make_env(parsed().env, rows=2).spec


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def encoder(kind, spec, features=7):
    return make_encoder(AgentConfig(encoder=kind, hidden_size=features), spec, generator())


def observations(spec, count=3, seed=1):
    sizes = torch.tensor(spec.code_sizes or (256,) * spec.width)
    return (torch.rand(count, spec.width, generator=generator(seed)) * sizes).to(torch.uint8)


@pytest.mark.parametrize(
    ("kind", "spec", "made"),
    [
        ("auto", SCREENS, Brightness),
        ("auto", GRID, CodeLayer),
        ("auto", NUMBERS, Numbers),
        ("dense", SCREENS, Brightness),
        ("dense", GRID, CodeLayer),
        ("conv", SCREENS, Brightness),
        ("conv", GRID, Cells),
    ],
)
def test_what_is_seen_and_what_is_asked_for_decide_the_encoder(kind, spec, made):
    layer = encoder(kind, spec)
    assert type(layer) is made
    seen = torch.randn(3, spec.width) if spec is NUMBERS else observations(spec)
    assert layer(seen).shape == (3, 7)
    assert layer(seen).dtype == torch.float32


@pytest.mark.slow
def test_the_convolutions_are_torchs_own_one_after_the_other():
    layer = encoder("conv", SCREENS)
    seen = observations(SCREENS)
    x = seen.view(3, 4, 40, 42).float() / 255
    for (_, _, stride), weight in zip(ATARI, layer.inner.filters, strict=True):
        x = torch.relu(functional.conv2d(x, weight, stride=stride))
    expected = x.flatten(1) @ layer.inner.out.weight.T
    torch.testing.assert_close(layer(seen), expected, rtol=1e-4, atol=1e-5)


def test_a_dense_layer_on_a_picture_sees_its_brightness_from_0_to_1():
    layer = encoder("dense", SCREENS)
    seen = torch.full((1, SCREENS.width), 255, dtype=torch.uint8)
    torch.testing.assert_close(layer(seen)[0], layer.inner.weight.sum(1), rtol=1e-4, atol=1e-3)


def test_on_a_grid_a_cell_far_from_all_others_moves_only_what_is_near_it():
    """The convolutions see one-hot cells: a code is not a quantity, and position matters."""
    layer = encoder("conv", GRID)
    nothing = torch.zeros(1, GRID.width, dtype=torch.uint8)
    seen = [nothing.clone() for _ in range(3)]
    seen[0][0, 0], seen[1][0, 0], seen[2][0, 12] = 1, 2, 1
    outputs = [layer(each) for each in (nothing, *seen)]
    assert all(not torch.allclose(a, b) for k, a in enumerate(outputs) for b in outputs[:k])


def test_on_a_grid_the_inventory_takes_part():
    layer = encoder("conv", GRID)
    seen = torch.zeros(2, GRID.width, dtype=torch.uint8)
    seen[1, GRID.picture[1] * GRID.picture[2]] = 1
    one, other = layer(seen)
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("kind", ["conv", "dense"])
@pytest.mark.parametrize("spec", [SCREENS, GRID], ids=["screens", "grid"])
def test_weights_depend_on_the_generator_alone(kind, spec):
    torch.manual_seed(1)
    one = encoder(kind, spec).state_dict()
    torch.manual_seed(2)
    two = encoder(kind, spec).state_dict()
    assert all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("spec", "rule"),
    [
        (NUMBERS, "shows no picture"),
        (EnvSpec(rows=1, actions=Discrete(2), width=3 * 20 * 50, picture=(3, 20, 50)), "at least 36x36, got 20x50"),
        (make_env(parsed(env__game__view=3).env, rows=1).spec, "at least 5x5, got 3x3"),
    ],
)
def test_convolutions_where_there_is_nothing_to_convolve_are_refused(spec, rule):
    with pytest.raises(ConfigError, match=rule):
        encoder("conv", spec)


def test_the_smallest_picture_that_is_allowed_works():
    made = Convolutions((1, 36, 36), ATARI, 5, generator())
    assert made(torch.zeros(2, 1, 36, 36)).shape == (2, 5)
