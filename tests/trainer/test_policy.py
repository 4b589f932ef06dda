"""The network and its choices."""

import pytest
import torch

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.memory import Memory
from metta_sweep.trainer.policy import Policy, forget
from tests.trainer.configs import parsed

CODES = EnvSpec(rows=4, actions=Discrete(6), width=3, code_sizes=(4, 4, 4))
FLOATS = EnvSpec(rows=4, actions=Discrete(3), width=8)


def policy(spec, seed=0, **changes):
    return Policy(parsed(**changes), spec, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spec", [CODES, FLOATS])
def test_outputs_are_a_logit_an_action_and_a_value(spec):
    observations = torch.zeros(4, spec.width, dtype=torch.uint8 if spec.code_sizes else torch.float32)
    outputs, state = policy(spec).step(observations, ())
    assert outputs.shape == (4, spec.actions.size + 1)
    assert state == ()


def test_a_value_with_a_torso_of_its_own_moves_nothing_of_the_policy():
    made = policy(FLOATS, trainer__use_lstm=True, agent__separate_value=True)
    seen = torch.randn(8, 4, 8, generator=torch.Generator().manual_seed(0))
    made.unroll(seen, torch.zeros(8, 4, dtype=torch.bool), made.initial_state(4))[:, -1].sum().backward()
    moved = {name for name, weight in made.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert moved
    assert all(name.startswith("critic.") for name in moved)


def test_a_fresh_policy_chooses_almost_evenly():
    outputs, _ = policy(FLOATS).step(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), ())
    assert (torch.softmax(outputs[:, :-1], -1) - 1 / 3).abs().max() < 0.05
    assert outputs[:, -1].abs().max() > 0.1


def test_weights_depend_on_the_seed_and_never_on_the_global_generator():
    torch.manual_seed(1)
    one = policy(CODES, trainer__use_lstm=True).state_dict()
    torch.manual_seed(2)
    same, other = (policy(CODES, seed=seed, trainer__use_lstm=True).state_dict() for seed in (0, 3))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["encoder.weight"], other["encoder.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        {"agent__hidden_size": 8},
        {"agent__num_layers": 3},
        {"agent__activation": "relu"},
        {"trainer__use_lstm": True},
        {"trainer__use_lstm": True, "trainer__lstm_hidden_size": 9},
    ],
    ids=str,
)
def test_every_setting_of_the_network_changes_it(changes):
    observations = torch.ones(1, 3, dtype=torch.uint8)
    plain, changed = (policy(CODES, **settings) for settings in ({}, changes))
    first, _ = plain.step(observations, plain.initial_state(1))
    second, _ = changed.step(observations, changed.initial_state(1))
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("use_lstm", [False, True])
def test_with_half_the_bits_the_outputs_are_close_and_the_memory_is_whole(use_lstm):
    whole, half = (policy(FLOATS, trainer__use_lstm=use_lstm, trainer__precision=p) for p in ("float32", "bfloat16"))
    observations = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    (expected, _), (outputs, state) = (one.step(observations, one.initial_state(20)) for one in (whole, half))
    torch.testing.assert_close(outputs.float(), expected, rtol=0.05, atol=0.05)
    assert not torch.equal(outputs.float(), expected)
    assert all(part.dtype == torch.float32 for part in state)


def test_the_memory_is_torchs_own_lstm():
    made = Memory(5, 7, torch.Generator().manual_seed(0)).double()
    made.inputs.bias.data.normal_(generator=torch.Generator().manual_seed(1))
    torchs = torch.nn.LSTM(5, 7).double()
    torchs.weight_ih_l0.data, torchs.weight_hh_l0.data = made.inputs.weight.data, made.recurrent.data
    torchs.bias_ih_l0.data, torchs.bias_hh_l0.data = made.inputs.bias.data, torch.zeros(28).double()
    x, h, c = (torch.randn(shape, dtype=torch.float64) for shape in ((6, 3, 5), (3, 7), (3, 7)))
    expected, (last_h, last_c) = torchs(x, (h.unsqueeze(0), c.unsqueeze(0)))
    steps, state = made(x, None, (h, c))
    torch.testing.assert_close(steps, expected)
    torch.testing.assert_close(state, (last_h[0], last_c[0]))


