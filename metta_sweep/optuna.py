"""Protein as a sampler of Optuna: ``optuna.create_study(sampler=ProteinSampler())``, Optuna 4 and 5."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import CanJudge, Optimizer, SearchTask
from metta_sweep.optimize.registry import kind_of
from metta_sweep.space import SearchSpace

try:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.samplers import BaseSampler, RandomSampler
    from optuna.samplers._base import _process_constraints_after_trial
    from optuna.trial import TrialState
except ImportError as error:
    raise ImportError("ProteinSampler needs Optuna: pip install 'optuna>=4.0'") from error

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_CONSTRAINTS = "constraints"
"""Where Optuna keeps what ``constraints_func`` returned, among a trial's system attributes."""

_SECOND = 1.0
"""Cost where no duration is known, and the least that one counts as is a thousandth of it."""


class ProteinSampler(BaseSampler):
    """Suggests what Protein would, from the trials that the study has.

    It keeps nothing between two calls that the study does not have: a study that is loaded again goes on to the same
    points, and several workers on one storage are told of each other's running trials.

    A study that is written as it runs (define by run) shows its parameters trial by trial. Protein models those whose
    distribution is the same in all trials and that are in every trial, or in exactly those in which a categorical
    parameter has certain values; others are drawn at random. The first trial of a study is the center of every range.

    Trials that were pruned teach how early values foretell the last one, once a finished trial has reported
    intermediate values too. Failed trials, and those that break a constraint, teach where the parameters do not work.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        search_space: Mapping[str, BaseDistribution] | None = None,
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        cost: Callable[[FrozenTrial], float] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Make a sampler.

        Args:
            seed: Seed of everything that is random.
            search_space: Distributions by name, where they are known beforehand; left out, the trials show them.
            constraints_func: Values of a finished trial, of which none may be above 0, as in Optuna's own samplers.
            cost: What a finished trial cost, above 0; left out, the seconds that it took.
            settings: What a sweep file says under ``protein``.

        Raises:
            RequestError: The seed or a setting is wrong.
        """
        self._seed = seed
        self._given = None if search_space is None else dict(search_space)
        self._constraints_func = constraints_func
        self._cost = cost or _seconds
        self._settings = dict(settings or {})
        self._protein(SearchSpace.parse({}), Goal.MINIMIZE)  # refuses what is wrong
        self._independent = RandomSampler(seed=seed % 2**32)

    def reseed_rng(self) -> None:
        """Draw other random numbers than the workers that this sampler was copied from."""
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the distributions that Protein models.

        Raises:
            ValueError: The study has several objectives.
        """
        del trial
        if len(study.directions) != 1:
            raise ValueError("ProteinSampler searches for one objective; give the study a single direction")
        if self._given is not None:
            return {name: each for name, each in self._given.items() if not each.single()}
        return dict(_Shown.by(_over(study)).distributions)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return Protein's next point; a parameter whose condition does not hold at it is absent."""
        if not search_space:
            return {}
        shown = _Shown(search_space, {}) if self._given is not None else _Shown.by(_over(study))
        codec = _Codec(search_space, shown.conditions)
        protein = self._protein(codec.space, _goal(study))
        self._teach(protein, codec, _over(study))
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        pending = [codec.point(each) for each in running if each.number != trial.number]
        suggestion = protein.suggest([point for point in pending if point is not None])
        return codec.values(suggestion.params)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value of a parameter that is not modelled: its center in the first trial, then a random one."""
        if trial.number == 0:
            codec = _Codec({param_name: param_distribution}, {})
            return codec.values(codec.space.decode(codec.space.feasible_center))[param_name]
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Note whether the trial keeps the constraints."""
        if self._constraints_func is not None:
            _process_constraints_after_trial(self._constraints_func, study, trial, state)
        self._independent.after_trial(study, trial, state, values)

    def _protein(self, space: SearchSpace, goal: str) -> Optimizer:
        task = SearchTask(space=space, goal=goal, seed=self._seed, settings=self._settings)
        return kind_of("protein").make(task)

    def _teach(self, protein: Optimizer, codec: _Codec, trials: Sequence[FrozenTrial]) -> None:
        """Tell Protein of every trial that is over and is a point of the space."""
        length = max((max(t.intermediate_values) for t in _with_steps(trials)), default=None)
        for each in trials:
            point = codec.point(each)
            if point is None:
                continue
            with suppress(RequestError):
                if each.state == TrialState.FAIL or _breaks_a_constraint(each):
                    protein.observe_failure(point)
                elif each.state == TrialState.PRUNED and isinstance(protein, CanJudge):
                    protein.observe_partial(point, self._curve(each, length))
                elif each.value is not None:
                    protein.observe(point, each.value, self._cost(each), curve=self._curve(each, length))

    def _curve(self, trial: FrozenTrial, length: int | None) -> list[tuple[float, float, float]]:
        """Return the share of the usual length, the value and the cost so far of every intermediate value."""
        steps = sorted(step for step in trial.intermediate_values if step >= 0)
        if length is None or not steps:
            return []
        from_one = 1 - min(steps[0], 1)  # steps may count from 0
        whole, cost = length + from_one, self._cost(trial)
        done = steps[-1] + from_one
        reached = [(step, step + from_one) for step in steps if 0 < step + from_one <= whole]
        return [(at / whole, trial.intermediate_values[step], cost * at / done) for step, at in reached]


