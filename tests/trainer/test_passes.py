"""Back-propagation by hand gives torch's gradient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from metta_sweep.envs.action_spaces import ActionSpace, Box, Discrete
from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.native.kernel import find_kernel
from metta_sweep.trainer.parameters import flattened, gradient_of
from metta_sweep.trainer.passes import ByHand, ByTorch, passes_of
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import Batch
from metta_sweep.trainer.training import Training
from tests.trainer.configs import parsed

CODES = EnvSpec(rows=4, actions=Discrete(5), width=6, code_sizes=(3, 4, 9, 2, 2, 7))
NUMBERS = EnvSpec(rows=4, actions=Discrete(3), width=6)
TWO_NUMBERS: ActionSpace = Box((-1.0, -2.0), (1.0, 2.0))
CONTINUOUS = EnvSpec(rows=4, actions=TWO_NUMBERS, width=6)
needs_compiler = pytest.mark.skipif(find_kernel() is None, reason="there is no C compiler here")


def batch_of(spec: EnvSpec, count: int, seed: int = 3) -> Batch:
    of = torch.Generator().manual_seed(seed)
    numbers = torch.randn(1, count, spec.width, generator=of)
    codes = torch.randint(2, (1, count, spec.width), generator=of).byte()
    empty = torch.zeros(1, count)
    return Batch(
        observations=numbers if spec.numbers else codes,
        starts=empty.bool(),
        actions=empty.long(),
        log_probs=empty,
        values=empty,
        advantages=empty,
        memory=(),
    )


@needs_compiler
@pytest.mark.parametrize("spec", [CODES, NUMBERS, CONTINUOUS], ids=["codes", "numbers", "continuous"])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize(("activation", "layers"), [("tanh", 2), ("relu", 3), ("tanh", 1)])
def test_by_hand_the_gradient_is_torchs(spec: EnvSpec, separate: bool, activation: str, layers: int) -> None:
    config = parsed(
        agent__separate_value=separate,
        agent__activation=activation,
        agent__num_layers=layers,
        trainer__normalize_observation=True,
    )
    policy = Policy(config, spec, torch.Generator().manual_seed(0))
    parameters = flattened(policy)
    by_hand, by_torch = passes_of(policy, parameters, config.trainer, find_kernel()), ByTorch(policy, parameters)
    assert isinstance(by_hand, ByHand)
    for count in (8, 5, 8):  # minibatches of several processes differ in size
        batch = batch_of(spec, count)
        outputs = by_hand.outputs(batch)
        torch.testing.assert_close(outputs, by_torch.outputs(batch), atol=1e-6, rtol=1e-6)
        by_output = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(count))
        by_torch.backward(by_output)
        expected = gradient_of(parameters).clone()
        by_hand.backward(by_output.clone())
        torch.testing.assert_close(gradient_of(parameters), expected, atol=1e-6, rtol=1e-5)


def segments_of(policy: Policy, spec: EnvSpec, steps: int, rows: int) -> Batch:
    """Return segments in which some episodes start, also with the first step, and rows that remember something."""
    of = torch.Generator().manual_seed(steps)
    flat = batch_of(spec, steps * rows)
    return replace(
        flat,
        observations=flat.observations.view(steps, rows, spec.width),
        starts=torch.rand(steps, rows, generator=of) < 0.3,
        memory=tuple(torch.randn(part.shape, generator=of) for part in policy.initial_state(rows)),
    )


@needs_compiler
@pytest.mark.parametrize("spec", [CODES, NUMBERS, CONTINUOUS], ids=["codes", "numbers", "continuous"])
@pytest.mark.parametrize("separate", [False, True])
def test_by_hand_the_gradient_through_a_memory_is_torchs(spec: EnvSpec, separate: bool) -> None:
    config = parsed(agent__separate_value=separate, trainer__use_lstm=True, trainer__lstm_hidden_size=11)
    policy = Policy(config, spec, torch.Generator().manual_seed(0))
    parameters = flattened(policy)
    by_hand, by_torch = passes_of(policy, parameters, config.trainer, find_kernel()), ByTorch(policy, parameters)
    assert isinstance(by_hand, ByHand)
    for steps, rows in ((4, 0), (4, 6), (1, 3), (4, 0), (4, 1), (4, 6)):
        batch, _ = segments_of(policy, spec, steps, rows + 2).split([rows, 2])  # parts of what others learn from
        outputs = by_hand.outputs(batch)
        torch.testing.assert_close(outputs, by_torch.outputs(batch), atol=1e-6, rtol=1e-6)
        by_output = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(rows))
        by_torch.backward(by_output)
        expected = gradient_of(parameters).clone()
        by_hand.backward(by_output.clone())
        torch.testing.assert_close(gradient_of(parameters), expected, atol=2e-6, rtol=1e-5)


@needs_compiler
@pytest.mark.parametrize("separate", [False, True])
def test_steps_by_hand_remember_what_the_policys_do(separate: bool) -> None:
    config = parsed(agent__separate_value=separate, trainer__use_lstm=True, trainer__lstm_hidden_size=11)
    policy = Policy(config, CODES, torch.Generator().manual_seed(0))
    by_hand = passes_of(policy, flattened(policy), config.trainer, find_kernel())
    mine = theirs = policy.initial_state(8)
    for seed in (3, 4, 5):
        seen = batch_of(CODES, 8, seed).observations[0]
        kept = tuple(part.clone() for part in mine)
        outputs, after = by_hand.step(seen, mine)
        assert all(torch.equal(part, before) for part, before in zip(mine, kept, strict=True))
        with torch.no_grad():
            expected, theirs = policy.step(seen, theirs)
        torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(after, theirs, atol=1e-6, rtol=1e-6)
        mine = after


@needs_compiler
@pytest.mark.parametrize("spec", [CODES, NUMBERS, CONTINUOUS], ids=["codes", "numbers", "continuous"])
def test_a_step_by_hand_is_the_policys_and_stays_as_it_was(spec: EnvSpec) -> None:
    config = parsed()
    policy = Policy(config, spec, torch.Generator().manual_seed(0))
    by_hand = passes_of(policy, flattened(policy), config.trainer, find_kernel())
    first, second = (batch_of(spec, 8, seed).observations[0] for seed in (3, 4))
    outputs, state = by_hand.step(first, ())
    by_hand.step(second, ())
    with torch.no_grad():
        expected, _ = policy.step(first, ())
    torch.testing.assert_close(outputs, expected, atol=1e-6, rtol=1e-6)
    assert state == ()


def test_what_is_more_than_dense_layers_goes_through_torch() -> None:
    for changes in ({"trainer__use_lstm": True}, {"trainer__precision": "bfloat16"}):
        config = parsed(**changes)
        policy = Policy(config, NUMBERS, torch.Generator().manual_seed(0))
        assert isinstance(passes_of(policy, flattened(policy), config.trainer, None), ByTorch)
    policy = Policy(parsed(), CODES, torch.Generator().manual_seed(0))
    assert isinstance(passes_of(policy, flattened(policy), parsed().trainer, None), ByTorch)


@needs_compiler
@pytest.mark.parametrize("use_lstm", [False, True])
def test_with_and_without_the_kernel_an_update_is_the_same(tmp_path: Path, use_lstm: bool) -> None:
    weights = []
    for with_kernel in (True, False):
        config = parsed(trainer__c_kernel=with_kernel, trainer__use_lstm=use_lstm)
        training = Training(config, tmp_path, torch.device("cpu"), lambda _: None)
        training.learn()
        weights.append(torch.cat([part.detach().flatten() for part in training.policy.parameters()]))
    torch.testing.assert_close(*weights, atol=1e-5, rtol=1e-4)