def test_an_episode_that_starts_within_a_segment_knows_nothing_of_what_was_before():
    made = Memory(5, 7, torch.Generator().manual_seed(0)).double()
    x, h, c = (torch.randn(shape, dtype=torch.float64) for shape in ((6, 2, 5), (2, 7), (2, 7)))
    starts = torch.zeros(6, 2, dtype=torch.bool)
    starts[3, 0] = True
    steps, state = made(x, starts, (h, c))
    whole, _ = made(x, None, (h, c))
    fresh, fresh_state = made(x[3:], None, (torch.zeros_like(h), torch.zeros_like(c)))
    torch.testing.assert_close(steps[:3], whole[:3])
    torch.testing.assert_close(steps[3:, 0], fresh[:, 0])
    torch.testing.assert_close(steps[3:, 1], whole[3:, 1])
    torch.testing.assert_close(state[0][0], fresh_state[0][0])


@pytest.mark.parametrize("separate", [False, True])
def test_stepping_with_forgetting_is_unrolling_with_starts(separate):
    made = policy(FLOATS, trainer__use_lstm=True, agent__separate_value=separate)
    generator = torch.Generator().manual_seed(0)
    observations = torch.randn(10, 4, 8, generator=generator)
    starts = torch.rand(10, 4, generator=generator) < 0.3
    state = first = tuple(torch.randn(4, 128, generator=generator) for _ in range(4 if separate else 2))
    stepped = []
    for t in range(10):
        outputs, state = made.step(observations[t], forget(state, starts[t]))
        stepped.append(outputs)
    torch.testing.assert_close(torch.cat(stepped), made.unroll(observations, starts, first), rtol=1e-4, atol=1e-5)


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # the compiler warns of its own doings
@pytest.mark.parametrize("use_lstm", [False, True])
def test_a_compiled_policy_learns_what_a_plain_one_does(use_lstm):
    plain, compiled = (policy(CODES, trainer__compile=on, trainer__use_lstm=use_lstm) for on in (False, True))
    assert set(compiled.state_dict()) == set(plain.state_dict())
    seen = torch.ones(4, 5, 3, dtype=torch.uint8)
    starts = torch.zeros(4, 5, dtype=torch.bool)
    starts[2, 1] = True
    outputs = [made.unroll(seen, starts, made.initial_state(5)) for made in (plain, compiled)]
    torch.testing.assert_close(*outputs)
    for output in outputs:
        output.square().sum().backward()
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_on_a_gpu_the_outputs_are_those_of_the_cpu(precision):
    made = policy(CODES, trainer__precision=precision, trainer__use_lstm=True)
    seen, starts = torch.ones(4, 5, 3, dtype=torch.uint8), torch.zeros(4, 5, dtype=torch.bool)
    here = made.unroll(seen, starts, made.initial_state(5)).float()
    made = made.cuda()
    there = made.unroll(seen.cuda(), starts.cuda(), made.initial_state(5)).float().cpu()
    torch.testing.assert_close(here, there, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("resets", [False, True])
def test_the_way_back_through_time_by_hand_is_that_of_torch(resets):
    generator = torch.Generator().manual_seed(3)
    memory = Memory(5, 7, generator).double()
    x = torch.randn(6, 4, 5, generator=generator, dtype=torch.float64)
    starts = torch.rand(6, 4, generator=generator) < 0.3 if resets else None
    state = tuple(torch.randn(2, 4, 7, generator=generator, dtype=torch.float64))
    weights = torch.randn(6, 4, 7, generator=generator, dtype=torch.float64)
    going_on = None if starts is None else (~starts).unsqueeze(-1).double()
    found = []
    for way in (
        lambda given: memory(given, starts, state),
        lambda given: memory._by_torch(memory.inputs(given), going_on, *state),
    ):
        memory.zero_grad()
        given = x.clone().requires_grad_()
        outputs, after = way(given)
        (outputs * weights).sum().backward()
        parameters = [parameter.grad.clone() for parameter in memory.parameters()]
        found.append([outputs.detach(), *(part.detach() for part in after), given.grad, *parameters])
    for mine, expected in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-12)
