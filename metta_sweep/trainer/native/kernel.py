"""The functions of ``kernel.c`` on tensors, each beside the torch code that it stands in for.

They agree with that to the rounding of 32 bits, so that a run with them is not the same, bit for bit, as one without;
with the same library it is the same every time. Tensors are on the CPU, float32 unless said otherwise, and contiguous.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from metta_sweep.trainer.native.build import library

if TYPE_CHECKING:
    from metta_sweep.trainer.config import TrainerConfig


class _Loss(ctypes.Structure):
    """The weights of the loss and its clips."""

    _fields_ = tuple((name, ctypes.c_float) for name in ("clip_coef", "entropy_coef", "value_coef", "value_clip"))

    @classmethod
    def of(cls, config: TrainerConfig) -> _Loss:
        clip = -1.0 if config.value_clip is None else config.value_clip
        return cls(config.clip_coef, config.entropy_coef, config.value_coef, clip)


_FUNCTIONS = {  # name: kinds of its arguments, and what it returns
    "codes_forward": ("nnnnpppppp", ctypes.c_int32),
    "codes_backward": ("nnnnppppp", ctypes.c_int32),
    "categorical_loss": ("nnppppppwpp", None),
    "gaussian_loss": ("nnppppppwpp", None),
    "tangents": ("np", None),
    "memory_forward": ("nnppppp", None),
    "memory_backward": ("nnpppppppp", None),
    "norm": ("np", ctypes.c_float),
    "adam": ("nppppffffffff", None),
}
_KINDS = {"n": ctypes.c_int64, "p": ctypes.c_void_p, "f": ctypes.c_float, "w": _Loss}


class Kernel:
    """The compiled functions.

    Args:
        compiled: The loaded library.
    """

    def __init__(self, compiled: ctypes.CDLL) -> None:
        for name, (arguments, result) in _FUNCTIONS.items():
            function = getattr(compiled, name)
            function.argtypes, function.restype = [_KINDS[kind] for kind in arguments], result
        self._c = compiled

    def sum_codes(
        self, codes: Tensor, offsets: Tensor, weight: Tensor, bias: Tensor, out: Tensor | None = None
    ) -> Tensor:
        """Return (n, width): :class:`~metta_sweep.trainer.codes.CodeLayer`. codes: (n, places) uint8."""
        (count, places), width = codes.shape, weight.shape[1]
        out = weight.new_empty(count, width) if out is None else out
        tensors = (codes.contiguous(), offsets, weight, bias, out, torch.empty_like(offsets))
        _check(self._c.codes_forward(count, places, width, len(weight), *[_at(tensor) for tensor in tensors]))
        return out

    def add_to_codes(self, by_out: Tensor, codes: Tensor, offsets: Tensor, by_weight: Tensor) -> None:
        """Add its gradient with respect to the weight, in place."""
        (count, places), (total, width) = codes.shape, by_weight.shape
        tensors = (codes.contiguous(), offsets, by_out.contiguous(), by_weight, torch.empty_like(offsets))
        _check(self._c.codes_backward(count, places, width, total, *[_at(tensor) for tensor in tensors]))

    def loss_gradient(
        self,
        outputs: Tensor,
        actions: Tensor,
        old_log_probs: Tensor,
        old_values: Tensor,
        returns: Tensor,
        advantages: Tensor,
        config: TrainerConfig,
    ) -> tuple[Tensor, Tensor]:
        """Return what :func:`~metta_sweep.trainer.losses.loss_gradient` does.

        That is for a categorical distribution where actions are integers (n,), and for normal ones where they are
        numbers (n, D).
        """
        gradient, log_probs = torch.empty_like(outputs), torch.empty_like(returns)
        tensors = [each.contiguous() for each in (outputs, actions, old_log_probs, old_values, returns, advantages)]
        of_numbers = actions.is_floating_point()
        function = self._c.gaussian_loss if of_numbers else self._c.categorical_loss
        function(
            len(outputs),
            actions.shape[1] if of_numbers else outputs.shape[1] - 1,
            *[_at(tensor) for tensor in tensors],
            _Loss.of(config),
            _at(gradient),
            _at(log_probs),
        )
        return gradient, log_probs

    def tanh(self, x: Tensor) -> None:
        """Make the hyperbolic tangent of x, in place."""
        self._c.tangents(x.numel(), _at(x))

    def remember(self, gates: Tensor, cell: Tensor, cell_after: Tensor, bent: Tensor, output: Tensor) -> None:
        """Take a step of a memory, in the notation of :mod:`~metta_sweep.trainer.memory`.

        Args:
            gates: (N, 4 size) the sums a, replaced by i, f, g and o.
            cell: (N, size) c'.
            cell_after: (N, size) where c is written.
            bent: (N, size) where tanh(c) is written.
            output: (N, size) where h is written.
        """
        tensors = gates, cell, cell_after, bent, output
        self._c.memory_forward(*cell.shape, *[_at(tensor) for tensor in tensors])

    def recall(
        self,
        gates: Tensor,
        cell: Tensor,
        bent: Tensor,
        by_output: Tensor,
        by_next: Tensor,
        starts: Tensor,
        by_cell: Tensor,
        by_gates: Tensor,
    ) -> None:
        """Go a step back.

        Args:
            gates: (N, 4 size) i, f, g and o.
            cell: (N, size) c'.
            bent: (N, size) tanh(c).
            by_output: (N, size) gradient with respect to h, as an output.
            by_next: (N, size) the same, as what the step after starts from.
            starts: (N,) bool: where the step after starts an episode, so that nothing comes back from it.
            by_cell: (N, size) gradient with respect to c from the step after, replaced by that with respect to c'.
            by_gates: (N, 4 size) where the gradient with respect to a is written.
        """
        tensors = gates, cell, bent, by_output, by_next, starts, by_cell, by_gates
        self._c.memory_backward(*cell.shape, *[_at(tensor) for tensor in tensors])

    def norm(self, vector: Tensor) -> float:
        """Return the length of a vector."""
        length: float = self._c.norm(vector.numel(), _at(vector))
        return length

    def adam(self, optimizer: torch.optim.AdamW, scale: float) -> None:
        """Take a step of an optimizer of one vector, along so many times its gradient."""
        (group,) = optimizer.param_groups
        (vector,) = group["params"]
        state = optimizer.state[vector]
        if not state:
            moments = {name: torch.zeros_like(vector) for name in ("exp_avg", "exp_avg_sq")}
            state.update({"step": torch.zeros(())}, **moments)
        state["step"] += 1
        (beta1, beta2), done = group["betas"], float(state["step"])
        self._c.adam(
            vector.numel(),
            *[_at(tensor) for tensor in (vector, vector.grad, state["exp_avg"], state["exp_avg_sq"])],
            scale,
            group["lr"],
            1.0 - group["lr"] * group["weight_decay"],
            beta1,
            beta2,
            group["eps"],
            1.0 - beta1**done,
            (1.0 - beta2**done) ** 0.5,
        )


def _at(tensor: Tensor) -> int:
    """Return where a tensor's numbers begin.

    Raises:
        ValueError: They do not stand one after the other, as the compiled functions take for granted.
    """
    if not tensor.is_contiguous():
        raise ValueError(f"need a contiguous tensor, got one of shape {tuple(tensor.shape)}, strides {tensor.stride()}")
    return tensor.data_ptr()


def _check(beyond: int) -> None:
    if beyond:
        raise IndexError("an observation shows a code that is not below the number of codes that its place can show")


def kernel_for(config: TrainerConfig) -> Kernel | None:
    """Return the kernel if a config wants it and there is one."""
    return find_kernel() if config.c_kernel else None


@cache
def find_kernel() -> Kernel | None:
    """Return the kernel of this machine; None where it cannot be compiled or loaded."""
    found = library(torch.backends.cpu.get_cpu_capability())
    try:
        return None if found is None else Kernel(ctypes.CDLL(str(found)))
    except OSError:
        return None
