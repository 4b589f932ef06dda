"""Protein: suggest a point, observe what it gave, suggest a better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Expectation, Suggestion
from metta_sweep.optimize.protein.history import History, Observation, read_curve, read_observation
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.settings import ProteinSettings
from metta_sweep.optimize.protein.start import space_filling, unlike
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

FALLBACK = "gp_fit_failed"
"""Origin of a suggestion that the model should have made and could not."""
_FEWEST_TO_EXPECT = 4


class Protein:
    """A cost-aware Gaussian-process optimizer: pure, seeded, and the same for the same history in any order.

    ``goal`` is applied here and nowhere else: everything inside sees a score of which more is better.
    """

    def __init__(
        self,
        parameters: Mapping[str, Any] | SearchSpace,
        goal: str = "maximize",
        seed: int = 0,
        constraints: Sequence[str] = (),
        fixed: Mapping[str, Any] | None = None,
        settings: ProteinSettings | Mapping[str, Any] | None = None,
    ) -> None:
        """Make an optimizer that has seen nothing.

        Args:
            parameters: The sweep file's mapping, or a space made from it.
            goal: ``maximize`` or ``minimize``.
            seed: Seed of all random numbers; ``settings.seed`` wins.
            constraints: Expressions over config paths that every suggestion satisfies.
            fixed: Base config values by dotted path, for conditions and constraints.
            settings: What a user may set, or the mapping that a sweep file has; the defaults rarely need touching.

        Raises:
            RequestError: The space, the goal, the seed or a setting is wrong.
        """
        if goal not in set(Goal):
            raise RequestError.of(f"need maximize or minimize, got {goal!r}", key="goal")
        if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise RequestError.of(f"need a whole number of at least 0, got {seed!r}", key="seed")
        if not isinstance(parameters, SearchSpace):
            parameters = SearchSpace.parse(parameters, constraints, fixed)
        self.space: SearchSpace = parameters
        self.goal = goal
        self.settings = settings if isinstance(settings, ProteinSettings) else ProteinSettings.parse(settings)
        self.seed = seed if self.settings.seed is None else self.settings.seed
        self._observations: list[Observation] = []

    def observe(
        self,
        params: Mapping[str, Any],
        score: float,
        cost: float,
        noise: float | None = None,
        curve: Sequence[tuple[float, float, float]] = (),
    ) -> None:
        """Learn what a rollout gave.

        Args:
            params: Plain values by dotted path, as suggested.
            score: The metric as reported; one that is not finite counts as a failure.
            cost: Seconds, or any other unit that is the same for all.
            noise: Variance of ``score`` where it is known, as from several runs of one rollout.
            curve: Steps done, metric and seconds spent at intermediate evaluations; where ``settings.steps_parameter``
                is swept, they stand for shorter runs.

        Raises:
            RequestError: The point is outside the space, a name is unknown, or the cost is no positive number.
        """
        sign = Goal(self.goal).sign
        seen = read_observation(self.space, params, score=score, cost=cost, noise=noise, sign=sign)
        self._observations.append(seen)
        if curve and self.settings.steps_parameter:
            self._observations += read_curve(self.space, seen.codes, self.settings.steps_parameter, curve, sign)

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        """Learn that a run failed and that the parameters are to blame.

        Raises:
            RequestError: The point is outside the space, or a name is unknown.
        """
        codes = tuple(self.space.encode(params).tolist())
        self._observations.append(Observation(codes=codes, score=None, cost=None))

    def suggest(self, pending: Sequence[Mapping[str, Any]] = (), *, at_once: bool = False) -> Suggestion:
        """Return the next point to run.

        Args:
            pending: Points that were suggested and not observed yet.
            at_once: Do without loading torch: the point is the same, and what is predicted of it differs from what
                gpytorch says by rounding only.

        Raises:
            RequestError: A pending point is outside the space.
        """
        waiting = np.array([self.space.encode(params) for params in pending]).reshape(len(pending), self.space.dim)
        waiting = waiting[np.lexsort(waiting.T[::-1])] if self.space.dim else waiting
        history = History.of(self._observations, self.space.dim)
        taken = np.concatenate([history.all_points, waiting])
        if not self._is_time_for_the_model(history, len(waiting)):
            return self._start(taken)
        return self._propose(history, waiting, at_once) or self._start(taken)

    def needs_model(self, pending: int) -> bool:
        """Return whether the next suggestion, with so many points pending, takes a model and so a moment's thought."""
        return self._is_time_for_the_model(History.of(self._observations, self.space.dim), pending)

    def will_need_model(self, pending: int) -> bool:
        """Return whether the suggestion after the next one does, where the next and all that are pending succeed."""
        history = History.of(self._observations, self.space.dim)
        return self._is_time_for_the_model(history, pending + 1, ended=pending + 1)

    def _is_time_for_the_model(self, history: History, pending: int, ended: int = 0) -> bool:
        early = history.count + pending <= self.settings.random_samples(self.space)
        return not early and history.rollouts + ended >= 2 and self.space.dim > 0

    def expect(self, points: Sequence[Mapping[str, Any]]) -> list[Expectation] | None:
        """Return what many runs of each point would give on average; None while there is no model.

        Args:
            points: Plain values by dotted path.

        Raises:
            RequestError: A point is outside the space.
        """
        from metta_sweep.optimize.protein.expectation import expectations
        from metta_sweep.optimize.protein.model import Model
        from metta_sweep.optimize.protein.posterior import FitError

        codes = np.array([self.space.encode(params) for params in points]).reshape(len(points), self.space.dim)
        history = History.of(self._observations, self.space.dim)
        if not len(codes) or history.rollouts < _FEWEST_TO_EXPECT or self.space.dim == 0:
            return None
        rng, nothing = np.random.default_rng([self.seed, history.count]), np.empty((0, self.space.dim))
        try:
            model = Model.fit(Geometry.of(self.space), history, nothing, self.settings.hyper_samples, rng)
        except FitError:
            return None
        return expectations(model, codes, Goal(self.goal).sign)

    def _propose(self, history: History, waiting: Array, at_once: bool) -> Suggestion | None:
        """Ask the model; where it cannot be fitted, the next space-filling point is the one fallback."""
        from metta_sweep.optimize.protein.posterior import FitError
        from metta_sweep.optimize.protein.proposal import propose

        try:
            sign = Goal(self.goal).sign
            return propose(self.space, self.settings, history, waiting, self.seed, sign, at_once=at_once)
        except FitError as error:
            found = space_filling(self.space, self.seed, np.concatenate([history.all_points, waiting]))
            reason = f"fills the space, as the model could not be fitted: {error}"
            return self._suggestion(found[0], FALLBACK, reason) if len(found) else None

    def _start(self, taken: Array) -> Suggestion:
        center = self.space.feasible_center
        if len(unlike(center[None], taken)):
            if self.space.is_center_feasible:
                return self._suggestion(center, "center", "the search center: nothing has been run yet")
            reason = "near the search center, which breaks a rule: nothing has been run yet"
            return self._suggestion(center, "near_center", reason)
        found = space_filling(self.space, self.seed, taken)
        if len(found):
            place = f"{len(taken)} so far"
            return self._suggestion(found[0], "sobol", f"fills the space before the model takes over ({place})")
        return self._suggestion(center, "repeat", "every point of the space has been run: the center again")

    def _suggestion(self, codes: Array, origin: str, reason: str) -> Suggestion:
        return Suggestion(params=self.space.decode(codes), origin=origin, reason=reason)