class _Shown:
    """The parameters that trials show: their distributions, and when each of them is there."""

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], conditions: Mapping[str, tuple[str, frozenset[Any]]]
    ) -> None:
        self.distributions = distributions
        self.conditions = conditions
        """By name, the categorical parameter that decides about it, and at which of its choices it is there."""

    @classmethod
    def by(cls, trials: Sequence[FrozenTrial]) -> _Shown:
        """Return what trials that are over have shown."""
        trials = [each for each in trials if each.params]
        kinds: dict[str, list[BaseDistribution]] = defaultdict(list)
        for trial in trials:
            for name, distribution in trial.distributions.items():
                kinds[name].append(distribution)
        steady = {name: each[0] for name, each in kinds.items() if not each[0].single() and _are_alike(each)}
        always = [name for name in steady if len(kinds[name]) == len(trials)]
        switches = [name for name in always if isinstance(steady[name], CategoricalDistribution)]
        found = ((name, _condition(name, switches, trials)) for name in steady if name not in always)
        conditions = {name: condition for name, condition in found if condition is not None}
        modelled = {name: steady[name] for name in [*always, *conditions]}
        return cls(modelled, conditions)


def _are_alike(distributions: Sequence[BaseDistribution]) -> bool:
    return all(each == distributions[0] for each in distributions)


def _condition(name: str, switches: Iterable[str], trials: Sequence[FrozenTrial]) -> tuple[str, frozenset[Any]] | None:
    """Return the first parameter whose choice tells whether the trials have ``name``, and the choices that do."""
    for switch in switches:
        having = frozenset(trial.params[switch] for trial in trials if name in trial.params)
        lacking = frozenset(trial.params[switch] for trial in trials if name not in trial.params)
        if having.isdisjoint(lacking):
            return switch, having
    return None


class _Codec:
    """Optuna's values and those of a search space: names and choices are numbered, whatever they are called."""

    def __init__(
        self, distributions: Mapping[str, BaseDistribution], conditions: Mapping[str, tuple[str, frozenset[Any]]]
    ) -> None:
        self._distributions = dict(sorted(distributions.items()))
        self._keys = {name: _key(index, name) for index, name in enumerate(self._distributions)}
        self._conditions = conditions
        self.space = SearchSpace.parse({self._keys[name]: self._defined(name) for name in self._distributions})

    def _defined(self, name: str) -> dict[str, Any]:
        """Return a parameter as a sweep file has it."""
        defined = _definition(self._distributions[name])
        if name in self._conditions:
            switch, choices = self._conditions[name]
            decides = self._distributions[switch]
            assert isinstance(decides, CategoricalDistribution)
            where = [index for index, choice in enumerate(decides.choices) if choice in choices]
            defined["when"] = {self._keys[switch]: where}
        return defined

    def point(self, trial: FrozenTrial) -> dict[str, Any] | None:
        """Return a trial as a point of the space; None where it has not all that a point needs."""
        point: dict[str, Any] = {}
        for name, distribution in self._distributions.items():
            if name in trial.params and trial.distributions.get(name) == distribution:
                value = trial.params[name]
                is_choice = isinstance(distribution, CategoricalDistribution)
                point[self._keys[name]] = int(distribution.to_internal_repr(value)) if is_choice else value
            elif name not in self._conditions:
                return None
        return point

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return a point of the space in Optuna's words."""
        found: dict[str, Any] = {}
        for name, distribution in self._distributions.items():
            if self._keys[name] in point:
                value = point[self._keys[name]]
                is_choice = isinstance(distribution, CategoricalDistribution)
                found[name] = distribution.to_external_repr(value) if is_choice else value
        return found


def _key(index: int, name: str) -> str:
    """Return a dotted path for a parameter: any text is a name in Optuna, and what is usual goes by the last part."""
    return f"p{index}.{name}" if re.fullmatch(r"[\w-]+", name) else f"p{index}"


def _definition(distribution: BaseDistribution) -> dict[str, Any]:
    """Return a distribution as a sweep file defines a parameter.

    Raises:
        ValueError: It is of a kind that is not known here.
    """
    if isinstance(distribution, CategoricalDistribution):
        return {"values": list(range(len(distribution.choices))), "ordered": False}
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise ValueError(f"ProteinSampler does not know {type(distribution).__name__}")
    is_whole = isinstance(distribution, IntDistribution)
    kind = "log_normal" if distribution.log else "int_uniform" if is_whole else "uniform"
    defined: dict[str, Any] = {"distribution": kind, "min": distribution.low, "max": distribution.high}
    if distribution.log and is_whole:
        defined["integer"] = True
    elif not distribution.log and distribution.step not in (None, 1 if is_whole else None):
        defined["step"] = distribution.step
    return defined


def _over(study: Study) -> list[FrozenTrial]:
    """Return the trials of which something was learned, in order."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))


def _with_steps(trials: Iterable[FrozenTrial]) -> Iterator[FrozenTrial]:
    return (each for each in trials if each.state == TrialState.COMPLETE and each.intermediate_values)


def _goal(study: Study) -> str:
    return Goal.MAXIMIZE if study.direction.name == "MAXIMIZE" else Goal.MINIMIZE


def _breaks_a_constraint(trial: FrozenTrial) -> bool:
    return any(value > 0 for value in trial.system_attrs.get(_CONSTRAINTS) or ())


def _seconds(trial: FrozenTrial) -> float:
    """Return how long a trial took."""
    return _SECOND if trial.duration is None else max(trial.duration.total_seconds(), _SECOND / 1000)
