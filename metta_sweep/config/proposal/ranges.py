"""A range for an option, by what the field uses for its name: learning rates log, gammas logit, sizes powers of two."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from metta_sweep.config.proposal.options import Option

SEARCHED = 8
"""Most parameters that are searched without a person asking for it."""

Leaf = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed for an option."""

    option: Option
    leaf: Leaf
    """Its definition under ``sweep.parameters``."""
    what: str
    """What it is taken for."""
    is_searched: bool
    """Whether it is searched; otherwise it is written as a comment."""


@dataclass(frozen=True, slots=True)
class RangeRule:
    """What options of some names are."""

    names: re.Pattern[str]
    what: str
    leaf: Callable[[Any], Leaf | None]
    """From its default, or None, to a range; None where the default does not fit."""
    is_searched: bool = True


def seed_of(options: Iterable[Option]) -> Option | None:
    """Return the option that takes the seed."""
    return next((option for option in options if _last(option.name) in ("seed", "random_seed", "random_state")), None)


def is_known(options: Iterable[Option]) -> bool:
    """Return whether the field knows the name of any of them as that of a hyperparameter."""
    return any(found is not None and found[1].is_searched for found in map(_ranked, options))


def proposals(options: Iterable[Option]) -> list[Proposal]:
    """Return what is proposed, the surest first; options of a run's length, its place and its books are left out."""
    ranked = sorted(filter(None, map(_ranked, options)), key=lambda pair: pair[0])
    found = [proposal for _, proposal in ranked]
    if found and not any(proposal.is_searched for proposal in found):
        found = [_taken(proposal) for proposal in found]
    chosen = [proposal for proposal in found if proposal.is_searched][:SEARCHED]
    rest = [proposal for proposal in found if proposal not in chosen]
    return [*chosen, *(Proposal(option=p.option, leaf=p.leaf, what=p.what, is_searched=False) for p in rest)]


def _taken(proposal: Proposal) -> Proposal:
    is_number = proposal.option.kind in ("int", "float", "choice")
    return Proposal(option=proposal.option, leaf=proposal.leaf, what=proposal.what, is_searched=is_number)


def _ranked(option: Option) -> tuple[int, Proposal] | None:
    """Return a proposal and the place of its rule; None where there is nothing to propose."""
    last = _last(option.name)
    if _NEVER.fullmatch(last) and not _STILL.fullmatch(last):
        return None
    if option.kind == "choice":
        return _of_choices(option, last)
    if option.kind in ("text", "list"):
        return None
    if option.kind == "bool":
        return len(RULES) + 1, _proposal(option, {"values": [True, False]}, "on or off", is_searched=False)
    for place, rule in enumerate(RULES):
        leaf_or_none = rule.leaf(option.default) if rule.names.fullmatch(last) else None
        if leaf_or_none is not None and _fits(option, leaf_or_none):
            leaf_or_none = _from_default(option, leaf_or_none)
            is_searched = rule.is_searched and (place == 0 or not option.is_unset)
            return place, _proposal(option, leaf_or_none, rule.what, is_searched=is_searched)
    generic = _generic(option.default)
    return None if generic is None else (len(RULES), _proposal(option, generic, "a number", is_searched=False))


def _from_default(option: Option, leaf: Leaf) -> Leaf:
    """Return a range whose search starts at the option's own default, where that lies inside of it."""
    value = _number(option.default)
    return {**leaf, "mean": option.default} if value is not None and leaf["min"] < value < leaf["max"] else leaf


def _of_choices(option: Option, last: str) -> tuple[int, Proposal] | None:
    choices = list(dict.fromkeys(option.choices))
    if not 1 < len(choices) <= 12 or any("${" in str(choice) for choice in choices):
        return None
    if all(_number(choice) is not None for choice in choices):
        leaf: Leaf = {"values": sorted(choices), "ordered": True}
        leaf |= {"mean": option.default} if option.default in choices else {}
        rules = ((place, rule) for place, rule in enumerate(RULES) if rule.names.fullmatch(last))
        place, rule = next(rules, (len(RULES), None))
        is_searched = rule is not None and rule.is_searched
        return place, _proposal(option, leaf, rule.what if rule else "a choice", is_searched=is_searched)
    if option.default in choices:  # the first is where the search starts
        choices = [option.default, *(choice for choice in choices if choice != option.default)]
    is_known = _CHOSEN.fullmatch(last) is not None
    return (0 if is_known else len(RULES)), _proposal(option, {"values": choices}, "a choice", is_searched=is_known)


