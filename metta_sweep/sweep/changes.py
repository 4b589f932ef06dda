"""What a request changes about the sweep that is there: what is listed, what has to be said, what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

from metta_sweep.config.command_line import CHANGES
from metta_sweep.errors import Problem, RequestError
from metta_sweep.sweep.identity import check_continues
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState

_MEANINGS: Mapping[str, str] = {
    "metric": "every run so far is judged by what it reported of the new one",
    "goal": "what was the best so far is now judged the other way round",
    "rollout_count": "",
    "num_samples": "new rollouts take so many runs each, earlier ones keep theirs",
    "seed": "later suggestions and runs draw from another seed",
    "limits": "",
    "confirm": "",
    "protein": "from the next suggestion on",
    "optimizer": "it suggests from now on, and is taught all runs so far",
}
"""What a change of each part of a request means for the sweep; a part that is not listed here goes without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that a request asks for differently than the sweep is kept."""

    key: str
    """Part of the request."""
    before: Any
    """How the sweep is kept."""
    now: Any
    """What is asked for."""

    def describe(self) -> str:
        """Return the change in a line: ``rollout_count: 3 -> 5``."""
        meaning = _MEANINGS[self.key]
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.now)}{f' ({meaning})' if meaning else ''}"


def changes(before: SweepSpec, now: SweepSpec) -> tuple[Change, ...]:
    """Return what a request changes about a sweep that it may continue."""
    return tuple(
        Change(key=key, before=getattr(before, key), now=getattr(now, key))
        for key in _MEANINGS
        if getattr(before, key, None) != getattr(now, key, None)
    )


def check_request(state: SweepState, now: SweepSpec, *, said: Collection[str] = ()) -> tuple[Change, ...]:
    """Return what a request changes about the sweep that is there.

    Args:
        state: The sweep as it is kept.
        now: The request.
        said: What the request says to change, ``metric`` or ``goal``.

    Raises:
        RequestError: It is another search, changes the metric or the goal without saying so, or asks for a metric that
            no run so far has reported.
    """
    if state.is_empty:
        return ()
    check_continues(state.spec, now)
    found = changes(state.spec, now)
    problems = [*_unsaid(found, now, said), *_unheard_of(state, now)]
    if problems:
        raise RequestError(*problems)
    return found


def _unsaid(found: Collection[Change], now: SweepSpec, said: Collection[str]) -> Iterator[Problem]:
    unsaid = [change for change in found if change.key in CHANGES and change.key not in said]
    words = f"change={','.join(change.key for change in unsaid)}"
    for change in unsaid:
        yield Problem(
            key=f"sweep.{change.key}",
            message=f"sweep {now.name!r} was started with {_shown(change.before)}, got {_shown(change.now)}",
            fix=f"write {_shown(change.before)}; to judge all its runs anew, add {words}",
        )


def _unheard_of(state: SweepState, now: SweepSpec) -> Iterator[Problem]:
    """Yield the problem that no run so far has a metric that is newly asked for."""
    if now.metric == state.spec.metric:
        return
    reported = {name for run in state.runs.values() for name in run.metrics or ()}
    if reported and now.metric not in reported:
        there = ", ".join(sorted(reported))
        yield Problem(key="sweep.metric", message=f"no run so far has reported {now.metric!r}; they reported: {there}")


def _shown(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        value = {key: part for key, part in asdict(value).items() if part is not None}
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={part}" for key, part in value.items() if part is not None) or "none"
    return "none" if value is None else str(value)
