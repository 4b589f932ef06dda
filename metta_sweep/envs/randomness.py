"""Randomness that belongs to an episode: a hash of (seed, environment, episode), no state, no order of calls.

An episode's draws are the same whoever plays it, whatever the other environments do and wherever it is computed;
a checkpoint need not hold a generator. The mixing function is SplitMix64 (Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.vec_env import Doubles, Ints

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def uniforms(seed: int, environments: Ints, episodes: Ints, draws: int) -> Doubles:
    """Return (n, draws) numbers in [0, 1) that belong to the n pairs of environment and episode."""
    with np.errstate(over="ignore"):
        key = _mix(np.full(len(environments), seed % 2**64, np.uint64))
        key = _mix(key ^ environments.astype(np.uint64))
        key = _mix(key ^ episodes.astype(np.uint64))
        bits = _mix(key[:, None] + _GOLDEN * np.arange(1, draws + 1, dtype=np.uint64))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def staggered(numbers: Ints, longest: int) -> Ints:
    """Return ages in [0, longest) that spread evenly over environments of any numbers (golden-ratio sequence)."""
    return (numbers * 0.6180339887498949 % 1.0 * longest).astype(np.int64)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))
