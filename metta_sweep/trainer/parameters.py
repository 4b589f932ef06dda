"""All parameters of a network as one vector, so that whatever is done to all of them is done once."""

from __future__ import annotations

import torch
from torch import nn


def flattened(network: nn.Module) -> nn.Parameter:
    """Lay the network's parameters out in one vector and return it.

    Side effects:
        The parameters become views of the vector, and their gradients views of its gradient.
    """
    parts = list(network.parameters())
    vector = nn.Parameter(torch.cat([part.detach().reshape(-1) for part in parts]))
    vector.grad = torch.zeros_like(vector)
    start = 0
    for part in parts:
        span = slice(start, start + part.numel())
        part.data, part.grad = vector.data[span].view_as(part), vector.grad[span].view_as(part)
        start = span.stop
    return vector


def gradient_of(vector: nn.Parameter) -> torch.Tensor:
    """Return the gradient of a flattened network."""
    if vector.grad is None:
        raise RuntimeError("the parameters have lost their gradient")
    return vector.grad


def clip_norm(gradient: torch.Tensor, longest: float | None) -> torch.Tensor:
    """Scale a gradient in place so that it is not longer than allowed; return its length before."""
    norm = torch.dot(gradient, gradient).sqrt_()  # ten times as fast as vector_norm on the CPU
    if longest is not None:
        gradient.mul_((longest / (norm + 1e-6)).clamp_(max=1.0))
    return norm
