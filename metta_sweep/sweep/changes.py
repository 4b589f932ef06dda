"""What a request changes about the sweep that is there: what is listed, what has to be said, what is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from metta_sweep.config.command_line import CHANGES
from metta_sweep.errors import Problem, RequestError
from metta_sweep.sweep.change import Change, in_words
from metta_sweep.sweep.identity import check_continues
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.space_changes import space_changes
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.versions import searched_paths

_MEANINGS: Mapping[str, str] = {
    "metric": "every run so far is judged by what it reported of the new one",
    "goal": "what was the best so far is now judged the other way round",
    "bounds": "every run so far is judged by them anew",
    "rollout_count": "",
    "num_samples": "new rollouts take so many runs each, earlier ones keep theirs",
    "common_seeds": "from the next rollout on",
    "points": "those that were not run yet come next",
    "sources": "their runs are evidence from the next suggestion on",
    "seed": "later suggestions and runs draw from another seed",
    "limits": "",
    "early_stop": "from now on",
    "confirm": "",
    "env": "from the next run on",
    "workdir": "from the next run on",
    "protein": "from the next suggestion on",
    "optimizer": "it suggests from now on, and is taught all runs so far",
}
"""What a change of each part of a request means for the sweep; a part that is not listed here goes without a word, the
space has a module of its own."""
_WRITTEN: Mapping[str, str] = {"sources": "from"}
"""Keys of the sweep file that have another name in a request."""


def changes(before: SweepSpec, now: SweepSpec) -> tuple[Change, ...]:
    """Return what a request changes about a sweep that it may continue, its space left out."""
    return tuple(
        Change(key=_WRITTEN.get(key, key), before=_part(before, key), now=_part(now, key), meaning=meaning)
        for key, meaning in _MEANINGS.items()
        if _part(before, key) != _part(now, key)
    )


def _part(spec: SweepSpec, key: str) -> object:
    """Return a part of a request; of several metrics all, in words."""
    if spec.has_front and key in CHANGES:
        return ", ".join(str(getattr(one, key)) for one in spec.objectives)
    if key == "protein":  # a setting that is younger than the sweep, and is not set, is no change
        return {name: value for name, value in spec.protein.items() if value is not None}
    if key == "early_stop":
        return spec.early_stop or "off"
    return tuple(map(str, spec.bounds)) if key == "bounds" else getattr(spec, key)


def check_request(state: SweepState, now: SweepSpec, *, said: Collection[str] = ()) -> tuple[Change, ...]:
    """Return what a request changes about the sweep that is there.

    Args:
        state: The sweep as it is kept.
        now: The request.
        said: What the request says to change, ``metric`` or ``goal``.

    Raises:
        RequestError: It is another search, changes the metric or the goal without saying so, asks for a metric that
            no run so far has reported, or changes the space of a sweep that several machines share.
    """
    if state.is_empty:
        return ()
    check_continues(state.spec, now, searched=searched_paths([*(one.spec for one in state.versions), now]))
    found = (*space_changes(state, now), *changes(state.spec, now))
    problems = [*_unsaid(found, now, [*said, *_free(state)]), *_unheard_of(state, now), *_not_alone(state, now)]
    if problems:
        raise RequestError(*problems)
    return found


def _free(state: SweepState) -> Iterator[str]:
    """Yield what may change without a word: a metric that no run ever had was a mistake."""
    if not any(not state.spec.missing_in(run.metrics or {}) for run in state.runs.values()):
        yield "metric"
        yield from ["goal"] if state.spec.objectives else []


def _unsaid(found: Collection[Change], now: SweepSpec, said: Collection[str]) -> Iterator[Problem]:
    unsaid = [change for change in found if change.key in CHANGES and change.key not in said]
    words = f"change={','.join(change.key for change in unsaid)}"
    for change in unsaid:
        yield Problem(
            key=f"sweep.{change.key}",
            message=f"sweep {now.name!r} was started with {in_words(change.before)}, got {in_words(change.now)}",
            fix=f"write {in_words(change.before)}; to judge all its runs anew, add {words}",
        )


def _unheard_of(state: SweepState, now: SweepSpec) -> Iterator[Problem]:
    """Yield the problem of each metric that is newly asked for and that no run so far has."""
    own = {state.spec.metric} if state.spec.is_weighted else set()
    reported = {name for run in state.runs.values() for name in run.metrics or ()} - own
    there = ", ".join(sorted(reported))
    for name in now.read_metrics:
        if name not in state.spec.read_metrics and reported and name not in reported:
            message = f"no run so far has reported {name!r}; they reported: {there}"
            yield Problem(key=f"sweep.{now.key_of(name)}", message=message)


def _not_alone(state: SweepState, now: SweepSpec) -> Iterator[Problem]:
    """Yield the problem that other machines would go on in the space, or by the metric, as it was."""
    if state.created is None or not state.created.shared:
        return
    changed = [key for key in (*CHANGES, "bounds") if _part(state.spec, key) != _part(now, key)]
    if state.preview(now) is not None:
        message = "several machines share this sweep, and the others would go on in the space as it was"
        yield Problem(key="sweep.parameters", message=message, fix="choose another run= name for the new space")
    for key in changed:
        message = f"several machines share this sweep, and the others would go on by {in_words(_part(state.spec, key))}"
        yield Problem(key=f"sweep.{key}", message=message, fix="choose another run= name")
