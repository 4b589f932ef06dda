"""The facts of a sweep, each on disk before its effect is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, cast

from metta_sweep.decoding import decode
from metta_sweep.errors import MettaSweepError
from metta_sweep.optimize.port import Source, Suggestion
from metta_sweep.result.values import as_cost_s
from metta_sweep.sweep.records import CodeRevision, Evaluated, Failure, Judgement, Recommended, SweepSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact, with the two times at which it was recorded."""

    KIND: ClassVar[str] = ""
    at: float = 0.0
    """Seconds since the epoch; for display, no decision depends on it."""
    elapsed_s: float = 0.0
    """Seconds that controllers have spent on the sweep; never goes back, whatever the clock does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepAsked(Event):
    """A controller took up the sweep with this request: the first creates it, later ones may extend it."""

    KIND = "sweep_asked"
    spec: SweepSpec
    """The request."""
    versions: Mapping[str, str]
    """Versions of this package, Python and torch."""
    words: tuple[str, ...] = ()
    """The command line's own words, to be typed again."""
    host: str = ""
    """Host of the controller."""
    pid: int = 0
    """Process id of the controller."""
    shared: bool = False
    """Whether other machines work on the sweep too; the first request decides it."""
    code: CodeRevision | None = None
    """The revision of the code; None where it was not looked at."""
    folder: str = ""
    """Where its words were typed: from the data directory where that lies below, else absolute; empty: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A run that a rollout will do."""

    run_id: str
    """``NAME.r.K``."""
    seed: int
    """Seed of the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSuggested(Event):
    """Protein proposed a point; its runs are claimed, whatever becomes of them."""

    KIND = "rollout_suggested"
    rollout: int
    """Index of the rollout."""
    suggestion: Suggestion
    """The point."""
    runs: tuple[PlannedRun, ...]
    """The runs that evaluate it."""
    max_retries: int
    """How often each may be retried for reasons that are not the parameters'."""
    think_s: float = 0.0
    """Seconds that Protein took."""
    machine: str = ""
    """The machine that did it, where another one did: then its outcome follows at once."""
    given: Mapping[str, Any] | None = None
    """What a person gave of the point; None where the optimizer chose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointAdded(Event):
    """A person wants a point run next."""

    KIND = "point_added"
    id: str
    """Tells requests apart: one that is read twice is recorded once."""
    point: Mapping[str, Any]
    """Values by dotted path, in full or in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcesRead(Event):
    """What other sweeps know was read: from now on nothing that becomes of them changes this one."""

    KIND = "sources_read"
    sources: tuple[Source, ...]
    """Their runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutCeded(Event):
    """Another machine does a rollout instead, since this one was held to be gone; nothing more is started of it."""

    KIND = "rollout_ceded"
    rollout: int
    """Index of the rollout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationChosen(Event):
    """The search is over; these points are run again on fresh seeds."""

    KIND = "confirmation_chosen"
    rollouts: tuple[int, ...]
    """The rollouts whose points are run again, the most promising first."""
    expected: tuple[float | None, ...]
    """What the model expects of each, raw metric; None where there was no model and their own means decided."""
    top_k: int
    """How many were asked for."""
    decided: int
    """Rollouts that were decided when the choice was made; a later one makes it anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPlanned(Event):
    """A point is run once more; the run is claimed, whatever becomes of it."""

    KIND = "confirmation_planned"
    rollout: int
    """The rollout whose point it is."""
    run: PlannedRun
    """The run, on a seed that nothing in the sweep had before."""
    max_retries: int
    """How often it may be retried for reasons that are not the parameters'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Event):
    """An attempt is about to be submitted."""

    KIND = "attempt_started"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt, from 1."""
    launcher: str = ""
    """Kind of the launcher that it is about to be given to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSubmitted(Event):
    """The launcher accepted an attempt."""

    KIND = "attempt_submitted"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt."""
    handle: Mapping[str, Any]
    """What finds the job again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptUnknown(Event):
    """What an attempt does has not been known for a while, or is known again."""

    KIND = "attempt_unknown"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt."""
    reason: str
    """Why it is not known, one line; empty where it is known again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRefused(Event):
    """The launcher could not start an attempt: nothing ran, and it costs the run none of its retries."""

    KIND = "attempt_refused"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt."""
    message: str
    """The launcher's reason, one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run left a result."""

    KIND = "run_finished"
    run_id: str
    """The run."""
    attempt: int
    """The attempt that finished it."""
    metrics: Mapping[str, float]
    """Final metrics, raw."""
    cost_s: float | None
    """Reported cost in seconds, or None."""
    steps: int | None
    """Reported training steps, or None."""
    wall_s: float
    """Seconds that the attempt took."""
    curve: tuple[Evaluated, ...] = ()
    """The metric at evaluations on the way."""
    notes: tuple[str, ...] = ()
    """What a person should know of its result and its ending, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunJudged(Event):
    """A run is about to be asked to end, as it will not win."""

    KIND = "run_judged"
    run_id: str
    """The run."""
    attempt: int
    """The attempt that is under way."""
    judgement: Judgement
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStoppedEarly(Event):
    """A run that was judged has ended on its way."""

    KIND = "run_stopped_early"
    run_id: str
    """The run."""
    attempt: int
    """The attempt that was ended."""
    wall_s: float
    """Seconds that the attempt took."""
    curve: tuple[Evaluated, ...] = ()
    """The metric at its evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """An attempt ended without a usable result."""

    KIND = "attempt_failed"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt."""
    failure: Failure
    """Why."""
    wall_s: float
    """Seconds that the attempt took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInterrupted(Event):
    """The controller ended an attempt because it was told to stop; the run waits for the next start."""

    KIND = "attempt_interrupted"
    run_id: str
    """The run."""
    attempt: int
    """Number of the attempt."""
    wall_s: float
    """Seconds that the attempt took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetried(Event):
    """A run is done again whatever became of it: a person asked for it, or its failure had stopped the sweep.

    One that has failed goes on from its checkpoint; one that has a result, or gets another seed, is begun anew.
    """

    KIND = "run_retried"
    run_id: str
    """The run."""
    reason: str = ""
    """Why; empty where a person asked for it."""
    seed: int | None = None
    """Another seed of the training; None to keep the one that it has."""
    id: str = ""
    """Tells requests to a running controller apart; empty where it was recorded at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDiscarded(Event):
    """A person takes a run out of what is learned and out of the best; all that it left is kept."""

    KIND = "run_discarded"
    run_id: str
    """The run."""
    why: str
    """The person's reason."""
    id: str = ""
    """Tells requests to a running controller apart; empty where it was recorded at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRestored(Event):
    """A run that was discarded counts again."""

    KIND = "run_restored"
    run_id: str
    """The run."""
    id: str = ""
    """Tells requests to a running controller apart; empty where it was recorded at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionRefused(Event):
    """A correction that was left for the controller cannot be made by now; it is not tried again later."""

    KIND = "correction_refused"
    run_id: str
    """The run."""
    message: str
    """Why not."""
    id: str
    """The request's id."""


