"""The versions of one search: the same sweep may be asked for again with another space, and keeps every run.

A version is derived from the requests that the journal has. Runs of earlier versions are evidence in the present one
where their point is one of its space: a parameter that a run was not given has the value that it ran with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metta_sweep.errors import RequestError
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.trees import leaves

if TYPE_CHECKING:
    from metta_sweep.space import SearchSpace

UNKNOWN = object()
"""Stands for the value of a parameter that a command was never given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One space that a sweep was searched in."""

    number: int
    """From 1."""
    spec: SweepSpec
    """The first request that asked for it."""
    first_rollout: int
    """Index of the first rollout that was suggested in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A point of the sweep as the present space has it."""

    params: Mapping[str, Any]
    """Its values, those of parameters that were added since included."""
    outside: str = ""
    """Why it is not a point of the present space; empty where it is one."""


def same_space(before: SweepSpec, now: SweepSpec, ever: Iterable[str]) -> bool:
    """Return whether two requests search the same space; ``ever`` are all paths that were ever searched."""
    if (dict(before.parameters), before.constraints) != (dict(now.parameters), now.constraints):
        return False
    held = set(ever) - set(now.parameters)
    then, here = dict(leaves(before.training)), dict(leaves(now.training))
    return all(then.get(path, UNKNOWN) == here.get(path, UNKNOWN) for path in held)


def searched_paths(specs: Iterable[SweepSpec]) -> frozenset[str]:
    """Return every path that one of these requests searches."""
    return frozenset(path for spec in specs for path in spec.parameters)


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """Which points of earlier versions are points of the present space."""

    now: SweepSpec
    """The present request."""
    ever: frozenset[str]
    """Every path that was ever searched."""

    def place(self, params: Mapping[str, Any], asked: Sequence[SweepSpec]) -> Placed:
        """Return a point as the present space has it.

        Args:
            params: What its suggestion says.
            asked: The requests under which its runs were started.
        """
        placed: dict[str, Any] = {}
        for path in sorted(self.ever):
            value = self._value_then(path, params, asked)
            if path not in self.now.parameters:
                held = self._held.get(path, UNKNOWN)
                if not _same(value, held):
                    return Placed(params=params, outside=_held_elsewhere(path, value, held))
            elif value is not UNKNOWN:
                placed[path] = value
        return self._judged(placed)

    def value_of_new(self, path: str, then: SweepSpec) -> Any:
        """Return the value that a run of an earlier request has of a parameter that it was not given."""
        known = dict(leaves(then.training))
        declared = self.now.parameters.get(path)
        assumed = declared.get("mean", UNKNOWN) if isinstance(declared, Mapping) else UNKNOWN
        return known.get(path, assumed)

    def _value_then(self, path: str, params: Mapping[str, Any], asked: Sequence[SweepSpec]) -> Any:
        if path in params:
            return params[path]
        values = [self.value_of_new(path, spec) for spec in asked]
        return values[0] if values and all(_same(value, values[0]) for value in values) else UNKNOWN

    def _judged(self, placed: Mapping[str, Any]) -> Placed:
        if self._space is None:
            return Placed(params=placed)
        try:
            codes = self._space.encode(placed)
        except RequestError as error:
            problem = error.problems[0]
            got = problem.message.replace("got none", "and what it ran with is not known")
            return Placed(params=placed, outside=f"{problem.key}: {got}")
        if not self._space.satisfied(self._space.snap(codes)[None])[0]:
            return Placed(params=placed, outside="it breaks a constraint")
        return Placed(params=placed)

    @cached_property
    def _held(self) -> Mapping[str, Any]:
        return dict(leaves(self.now.training))

    @cached_property
    def _space(self) -> SearchSpace | None:
        """The present space; None where this version of the package cannot read it any more."""
        from metta_sweep.space import SearchSpace  # it needs numpy, which a sweep of one version does without

        try:
            return SearchSpace.parse(self.now.parameters, self.now.constraints, dict(leaves(self.now.training)))
        except RequestError:
            return None


class Versions:
    """The versions of a sweep, and where its rollouts lie in the latest. The state owns it."""

    def __init__(self) -> None:
        self.all: list[Version] = []
        """Every version, in order."""
        self._fit: Fit | None = None
        self._placed: dict[int, Placed] = {}

    def take_up(self, spec: SweepSpec, *, rollouts: int) -> bool:
        """Take note of a request, made after so many rollouts, and return whether it searches another space."""
        if self.all and same_space(self.all[-1].spec, spec, self._ever(spec)):
            return False
        self.all.append(Version(number=len(self.all) + 1, spec=spec, first_rollout=rollouts))
        self._placed.clear()
        self._fit = self.fit(spec) if len(self.all) > 1 else None
        return self._fit is not None

    def fit(self, now: SweepSpec) -> Fit:
        """Return which points so far are points of a request's space."""
        return Fit(now=now, ever=self._ever(now))

    def differs(self, now: SweepSpec) -> bool:
        """Return whether a request searches another space than the latest version."""
        return bool(self.all) and not same_space(self.all[-1].spec, now, self._ever(now))

    def place(self, rollout: int, params: Mapping[str, Any], asked: Sequence[SweepSpec]) -> Placed:
        """Return a rollout's point as the present space has it."""
        if self._fit is None:
            return Placed(params=params)
        if rollout not in self._placed:
            self._placed[rollout] = self._fit.place(params, asked)
        return self._placed[rollout]

    def forget(self, rollout: int) -> None:
        """Place a rollout anew: a run of it was started."""
        self._placed.pop(rollout, None)

    def of(self, rollout: int) -> Version:
        """Return the version in which a rollout was suggested."""
        return next(version for version in reversed(self.all) if version.first_rollout <= rollout)

    def _ever(self, now: SweepSpec) -> frozenset[str]:
        return searched_paths([*(version.spec for version in self.all), now])


def _same(left: Any, right: Any) -> bool:
    if left is UNKNOWN or right is UNKNOWN:
        return left is right
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _held_elsewhere(path: str, then: Any, held: Any) -> str:
    if held is UNKNOWN:
        return f"{path}: it ran with {then!r}, and the command is not given it any more"
    ran = "what it ran with is not known" if then is UNKNOWN else f"it ran with {then!r}"
    return f"{path}: need {held!r}, {ran}"
