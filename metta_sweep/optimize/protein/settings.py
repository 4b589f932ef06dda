"""What a user may set about Protein under ``sweep.protein``; the defaults rarely need touching."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import nearest
from metta_sweep.optimize.shown import Metric, Range
from metta_sweep.space import SearchSpace
from metta_sweep.trees import leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class ProteinSettings:
    """Protein's settings, each with its documented default."""

    num_random_samples: int | None = None
    """Space-filling points after the center, before the model takes over; None: two, as a model of three
    points already chooses better than chance; a quarter of the number of parameters, at most six; twice the longest
    list of unordered values, at most ten; whichever is most."""
    max_suggestion_cost: float | None = None
    """Seconds that a suggested run may be expected to take at most; None: no cap."""
    usual_values: bool = True
    """Whether the search begins around what is usual where a parameter has no ``mean``: what the base config has, or
    what the field takes for its name. Where that is known of half of the parameters it is the second point, and the
    space-filling ones lie around it."""
    resample_frequency: int = 0
    """Run the best point again at every so many suggestions, to know its score better; 0: never."""
    seed: int | None = None
    """Seed of Protein's own random numbers; None: the sweep's seed."""
    planned_rollouts: int | None = None
    """Rollouts that the budget is expected to allow; early ones favour cheap knowledge, late ones the winner."""
    planned_cost: float | None = None
    """What all runs of the search together may cost, in the unit of their costs; None: as much as they do. Where that
    allows fewer runs than ``planned_rollouts``, an improvement is divided by the cost of the run, the less so the more
    of it is spent."""
    cost_aware: bool = True
    """Whether cheaper runs are favoured while there is budget left."""
    hyper_samples: int = 6
    """Samples of the model's hyperparameters that an acquisition value is averaged over."""
    candidates: int = 600
    """Points of the first look over the space, before the best are refined."""
    metric_range: Range | Mapping[str, Range] | None = None
    """Smallest and largest value that the metric can take, None on a side without an end; of several metrics by name.
    No expectation leaves it. Left out, ends are taken from the metric's name and from what runs reported."""
    steps_parameter: str | None = "trainer.total_timesteps"
    """The parameter that says how long a run trains: its learning curve stands for shorter runs."""

    def __post_init__(self) -> None:
        problems = [problem for each in fields(self) if (problem := _problem(each.name, getattr(self, each.name)))]
        if problems:
            raise RequestError(*problems)

    @classmethod
    def parse(cls, mapping: Mapping[str, Any] | None) -> ProteinSettings:
        """Read settings from the sweep file's ``protein`` block.

        Raises:
            RequestError: With every unknown key and every value out of range.
        """
        if mapping is None:
            return cls()
        if not isinstance(mapping, Mapping):
            raise RequestError.of(f"need a mapping of settings, got {mapping!r}", key="protein")
        known = [each.name for each in fields(cls)]
        problems = [_unknown(str(key), known) for key in mapping if key not in known]
        problems += [problem for key in known if key in mapping and (problem := _problem(key, mapping[key]))]
        if problems:
            raise RequestError(*problems)
        return cls(**{key: mapping[key] for key in known if key in mapping})

    def known_of(self, metric: str) -> Metric:
        """Return what is known of a metric by its name."""
        return Metric.declared(metric, self.metric_range)

    def check_metrics(self, names: Sequence[str]) -> None:
        """Make sure that ranges are of the metrics that there are.

        Raises:
            RequestError: One is of another metric, or there are several and the ranges are not by name.
        """
        declared = self.metric_range
        if isinstance(declared, Mapping):
            unknown = [name for name, _ in leaves(declared) if name not in names]
            if unknown:
                problems = (Problem(key=f"metric_range.{name}", message="there is no such metric") for name in unknown)
                raise RequestError(*problems)
        elif declared is not None and len(names) > 1:
            message = f"need the range of each by its name, as there are {len(names)} metrics"
            raise RequestError.of(message, key="metric_range")

    def random_samples(self, space: SearchSpace) -> int:
        """Return how many space-filling points follow the center of a space."""
        if self.num_random_samples is not None:
            return self.num_random_samples
        categories = [parameter.domain.size or 0 for parameter in space.parameters if parameter.domain.is_unordered]
        return max(2, min(6, space.dim // 4), min(10, 2 * max(categories, default=0)))


_AT_LEAST: Mapping[str, int] = {
    "num_random_samples": 0,
    "resample_frequency": 0,
    "seed": 0,
    "planned_rollouts": 1,
    "hyper_samples": 1,
    "candidates": 16,
}
_OPTIONAL = {"num_random_samples", "max_suggestion_cost", "seed", "planned_rollouts", "planned_cost", "steps_parameter"}
_OPTIONAL |= {"metric_range"}
_SECONDS = ("max_suggestion_cost", "planned_cost")


def _problem(name: str, value: Any) -> Problem | None:
    """Return what is wrong with one setting, or None."""
    if value is None and name in _OPTIONAL:
        return None
    if name in _AT_LEAST:
        limit = _AT_LEAST[name]
        fine = isinstance(value, int) and not isinstance(value, bool) and limit <= value <= 10**9
        expected = f"a whole number of at least {limit}"
    elif name in _SECONDS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fine, expected = number and math.isfinite(value) and value > 0, "a number of seconds above 0"
    elif name == "metric_range":
        if isinstance(value, Mapping):
            wrong = next(((metric, each) for metric, each in leaves(value) if not _is_range(each)), None)
            name, value = (f"{name}.{wrong[0]}", wrong[1]) if wrong else (name, (None, None))
        fine, expected = _is_range(value), "[smallest, largest] that the metric can be, null where there is no end"
    elif name in ("cost_aware", "usual_values"):
        fine, expected = isinstance(value, bool), "true or false"
    else:
        fine, expected = isinstance(value, str), "a dotted config path"
    return None if fine else Problem(key=f"protein.{name}", message=f"need {expected}, got {value!r}")


def _is_range(value: Any) -> bool:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return False
    ends = [each for each in value if each is not None]
    are_numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in ends)
    return are_numbers and all(map(math.isfinite, ends)) and ends == sorted(set(ends))


def _unknown(key: str, known: list[str]) -> Problem:
    near = nearest(key, known)
    return Problem(
        key=f"protein.{key}",
        message=f"need one of {', '.join(known)}, got an unknown setting",
        fix=f"write {near}" if near else "",
    )
