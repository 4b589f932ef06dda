"""The sparse first layer against the product with a one-hot matrix."""

import torch
from torch.nn import functional

from metta_sweep.trainer.codes import CodeLayer, _SumOfRows

SIZES = (3, 4, 2, 5)


def observations(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(0, size, (count,), generator=generator) for size in SIZES], 1).to(torch.uint8)


def one_hot(codes):
    """Return (n, sum of sizes), code 0 of every place left out."""
    parts = [functional.one_hot(codes[:, k].long(), size) for k, size in enumerate(SIZES)]
    for part in parts:
        part[:, 0] = 0
    return torch.cat(parts, 1).double()


def layer():
    made = CodeLayer(SIZES, 7, torch.Generator().manual_seed(1)).double()
    made.bias.data.normal_(generator=torch.Generator().manual_seed(2))
    return made


def test_the_layer_is_linear_on_one_hot_codes():
    made, codes = layer(), observations(20)
    torch.testing.assert_close(made(codes), one_hot(codes) @ made.weight + made.bias)


def test_its_gradient_is_that_of_the_linear_layer():
    made, codes = layer(), observations(20)
    upstream = torch.randn(20, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    made(codes).backward(upstream)
    torch.testing.assert_close(made.weight.grad, one_hot(codes).T @ upstream)
    torch.testing.assert_close(made.bias.grad, upstream.sum(0))


def test_observations_that_show_nothing_give_the_bias():
    made = layer()
    nothing = torch.zeros(3, len(SIZES), dtype=torch.uint8)
    out = made(nothing)
    torch.testing.assert_close(out, made.bias.expand(3, 7))
    out.sum().backward()
    assert made.weight.grad.abs().sum() == 0


def test_the_gradient_agrees_with_finite_differences():
    weight = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    rows, starts = torch.tensor([1, 5, 2, 1], dtype=torch.int32), torch.tensor([0, 2, 2], dtype=torch.int32)
    assert torch.autograd.gradcheck(lambda w: _SumOfRows.apply(w, rows, starts), (weight,))


def test_the_way_of_a_gpu_gives_the_same_sum_and_gradient():
    made, codes = layer(), observations(20)
    made._padded_sum(codes).square().sum().backward()
    padded = made.weight.grad.clone()
    made.weight.grad = None
    (made(codes) - made.bias).square().sum().backward()
    torch.testing.assert_close(padded, made.weight.grad)


def test_batches_of_any_size_may_follow_each_other():
    made = layer()
    for count in (3, 40, 1, 7):
        codes = observations(count, seed=count)
        torch.testing.assert_close(made(codes), one_hot(codes) @ made.weight + made.bias)