def _proposal(option: Option, leaf: Leaf, what: str, *, is_searched: bool) -> Proposal:
    style: Leaf = {"as": option.style} if option.style else {}
    when: Leaf = {"when": dict(option.when)} if option.when else {}
    return Proposal(option=option, leaf={**leaf, **style, **when}, what=what, is_searched=is_searched)


def _last(name: str) -> str:
    return re.sub(r"[-\s]", "_", name).rpartition(".")[2].lower()


def _fits(option: Option, leaf: Leaf) -> bool:
    """Return whether the range gives what the option takes: whole numbers to an int."""
    is_whole = leaf["distribution"] in ("int_uniform", "uniform_pow2") or leaf.get("integer") is True
    return is_whole if option.kind == "int" else not is_whole if option.kind == "float" else True


def _number(default: Any) -> float | None:
    is_number = isinstance(default, int | float) and not isinstance(default, bool) and math.isfinite(default)
    return float(default) if is_number else None


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def _log(low: float, high: float, *, most: float = math.inf) -> Callable[[Any], Leaf | None]:
    """Return a rule of a factor of 10 either way; between ``low`` and ``high`` where no positive default is known."""

    def leaf(default: Any) -> Leaf | None:
        value = _number(default)
        if value is not None and value < 0:
            return None
        ends = (value / 10, min(value * 10, max(most, value * 2))) if value else (low, high)
        return {"min": _short(ends[0]), "max": _short(ends[1]), "distribution": "log_normal"}

    return leaf


def _near_one(low: float, high: float) -> Callable[[Any], Leaf | None]:
    """Return a rule for what is close below 1: its distance from 1 a factor of 10 either way."""

    def leaf(default: Any) -> Leaf | None:
        value = _number(default)
        if value is None:
            return {"min": low, "max": high, "distribution": "logit_normal"}
        if not 0.5 < value < 1:
            return None
        ends = max(1 - 10 * (1 - value), 0.5), 1 - (1 - value) / 10
        return {"min": float(f"{ends[0]:.4g}"), "max": float(f"{ends[1]:.6g}"), "distribution": "logit_normal"}

    return leaf


def _share(low: float, high: float) -> Callable[[Any], Leaf | None]:
    """Return a rule for what lies between 0 and 1."""

    def leaf(default: Any) -> Leaf | None:
        value = _number(default)
        if value is None or value == 0:
            return {"min": low, "max": high, "distribution": "uniform"}
        if not 0 < value <= 1:
            return None
        ends = min(low, value / 2), min(1.0, max(high, value * 1.5))
        return {"min": _short(ends[0]), "max": _short(ends[1]), "distribution": "uniform"}

    return leaf


