"""What takes a step along a gradient: Adam for everything, or Muon for the hidden matrices and Adam for the rest.

Muon (Jordan et al., 2024, "Muon: An optimizer for hidden layers in neural networks") replaces a matrix's averaged
gradient G = U S V^T by about U V^T: all directions of it are learned equally fast. Its step is scaled to the size of
Adam's (Liu et al., 2025, "Muon is scalable for LLM training", equation 4), so that one learning rate suits both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from metta_sweep.trainer.config import TrainerConfig

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5 that brings singular values near 1, whatever they were."""
ITERATIONS = 5
LIKE_ADAM = 0.2
"""Root mean square of Adam's steps, by experience, over the learning rate."""


class Muon(torch.optim.Optimizer):
    """Momentum whose step is made orthogonal, matrix by matrix.

    Args:
        matrices: What is learned.
        lr: Step size, as for Adam.
        momentum: Decay of the mean of the gradient.
        weight_decay: Share of a weight that a step with learning rate 1 would remove.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], *, lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # there is never a closure
        """Take one step."""
        del closure
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                mean = self.state[matrix].setdefault("mean", torch.zeros_like(matrix))
                mean.lerp_(matrix.grad, 1.0 - momentum)
                step = orthogonal(matrix.grad.lerp(mean, momentum))  # Nesterov's momentum
                matrix.mul_(1.0 - lr * group["weight_decay"])
                matrix.add_(step, alpha=-lr * LIKE_ADAM * max(step.shape) ** 0.5)


def orthogonal(gradient: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T, by Newton-Schulz iterations: X <- a X + (b A + c A^2) X, A = X X^T."""
    a, b, c = COEFFICIENTS
    tall = gradient.shape[0] > gradient.shape[1]
    x: Tensor = gradient.T if tall else gradient
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        squared = x @ x.T
        x = a * x + (b * squared + c * squared @ squared) @ x
    return x.T if tall else x


class Both:
    """Muon for some parameters and Adam for the others, as one optimizer.

    Args:
        muon: The one.
        adam: The other.
    """

    def __init__(self, muon: Muon, adam: torch.optim.AdamW) -> None:
        self._parts = {"muon": muon, "adam": adam}
        self.param_groups = [*muon.param_groups, *adam.param_groups]

    def step(self) -> None:
        """Take one step of each."""
        for part in self._parts.values():
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what both go on from."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        self.param_groups = [group for part in self._parts.values() for group in part.param_groups]


def make_optimizer(network: nn.Module, vector: nn.Parameter, config: TrainerConfig) -> torch.optim.AdamW | Both:
    """Return the optimizer that a config asks for.

    Args:
        network: Its parameters are parts of the vector.
        vector: All of them; Adam alone takes one step for all.
        config: Which, and with what settings.
    """
    if config.optimizer.kind == "adam":
        return _adam([vector], config)
    matrices = hidden_matrices(network)
    inside = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in network.parameters() if id(parameter) not in inside]
    settings = config.optimizer
    muon = Muon(matrices, lr=config.learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay)
    return Both(muon, _adam(others, config))


def _adam(parameters: list[nn.Parameter], config: TrainerConfig) -> torch.optim.AdamW:
    adam = config.optimizer
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(adam.beta1, adam.beta2),
        eps=adam.eps,
        weight_decay=adam.weight_decay,
        fused=True,
    )


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Return the matrices between the first layer and the heads; those two are for Adam (Jordan et al., 2024)."""
    return [parameter for name, parameter in network.named_parameters() if parameter.ndim == 2 and _is_hidden(name)]


def _is_hidden(name: str) -> bool:
    """Tell by its name whether a matrix is neither a head nor the layer that sees; behind convolutions it is hidden."""
    return "head" not in name and ("encoder" not in name or name.endswith(".out.weight"))
