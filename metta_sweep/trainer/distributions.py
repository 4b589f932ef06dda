"""What a policy's outputs mean: the parameters of a distribution over actions, by the kind of action space.

A *family* belongs to an action space: it says how many parameters there are and draws. A *distribution* is what
parameters make of it, for many steps at once: probabilities, entropy, and the gradient of a loss, written down.

========  =====================================================================
symbol    meaning
========  =====================================================================
n         steps
P         parameters of a distribution
D         parts of an action
p, H      probabilities of the choices; entropy
mu, s     mean and standard deviation of a part
========  =====================================================================
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from metta_sweep.envs.action_spaces import ActionSpace, Box, Discrete, MultiDiscrete
from metta_sweep.trainer.config import AgentConfig

_HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)


class Distribution(Protocol):
    """Distributions over the actions of n steps."""

    def log_probs(self, actions: Tensor) -> Tensor:
        """Return (n,) logarithms of the probabilities of actions, or of their density."""

    def entropy(self) -> Tensor:
        """Return (n,) entropies, in nats."""

    def gradient(self, actions: Tensor, by_log_prob: Tensor, entropy_coef: float) -> Tensor:
        """Return the gradient of a loss with respect to the parameters (n, P).

        Args:
            actions: What was done.
            by_log_prob: (n,) the gradient with respect to log pi(a|s).
            entropy_coef: What the loss rewards a nat of entropy with.
        """


class Family(Protocol):
    """The distributions over the actions of a space."""

    width: int
    """P."""
    shape: tuple[int, ...]
    """Of an action as it is kept: (), or (D,)."""
    dtype: torch.dtype
    """Of an action as it is kept."""
    most_entropy: float | None
    """Largest entropy that there can be (nats); None where there is no largest."""

    def chance(self, steps: int, rows: int, generator: torch.Generator) -> Tensor:
        """Return (steps, rows, …) random numbers that :meth:`choose` makes actions of."""

    def choose(self, parameters: Tensor, chance: Tensor | None) -> Tensor:
        """Return actions drawn from distributions, or the likeliest ones where nothing is left to chance."""

    def of(self, parameters: Tensor) -> Distribution:
        """Return the distributions of parameters (n, P)."""

    def for_env(self, actions: Tensor) -> npt.NDArray[Any]:
        """Return actions as the environment takes them."""


class Categorical:
    """One of a set, by the logits of its members."""

    def __init__(self, logits: Tensor) -> None:
        self._log = torch.log_softmax(logits, dim=-1)

    def log_probs(self, actions: Tensor) -> Tensor:
        """Return log p of the actions (n,)."""
        return self._log.gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """H = - sum_a p log p."""
        return -(self._log.exp() * self._log).sum(-1)

    def gradient(self, actions: Tensor, by_log_prob: Tensor, entropy_coef: float) -> Tensor:
        """D log p(a) / d logits = 1[a] - p, and -d H / d logits = p (log p + H)."""
        column, by_log_prob = actions.unsqueeze(-1), by_log_prob.unsqueeze(-1)
        probs = self._log.exp()
        gradient = entropy_coef * _by_entropy(self._log, probs) - by_log_prob * probs
        return gradient.scatter_add_(-1, column, by_log_prob)


def _by_entropy(log_probs: Tensor, probs: Tensor) -> Tensor:
    weighted = probs * log_probs
    return weighted - probs * weighted.sum(-1, keepdim=True)


class Categoricals:
    """One of each of several sets, independently, by the logits of all."""

    def __init__(self, logits: Tensor, sizes: tuple[int, ...]) -> None:
        self._parts = [Categorical(part) for part in torch.split(logits, list(sizes), dim=-1)]

    def log_probs(self, actions: Tensor) -> Tensor:
        """Return the sum over the sets. actions: (n, D)."""
        chosen = actions.unbind(-1)
        return torch.stack([part.log_probs(of) for part, of in zip(self._parts, chosen, strict=True)]).sum(0)

    def entropy(self) -> Tensor:
        """Return the sum over the sets."""
        return torch.stack([part.entropy() for part in self._parts]).sum(0)

    def gradient(self, actions: Tensor, by_log_prob: Tensor, entropy_coef: float) -> Tensor:
        """Return the gradients of the sets side by side."""
        pairs = zip(self._parts, actions.unbind(-1), strict=True)
        return torch.cat([part.gradient(of, by_log_prob, entropy_coef) for part, of in pairs], -1)


class Gaussian:
    """Independent normal distributions, by their means and the logarithms of their deviations."""

    def __init__(self, parameters: Tensor) -> None:
        self._mean, self._log_std = parameters.chunk(2, dim=-1)

    def log_probs(self, actions: Tensor) -> Tensor:
        """Log density = sum_d -z^2 / 2 - log s - log(2 pi) / 2, with z = (a - mu) / s."""
        z = (actions - self._mean) / self._log_std.exp()
        return -(z.square() / 2.0 + self._log_std + _HALF_LOG_TWO_PI).sum(-1)

    def entropy(self) -> Tensor:
        """H = sum_d log s + log(2 pi) / 2 + 1 / 2."""
        return (self._log_std + _HALF_LOG_TWO_PI + 0.5).sum(-1)

    def gradient(self, actions: Tensor, by_log_prob: Tensor, entropy_coef: float) -> Tensor:
        """D log density / d mu = z / s, by log s: z^2 - 1; d H / d log s = 1."""
        deviation = self._log_std.exp()
        z, by_log_prob = (actions - self._mean) / deviation, by_log_prob.unsqueeze(-1)
        return torch.cat((by_log_prob * z / deviation, by_log_prob * (z.square() - 1.0) - entropy_coef), -1)


class OneOf:
    """The categorical distributions over one set."""

    shape: tuple[int, ...] = ()
    dtype = torch.int64

    def __init__(self, space: Discrete) -> None:
        self.width = space.size
        self.most_entropy: float | None = math.log(max(2, space.size))

    def chance(self, steps: int, rows: int, generator: torch.Generator) -> Tensor:
        """Return (steps, rows, P) logarithms of exponential numbers."""
        shape = (steps, rows, self.width)
        return torch.empty(shape, device=generator.device).exponential_(generator=generator).log_()

    def choose(self, parameters: Tensor, chance: Tensor | None) -> Tensor:
        """Return (n,): a race of exponential clocks with the probabilities as rates, argmax of p / Exp(1)."""
        return (parameters if chance is None else parameters - chance).argmax(-1)

    def of(self, parameters: Tensor) -> Categorical:
        """Return the distributions of logits."""
        return Categorical(parameters)

    def for_env(self, actions: Tensor) -> npt.NDArray[Any]:
        """Return (n,) integers."""
        numbers: npt.NDArray[Any] = actions.numpy()
        return numbers


class OneOfEach(OneOf):
    """The distributions over several sets that are independent of each other."""

    def __init__(self, space: MultiDiscrete) -> None:
        self._sizes = space.sizes
        self.shape = (len(space.sizes),)
        self.width = sum(space.sizes)
        self.most_entropy = math.fsum(math.log(max(2, size)) for size in space.sizes)

    def choose(self, parameters: Tensor, chance: Tensor | None) -> Tensor:
        """Return (n, D)."""
        raced = parameters if chance is None else parameters - chance
        return torch.stack([part.argmax(-1) for part in torch.split(raced, list(self._sizes), dim=-1)], -1)

    def of(self, parameters: Tensor) -> Categoricals:  # type: ignore[override]  # several of what one is
        """Return the distributions of logits."""
        return Categoricals(parameters, self._sizes)


class Numbers:
    """Normal distributions of numbers, scaled so that -1 and 1 are the bounds of the space.

    What is drawn is kept and learned from; what the environment gets is that within the bounds: cut off, or its
    hyperbolic tangent. The tangent's own density cancels in the ratio of probabilities (Haarnoja et al., 2018,
    appendix C), and entropies are those of the normal distribution.
    """

    dtype = torch.float32
    most_entropy: float | None = None

    def __init__(self, space: Box, bounds: str) -> None:
        self.shape: tuple[int, ...] = (len(space.low),)
        self.width = 2 * len(space.low)
        self._tanh = bounds == "tanh"
        self._low, self._high = (np.array(side, np.float32) for side in (space.low, space.high))
        self._bounded = np.isfinite(self._low) & np.isfinite(self._high)

    def chance(self, steps: int, rows: int, generator: torch.Generator) -> Tensor:
        """Return (steps, rows, D) standard normal numbers."""
        return torch.randn((steps, rows, *self.shape), device=generator.device, generator=generator)

    def choose(self, parameters: Tensor, chance: Tensor | None) -> Tensor:
        """Return (n, D): mu + s times chance."""
        mean, log_std = parameters.chunk(2, dim=-1)
        return mean if chance is None else mean + log_std.exp() * chance

    def of(self, parameters: Tensor) -> Gaussian:
        """Return the distributions of means and logarithms of deviations."""
        return Gaussian(parameters)

    def for_env(self, actions: Tensor) -> npt.NDArray[Any]:
        """Return (n, D) numbers within the bounds; a part that has only one bound, or none, keeps its own scale."""
        drawn = actions.numpy()
        share = (np.tanh(drawn) + 1.0) / 2.0 if self._tanh else (drawn + 1.0) / 2.0
        with np.errstate(invalid="ignore"):  # infinite bounds, whose result is not taken
            inside = self._low + share * (self._high - self._low)
        placed: npt.NDArray[Any] = np.where(self._bounded, inside, drawn).clip(self._low, self._high)
        return placed.astype(np.float32)


def family_of(space: ActionSpace, agent: AgentConfig) -> Family:
    """Return the distributions over the actions of a space."""
    match space:
        case Discrete():
            return OneOf(space)
        case MultiDiscrete():
            return OneOfEach(space)
        case Box():
            return Numbers(space, agent.action_bounds)