def _size(low: int, high: int) -> Callable[[Any], Leaf | None]:
    """Return a rule for sizes: powers of two, a factor of 4 either way; whole on a log scale where it is none."""

    def leaf(default: Any) -> Leaf | None:
        value = _number(default)
        if value is None:
            return {"min": low, "max": high, "distribution": "uniform_pow2"}
        if not value.is_integer() or value < 1:
            return None
        ends = max(int(value) // 4, 1), int(value) * 4
        if int(value) & (int(value) - 1) == 0:
            return {"min": ends[0], "max": ends[1], "distribution": "uniform_pow2"}
        return {"min": ends[0], "max": ends[1], "distribution": "log_normal", "integer": True}

    return leaf


def _count(low: int, high: int) -> Callable[[Any], Leaf | None]:
    """Return a rule for small counts: from half to twice the default."""

    def leaf(default: Any) -> Leaf | None:
        value = _number(default)
        if value is None:
            return {"min": low, "max": high, "distribution": "int_uniform"}
        if not value.is_integer() or value < 1:
            return None
        return {"min": max(int(value) // 2, 1), "max": max(int(value) * 2, 2), "distribution": "int_uniform"}

    return leaf


def _generic(default: Any) -> Leaf | None:
    """Return a range around a default of an unknown name."""
    value = _number(default)
    if value is None or value <= 0:
        return None
    if isinstance(default, int):
        return {"min": max(default // 2, 1), "max": default * 2, "distribution": "int_uniform"}
    return {"min": _short(value / 3), "max": _short(value * 3), "distribution": "log_normal"}


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:.*_)?(?:{pattern})")


RULES: tuple[RangeRule, ...] = (
    RangeRule(_names(r"lr|lrate|learning_?rate|step_?size|step|eta0?|lr_init"),
              "a learning rate", _log(1e-5, 1e-1, most=1)),
    RangeRule(_names(r"weight_decay|wd|l1|l2|reg|regulari[sz]ation|reg_alpha|reg_lambda|ridge|penalty|c|alpha"),
              "a regularization", _log(1e-6, 1e-1)),
    RangeRule(_names(r"adam_eps(?:ilon)?|optim\w*_eps(?:ilon)?"), "a small coefficient", _log(1e-8, 1e-4),
              is_searched=False),
    RangeRule(_names(r"ent_?coef|entropy(?:_\w+)?|kl_coef|tau|eps|epsilon|temperature"), "a small coefficient",
              _log(1e-4, 1e-1)),
    RangeRule(_names(r"gamma|discount|gae_lambda|lam|lambda_?|td_lambda"), "a discount", _near_one(0.8, 0.999)),
    RangeRule(_names(r"momentum|beta_?[12]|decay|ema|polyak|rho|ema_decay"), "a momentum", _near_one(0.5, 0.99)),
    RangeRule(_names(r"dropout|dropout_rate|p_drop|label_smoothing|mixup"), "a dropout", _share(0.0, 0.5)),
    RangeRule(_names(r"max_grad_norm|grad_clip|clip_grad\w*|gradient_clip_val"), "a bound of the gradient",
              _log(0.1, 10.0), is_searched=False),
    RangeRule(_names(r"clip|clip_coef|clip_range|subsample|colsample\w*|max_features|fraction|ratio|prob|probability"),
              "a share", _share(0.05, 0.5)),
    RangeRule(_names(r"\w*batch_?size|num_minibatches|minibatches|batch"), "a batch size", _size(16, 512)),
    RangeRule(_names(r"hidden\w*|width|units|dim|d_model|channels|filters|embed\w*|num_leaves|nodes|neurons"), "a size",
              _size(32, 512)),
    RangeRule(_names(r"width|scale|bandwidth|length_scale"), "a scale", _log(1e-2, 10.0)),
    RangeRule(_names(r"\w*layers|n_layer|depth|max_depth|degree|n_?estimators|num_trees|n_?neighbors|k|centers|\w*heads?|blocks"),
              "a count", _count(1, 8)),
    RangeRule(_names(r"update_epochs|n_epochs|ppo_epochs|num_sgd_iter"), "passes over a batch", _count(1, 10)),
    RangeRule(_names(r"\w*coef|\w*coeff|\w*weight|\w*scale"), "a coefficient", _log(1e-2, 10.0), is_searched=False),
    RangeRule(_names(r"num_envs|n_envs|num_steps|n_steps|horizon|rollout_length|buffer_size|seq_len|context"), "a size",
              _size(16, 512), is_searched=False),
)  # fmt: skip
"""What is known, the surest first."""

_CHOSEN = _names(
    r"optimi[sz]er|optim|activation|act|kernel|model|arch|architecture|policy|net|network|criterion|booster"
)
_STILL = re.compile(r"(?!.*every)(?:.*_)?(?:update_epochs|n_epochs|ppo_epochs)")
_NEVER = re.compile(
    r"(?:.*_)?(?:seed|random_state|device|cuda|gpus?|accelerator|workers|n_jobs|jobs|threads|port|host|verbose|verbosity"
    r"|interval|freq|frequency|every|epochs?|iters?|iterations?|max_iter|timesteps|max_steps|total_steps|n_iter|steps"
    r"|path|dir|directory|folder|file|filename|output|out|name|id|project|entity|tags?|resume|debug|version|rank"
    r"|(?:eval|val|valid|test)_batch_?size|num_nodes|nnodes|points|samples|folds|cv|episodes|patience|size_mb|budget|duration|timeout|limit|dataset|data|root|url|config"
    r"|vec_env|sampler|pruner|storage|backend)"
    r"|(?:log|save|eval|test|val|valid|wandb|capture|render|checkpoint|ckpt|dist|num_eval|track|print|plot|help)(?:_.*)?"
)
