"""The first part of the network: observations to features, in the way that what is seen asks for.

========  ===================================================================
symbol    meaning
========  ===================================================================
n         observations
C, H, W   channels, height and width of a picture
P         places of an observation
========  ===================================================================
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.codes import CodeLayer
from metta_sweep.trainer.config import AgentConfig, ConfigError
from metta_sweep.trainer.filters import ATARI, GRID, Filters, picture_problem
from metta_sweep.trainer.native.kernel import Kernel

RELU_GAIN = math.sqrt(2.0)


class Dense(nn.Module):
    """Linear layer with orthogonal weights (Saxe et al., 2014) of a gain a group of outputs, and no bias at first."""

    def __init__(self, inputs: int, groups: tuple[tuple[int, float], ...], generator: torch.Generator) -> None:
        super().__init__()
        blocks = [
            nn.init.orthogonal_(torch.empty(outputs, inputs), gain, generator=generator) for outputs, gain in groups
        ]
        self.weight = nn.Parameter(torch.cat(blocks))
        self.bias = nn.Parameter(torch.zeros(len(self.weight)))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., outputs)."""
        return functional.linear(x, self.weight, self.bias)


class Convolutions(nn.Module):
    """A stack of convolutions, each followed by a rectifier, and a linear layer on what is left of the picture."""

    def __init__(self, shape: tuple[int, int, int], layers: Filters, features: int, gen: torch.Generator) -> None:
        super().__init__()
        channels, height, width = shape
        self._strides = [stride for _, _, stride in layers]
        self.filters = nn.ParameterList()
        self.biases = nn.ParameterList()
        for (inputs, *_), (outputs, size, stride) in pairwise([(channels, 0, 0), *layers]):
            weight = nn.init.orthogonal_(torch.empty(outputs, inputs, size, size), RELU_GAIN, generator=gen)
            self.filters.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(outputs)))
            height, width = (height - size) // stride + 1, (width - size) // stride + 1
        self.out = Dense(layers[-1][0] * height * width, ((features, RELU_GAIN),), gen)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (n, features). pictures: (n, C, H, W)."""
        x = pictures.contiguous(memory_format=torch.channels_last)
        for weight, bias, stride in zip(self.filters, self.biases, self._strides, strict=True):
            x = torch.relu(functional.conv2d(x, weight, bias, stride))
        features: Tensor = self.out(x.flatten(1))
        return features


class Numbers(Dense):
    """Linear layer on numbers as they are."""

    def __init__(self, spec: EnvSpec, features: int, generator: torch.Generator) -> None:
        super().__init__(spec.width, ((features, RELU_GAIN),), generator)


class Brightness(nn.Module):
    """Pictures of brightness, through convolutions or as plain numbers from 0 to 1."""

    def __init__(self, spec: EnvSpec, features: int, generator: torch.Generator, *, convolve: bool) -> None:
        super().__init__()
        self._shape = spec.picture or (1, 1, spec.width)
        self.inner = (
            Convolutions(self._shape, ATARI, features, generator)
            if convolve
            else Dense(spec.width, ((features, RELU_GAIN),), generator)
        )
        self._convolve = convolve

    def forward(self, observations: Tensor) -> Tensor:
        """Return (n, features). observations: (n, P) uint8."""
        if self._convolve:  # in the order that convolutions want, while a pixel is one byte
            observations = observations.view(-1, *self._shape).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.inner(observations.float().div_(255.0))
        return features


class Cells(nn.Module):
    """What an agent on a grid sees: convolutions on the one-hot cells around it, and a sum of codes for the rest."""

    def __init__(
        self,
        spec: EnvSpec,
        sizes: tuple[int, ...],
        features: int,
        generator: torch.Generator,
        kernel: Kernel | None,
    ) -> None:
        super().__init__()
        _, self._height, self._width = spec.picture or (1, 1, spec.width)
        self._places, self._codes = self._height * self._width, max(sizes[: self._height * self._width])
        self.around = Convolutions((self._codes, self._height, self._width), GRID, features, generator)
        self.rest = CodeLayer(sizes[self._places :], features, generator, kernel)

    def forward(self, observations: Tensor) -> Tensor:
        """Return (n, features). observations: (n, P) uint8."""
        cells = observations[:, : self._places].long().view(-1, self._height, self._width)
        around = functional.one_hot(cells, self._codes).permute(0, 3, 1, 2)
        seen: Tensor = self.around(around.float()) + self.rest(observations[:, self._places :].contiguous())
        return seen


def make_encoder(
    agent: AgentConfig, spec: EnvSpec, generator: torch.Generator, kernel: Kernel | None = None
) -> nn.Module:
    """Return what the agent's ``encoder`` means for an environment: (n, P) to (n, hidden_size).

    Raises:
        ConfigError: Convolutions are asked for where nothing is a picture, or it is too small for them.
    """
    convolve = agent.encoder == "conv" or (agent.encoder == "auto" and spec.picture is not None and not spec.code_sizes)
    if convolve:
        _check_picture(spec)
    if spec.code_sizes is not None:
        if convolve:
            return Cells(spec, spec.code_sizes, agent.hidden_size, generator, kernel)
        return CodeLayer(spec.code_sizes, agent.hidden_size, generator, kernel)
    if spec.picture is not None:
        return Brightness(spec, agent.hidden_size, generator, convolve=convolve)
    return Numbers(spec, agent.hidden_size, generator)


def _check_picture(spec: EnvSpec) -> None:
    problem = picture_problem(spec.picture, of_codes=spec.code_sizes is not None)
    if problem:
        raise ConfigError([("agent.encoder", problem)])
