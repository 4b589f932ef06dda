"""Every compiled function does what the torch code does that it stands in for."""

from __future__ import annotations

import pytest
import torch

from metta_sweep.envs.action_spaces import ActionSpace, Box, Discrete
from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import AgentConfig, TrainerConfig
from metta_sweep.trainer.distributions import family_of
from metta_sweep.trainer.losses import loss_gradient
from metta_sweep.trainer.native.kernel import Kernel, find_kernel
from metta_sweep.trainer.parameters import clip_norm

SIZES = (3, 1, 7, 2, 255)


@pytest.fixture(name="kernel")
def _kernel() -> Kernel:
    kernel = find_kernel()
    if kernel is None:
        pytest.skip("there is no C compiler here")
    return kernel


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


@pytest.mark.parametrize("count", [1, 9, 64])
@pytest.mark.parametrize("width", [1, 16, 33])
def test_codes_are_summed_as_torch_sums_them(kernel: Kernel, count: int, width: int) -> None:
    codes = torch.stack([torch.randint(size, (count,), generator=generator()) for size in SIZES], 1).byte()
    plain, compiled = (CodeLayer(SIZES, width, generator(), each) for each in (None, kernel))
    torch.testing.assert_close(compiled(codes), plain(codes), atol=1e-6, rtol=1e-6)
    by_out = torch.randn(count, width, generator=generator())
    for layer in (plain, compiled, compiled):  # a gradient is added to the one that is there
        layer(codes).backward(by_out)
    torch.testing.assert_close(compiled.weight.grad, 2.0 * plain.weight.grad, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(compiled.bias.grad, 2.0 * plain.bias.grad, atol=1e-6, rtol=1e-6)


def test_a_code_beyond_those_of_its_place_is_refused(kernel: Kernel) -> None:
    codes = torch.tensor([[0, 0, 0, 0, 1], [0, 0, 0, 3, 255]], dtype=torch.uint8)
    layer = CodeLayer(SIZES, 8, generator(), kernel)
    with pytest.raises(IndexError, match="not below the number of codes"):
        layer(codes)
    with pytest.raises(IndexError, match="not below the number of codes"):
        kernel.add_to_codes(torch.ones(2, 8), codes, layer.offsets, torch.zeros_like(layer.weight))


@pytest.mark.parametrize("space", [Discrete(2), Discrete(5), Box((-1.0,), (1.0,)), Box((0.0, -2.0), (1.0, 2.0))])
@pytest.mark.parametrize("value_clip", [None, 0.1])
@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_the_gradient_of_the_loss_is_that_of_torch(
    kernel: Kernel, space: ActionSpace, value_clip: float | None, scale: float
) -> None:
    of, count, family = generator(), 200, family_of(space, AgentConfig())
    outputs = torch.randn(count, family.width + 1, generator=of)
    if isinstance(space, Discrete):
        outputs *= scale
    numbers = [torch.randn(count, generator=of) for _ in range(3)]
    old_log_probs = -torch.rand(count, generator=of) * 2.0
    actions = family.choose(outputs[:, :-1], family.chance(1, count, of)[0])
    config = TrainerConfig(value_clip=value_clip, entropy_coef=0.03, clip_coef=0.15, value_coef=0.7)
    arguments = (outputs, actions, old_log_probs, *numbers, config, family)
    for ours, theirs in zip(loss_gradient(*arguments, kernel), loss_gradient(*arguments), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6 * scale, rtol=2e-6)


@pytest.mark.parametrize("longest", [None, 0.5, 1e6])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_step_is_adams(kernel: Kernel, longest: float | None, weight_decay: float) -> None:
    of = generator()
    start = torch.randn(1003, generator=of)
    ours, theirs = (torch.nn.Parameter(start.clone()) for _ in range(2))
    settings = {"lr": 0.01, "betas": (0.8, 0.99), "eps": 1e-5, "weight_decay": weight_decay, "fused": True}
    compiled, plain = torch.optim.AdamW([ours], **settings), torch.optim.AdamW([theirs], **settings)
    for _ in range(5):
        ours.grad = torch.randn(1003, generator=of)
        theirs.grad = ours.grad.clone()
        length = kernel.norm(ours.grad)
        assert length == pytest.approx(float(clip_norm(theirs.grad, longest)), rel=1e-6)
        kernel.adam(compiled, 1.0 if longest is None else min(1.0, longest / (length + 1e-6)))
        plain.step()
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)
    compiled.load_state_dict(plain.state_dict())  # a run may go on where there is a compiler, or none
    plain.load_state_dict(compiled.state_dict())


def test_a_gradient_that_is_not_finite_is_found(kernel: Kernel) -> None:
    assert not torch.isfinite(torch.tensor(kernel.norm(torch.tensor([1.0, float("nan")]))))
    assert kernel.norm(torch.full((64,), 1e30)) == float("inf")


def test_the_tangent_is_that_of_torch_to_two_units_in_the_last_place_of_one(kernel: Kernel) -> None:
    x = torch.cat((torch.linspace(-20.0, 20.0, 4001), torch.tensor([-1e30, -90.0, 0.0, 90.0, 1e30])))
    bent = x.clone()
    kernel.tanh(bent)
    torch.testing.assert_close(bent, torch.tanh(x), atol=2.4e-7, rtol=0.0)


def test_what_is_not_a_number_stays_so(kernel: Kernel) -> None:
    x = torch.full((9,), float("nan"))
    kernel.tanh(x)
    assert x.isnan().all()
