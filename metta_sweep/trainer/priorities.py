"""Prioritized segments: a pass draws those more often whose advantages are large, and counts them less.

As PufferLib 3 samples segments of trajectories, with the probabilities and weights of prioritized replay (Schaul et
al., 2016, equation 1 and section 3.4). A segment is ``bptt_horizon`` steps with a memory, and a single step without.

========  =================================================
symbol    meaning
========  =================================================
H, S      steps of a segment, segments
p         probability that a draw takes a segment
========  =================================================
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 1e-6
"""Added to what a segment is worth, so that each can be drawn."""


def worth(advantages: Tensor, alpha: float) -> Tensor:
    """Return (S,) what p is in proportion to: (the sum of |A| over a segment)^alpha. advantages: (H, S)."""
    return advantages.abs().sum(0).pow(alpha) + LEAST


def weights(chances: Tensor, beta: float) -> Tensor:
    """Return (S p)^-beta: with beta 1 a pass has the gradient of one over all segments, in the mean.

    Args:
        chances: (S,) p of each.
        beta: How much of the bias is taken out.
    """
    return (len(chances) * chances).pow(-beta)


def draw(chances: Tensor, generator: torch.Generator) -> Tensor:
    """Return as many segments as there are, each drawn by itself: (S,) their numbers."""
    return torch.multinomial(chances, len(chances), replacement=True, generator=generator)