Correction = RunRetried | RunDiscarded | RunRestored
"""What a person asks for about a run that is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed(Event):
    """A run that was stopped early goes on from its checkpoint: the model thinks better of it by now."""

    KIND = "run_resumed"
    run_id: str
    """The run."""
    reason: str
    """Why, in one sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructed(Event):
    """Somebody asked something of the controller: at another terminal, or at W&B."""

    KIND = "instructed"
    instruction: str
    """``work``, ``pause``, ``stop`` or ``stop_now``, or ``end_run`` for one run alone."""
    source: str
    """Where it was asked: ``command line``, ``W&B``."""
    run_id: str = ""
    """The run that is to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepStopped(Event):
    """A controller let go of the sweep."""

    KIND = "sweep_stopped"
    rule: str
    """The stop rule: ``rollout_count``, ``target``, ``interrupted``, ``failed``, …"""
    message: str
    """One line for a person."""
    recommended: Recommended | None = None
    """What to train again instead of the best run's point; None where nothing is better known than its score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRegistered(Event):
    """The dashboard knows the sweep; the id is used again by every later start."""

    KIND = "sweep_registered"
    sweep_id: str
    """The sweep's id there."""
    entity: str
    """User or team."""
    project: str
    """Project."""
    url: str
    """Page of the sweep."""


EVENT_TYPES: Mapping[str, type[Event]] = {
    kind.KIND: kind
    for kind in (
        SweepAsked,
        RolloutSuggested,
        PointAdded,
        SourcesRead,
        RolloutCeded,
        ConfirmationChosen,
        ConfirmationPlanned,
        AttemptStarted,
        AttemptSubmitted,
        AttemptUnknown,
        AttemptRefused,
        RunFinished,
        RunJudged,
        RunStoppedEarly,
        AttemptFailed,
        AttemptInterrupted,
        RunRetried,
        RunResumed,
        RunDiscarded,
        RunRestored,
        CorrectionRefused,
        Instructed,
        SweepRegistered,
        SweepStopped,
    )
}


class UnknownEventError(MettaSweepError, ValueError):
    """A stored event is of a kind or form that this version does not know."""

    exit_code = 2


def to_json(event: Event) -> dict[str, Any]:
    """Return the event as plain JSON values."""
    return {"kind": event.KIND, **asdict(event)}


def _in_present_form(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an event as this version stores it: until 0.1 a confirmation was a mapping, empty for none."""
    spec = stored.get("spec")
    if stored["kind"] != SweepAsked.KIND or not isinstance(spec, Mapping) or spec.get("confirm") is None:
        return stored
    confirm = dict(spec["confirm"])
    only = confirm.pop("only", spec.get("confirms_only", False))
    return {**stored, "spec": {**spec, "confirm": confirm or None, "confirms_only": only}}


def from_json(stored: Mapping[str, Any]) -> Event:
    """Return the event that :func:`to_json` gave.

    Raises:
        UnknownEventError: The kind is unknown or fields are missing.
    """
    try:
        kind = EVENT_TYPES[stored["kind"]]
        decoded = decode(kind, {key: value for key, value in _in_present_form(stored).items() if key != "kind"})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        fix = "it was written by another version of metta_sweep: read it with that one"
        raise UnknownEventError(f"the journal holds an event {stored.get('kind')!r} ({error!r}); {fix}") from error
    event = cast(Event, decoded)
    if as_cost_s(event.at) is None or as_cost_s(event.elapsed_s) is None:
        return replace(event, at=as_cost_s(event.at) or 0.0, elapsed_s=as_cost_s(event.elapsed_s) or 0.0)
    return event
