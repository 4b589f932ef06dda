"""What the field usually takes: the values that libraries which people start from give parameters of a name.

They are what PPO, DQN, SAC and TD3 start from in Stable-Baselines3 and CleanRL, or one of these values where the two or
their algorithms differ (entropy bonus, batch size, learning rate). Prioritized replay is that of Schaul et al. (2016,
table 3), momentum and weight decay are those of He et al. (2016, section 3.4), dropout that of Vaswani et al. (2017,
section 5.4). A name alone says little, so each has bounds as well: a range that leaves them is of something else, as
the ``gamma`` of a kernel is, or the ``learning_rate`` of boosted trees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from metta_sweep.space.parameter import Choice, Domain

_OUTSIDE, _FACTOR = 0.1, 3.0
"""How far outside a range, as a share of it and as a factor, a usual value may lie: the nearest end stands for it."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """What parameters of some names usually are."""

    names: re.Pattern[str]
    """Last parts of a dotted path."""
    value: float | bool
    low: float = 0.0
    """Smallest number that a range of this meaning has."""
    high: float = 1.0
    """Largest number that a range of this meaning has."""


_WORDS = re.compile(r"-|(?<=[a-z])(?=[A-Z])")
"""Where a name has no underscore between two words: ``ent-coef``, ``entCoef``."""


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:.*_)?(?:{pattern})")


_USUAL: tuple[_Usual, ...] = (
    _Usual(_names(r"lr|learning_?rate"), 3e-4, high=0.2),
    _Usual(_names(r"gamma|discount(?:_factor)?"), 0.99, low=0.5),
    _Usual(_names(r"gae_lambda|gae_lam"), 0.95, low=0.5),
    _Usual(_names(r"clip_(?:coef|eps|epsilon|range|ratio|param)|clip_range_vf"), 0.2),
    _Usual(_names(r"ent_?coef|entropy_(?:coef|coeff|cost|weight)"), 0.01),
    _Usual(_names(r"vf_?(?:coef|coeff|loss_coeff)|value_(?:coef|loss_coef|weight)"), 0.5, high=10.0),
    _Usual(_names(r"max_grad_norm"), 0.5, high=100.0),
    _Usual(_names(r"grad(?:ient)?_clip(?:_val|_norm)?|clip_grad(?:_norm)?"), 1.0, high=100.0),
    _Usual(_names(r"norm(?:alize)?_adv(?:antages?)?"), True),
    _Usual(_names(r"(?:mini_?)?batch_?size"), 64, low=1, high=2**20),
    _Usual(_names(r"buffer_size|replay_size|memory_size"), 1_000_000, low=1, high=1e9),
    _Usual(_names(r"(?:prio\w*|per|buffer|replay)_alpha"), 0.6),
    _Usual(_names(r"(?:prio\w*|per|buffer|replay)_beta0?"), 0.4),
    _Usual(_names(r"(?:prio\w*|per|buffer|replay)_eps(?:ilon)?"), 1e-6),
    _Usual(_names(r"(?:initial|start)_eps(?:ilon)?|exploration_initial_eps|eps(?:ilon)?_start"), 1.0),
    _Usual(_names(r"(?:target|final|end)_eps(?:ilon)?|exploration_final_eps|eps(?:ilon)?_end"), 0.05),
    _Usual(_names(r"use_target_net(?:work)?"), True),
    _Usual(_names(r"tau|polyak_tau"), 0.005),
    _Usual(_names(r"reward_scal(?:e|ing)"), 1.0, high=1000.0),
    _Usual(_names(r"momentum"), 0.9),
    _Usual(_names(r"weight_decay"), 1e-4),
    _Usual(_names(r"dropout(?:_rate|_p)?"), 0.1),
)
"""What is known, each name once."""


def usual_value(name: str, domain: Domain) -> Any:
    """Return the value of a domain that a parameter usually has, or None where nothing is known.

    Args:
        name: Dotted config path; its last part says what the parameter is.
        domain: Which values it has.
    """
    last = _WORDS.sub("_", name.rsplit(".", 1)[-1]).lower()
    known = next((usual for usual in _USUAL if usual.names.fullmatch(last)), None)
    code = None if known is None or not _is_plausible(known, domain) else domain.near_code(known.value)
    if code is None or not (isinstance(domain, Choice) or -_OUTSIDE <= code <= 1.0 + _OUTSIDE):
        return None
    least, most = (code, code) if isinstance(domain, Choice) else (0.0, 1.0)
    return domain.values(domain.snap(np.clip(np.array([code]), least, most)))[0]


def _is_plausible(known: _Usual, domain: Domain) -> bool:
    """Tell whether a range is one of what the name says; the values of a list are told by the value itself."""
    if isinstance(domain, Choice):
        return True
    is_near = domain.low / _FACTOR <= known.value <= domain.high * _FACTOR
    return is_near and known.low <= domain.low and domain.high <= known.high
