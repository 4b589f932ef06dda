"""What to say of each event: lines a person can read, with a tone and no format."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import singledispatchmethod

from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.report.confirmed import in_short
from metta_sweep.report.next_step import ended_by
from metta_sweep.report.rows import RolloutRow, RunRow, rollout_row
from metta_sweep.report.stopped_early import stopped_early_in_words
from metta_sweep.report.text import mean_of
from metta_sweep.report.tradeoff import broken_in_words, means, measured
from metta_sweep.report.wording import (
    count,
    duration,
    finished_in_words,
    number,
    params,
    printable,
    seeds_in_words,
    short_names,
)
from metta_sweep.sweep.corrections import in_words
from metta_sweep.sweep.events import (
    AttemptFailed,
    AttemptInterrupted,
    AttemptRefused,
    AttemptStarted,
    AttemptSubmitted,
    AttemptUnknown,
    ConfirmationChosen,
    ConfirmationPlanned,
    CorrectionRefused,
    Event,
    RolloutSuggested,
    RunDiscarded,
    RunFinished,
    RunRestored,
    RunResumed,
    RunRetried,
    RunStoppedEarly,
    SourcesRead,
    SweepAsked,
    SweepStopped,
)
from metta_sweep.sweep.next_actions import REFUSAL_LIMIT, refusal_wait_s
from metta_sweep.sweep.records import AttemptState, Observation, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.verdict import verdict_of

SURE = 0.995
"""A chance of success from here on is not worth a word."""
_CHANCE = "chance of success"


class Tone(enum.StrEnum):
    """How a line is meant; the display decides how that looks."""

    PLAIN = "plain"
    QUIET = "quiet"
    GOOD = "good"
    BEST = "best"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing said."""

    text: str
    """The line."""
    tone: Tone = Tone.PLAIN
    """How it is meant."""
    whole: bool = False
    """Whether it must not be broken: something to copy."""
    clipped: bool = False
    """Whether a terminal shows one line of it at most."""


def opening(state: SweepState) -> Iterator[Line]:
    """Yield what a sweep that is taken up again starts from."""
    spec, decided = state.spec, len(state.decided_rollouts)
    unspent = state.counted_rollouts - state.full_rollouts
    yield Line(
        text=f"continuing {printable(spec.name)}: {finished_in_words(decided, spec.rollout_count, unspent)}, "
        f"{len(state.live_runs)} running, {len(state.waiting_runs)} waiting"
    )
    best = state.incumbent
    if best is not None and best.metric is not None:
        yield Line(text=f"best so far: {printable(spec.metric)} {number(best.metric)} (rollout {best.rollout})")
    if state.front:
        yield Line(text=f"front so far: rollouts {', '.join(str(one.rollout) for one in state.front)}")


def expectation(predicted: Prediction, metric: str) -> str:
    """Return what was expected: ``reward 0.8 (0.6 to 1), 12 s (9.0 s to 16 s), success 97%``."""
    score = _scores(predicted, metric)
    cost = f"{duration(predicted.cost)} ({duration(predicted.cost_low)} to {duration(predicted.cost_high)})"
    return f"{score}, {cost}, success {predicted.success:.0%}"


def _scores(predicted: Prediction, metric: str, *, digits: int | None = None) -> str:
    """Return what is expected of each metric: ``reward 0.8 (0.6 to 1), latency 12 (10 to 14)``."""

    def shown(value: float) -> str:
        return number(value) if digits is None else f"{value:.{digits}g}"

    first = (metric, predicted.score, predicted.score_low, predicted.score_high)
    every = [first, *((one.metric, one.value, one.low, one.high) for one in predicted.others)]
    return ", ".join(
        f"{printable(name)} {shown(value)} ({shown(low)} to {shown(high)})" for name, value, low, high in every
    )


def reason_of(suggestion: Suggestion) -> str:
    """Return the reason without what the prediction says with units and intervals: ``expects 0.8 (…) for 12 s``."""
    parts = suggestion.reason.split("; ")
    predicted = suggestion.predicted is not None
    told = [part for part in parts if not (predicted and (part.startswith("expects ") or part.endswith(_CHANCE)))]
    return printable("; ".join(told))


def why_in_short(suggestion: Suggestion, metric: str) -> str:
    """Return what is expected and what moves, in short names: ``expects reward 0.8 (0.6 to 1), 12 s; from the …``."""
    said = reason_of(suggestion) or printable(suggestion.origin)
    for name, short in short_names(suggestion.params).items():
        said = said.replace(printable(name), printable(short))
    predicted = suggestion.predicted
    if predicted is None:
        return said
    expects = f"expects {_scores(predicted, metric, digits=3)}, {duration(predicted.cost)}"
    fails = f", success {predicted.success:.0%}" if predicted.success < SURE else ""
    return f"{expects}{fails}; {said.replace('from the best so far: ', 'from the best: ')}"


def compared(row: RolloutRow) -> str:
    """Return the prediction beside a rollout's outcome, and on which side of its interval the outcome lies."""
    predicted, where = row.suggestion.predicted, compared_in_words(row)
    if predicted is None or not where:
        return ""
    return f"{where} ({number(predicted.score_low)} to {number(predicted.score_high)}, {duration(predicted.cost)})"


def compared_in_words(row: RolloutRow) -> str:
    """Return ``as expected``, ``more than expected`` or ``less than expected``; empty where nothing was."""
    predicted = row.suggestion.predicted
    if predicted is None or row.mean is None:
        return ""
    if row.mean < predicted.score_low:
        return "less than expected"
    return "more than expected" if row.mean > predicted.score_high else "as expected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrator:
    """Tells of one event that is already in the state."""

    state: SweepState
    """The sweep after the event."""
    said: Set[str] = frozenset()
    """Notes on runs that were said before: they are not repeated run for run."""
    best_before: Observation | None = None
    """The incumbent before it, which the state no longer knows."""

    @singledispatchmethod
    def lines(self, event: Event) -> Iterator[Line]:  # noqa: ARG002  an event of which there is nothing to say
        """Yield what to say of the event."""
        yield from ()

    @lines.register
    def _(self, event: SweepAsked) -> Iterator[Line]:
        if self.state.rollouts:
            return opening(self.state)
        spec = event.spec
        samples = f", {count(spec.num_samples, 'run')} each" if spec.num_samples > 1 else ""
        samples += seeds_in_words(spec.common_seeds)
        amount = count(spec.rollout_count, "rollout")
        said = [Line(text=f"sweep {printable(spec.name)}: {printable(spec.aim)} in {amount}{samples}")]
        if spec.early_stop is not None:
            saved = "runs that will not win are ended on their way, and what they leave tries more points"
            how = f"early_stop: {spec.early_stop.policy}; off trains every run to its end"
            said.append(Line(text=f"  {saved} ({how})", tone=Tone.QUIET))
        return iter(said)

    @lines.register
    def _(self, event: SourcesRead) -> Iterator[Line]:
        names = ", ".join(f"{printable(one.name)} ({count(len(one.runs), 'rollout')})" for one in event.sources)
        yield Line(text=f"evidence from other sweeps: {names}")

    @lines.register
    def _(self, event: RolloutSuggested) -> Iterator[Line]:
        suggestion, total = event.suggestion, self.state.spec.rollout_count
        values = ", ".join(params(suggestion.params, short_names(suggestion.params)))
        where = f" on {printable(event.machine)}" if event.machine else ""
        yield Line(text=f"rollout {event.rollout} {self._of(total)}{where}: {values}")
        yield Line(text=f"  why: {why_in_short(suggestion, self.state.spec.metric)}", tone=Tone.QUIET, clipped=True)

    @lines.register
    def _(self, event: ConfirmationChosen) -> Iterator[Line]:
        asked, points = self.state.spec.confirm, ", ".join(map(str, event.rollouts))
        runs = count((asked.seeds if asked is not None else 1) * len(event.rollouts), "run")
        judge = "by the model" if any(one is not None for one in event.expected) else "by their means"
        known = sum(map(self.state.known_when_chosen, event.rollouts))
        there = f", {known} of which an earlier confirmation has done" if known else ""
        yield Line(text=f"confirming the best of the search {judge}, on fresh seeds: rollouts {points} ({runs}{there})")

    @lines.register
    def _(self, event: ConfirmationPlanned) -> Iterator[Line]:
        yield Line(text=f"{event.run.run_id}: rollout {event.rollout} again", tone=Tone.QUIET)

    @lines.register
    def _(self, event: AttemptStarted) -> Iterator[Line]:
        run = self.state.runs[event.run_id]
        if self.state.rollouts[run.rollout].machine and not run.confirms:
            return  # it is over: another machine did it
        if event.attempt == 1:
            yield Line(text=f"{event.run_id}: started (seed {run.seed})", tone=Tone.QUIET)
            return
        if run.attempts[-2].state is AttemptState.INTERRUPTED:
            word = "tried once more" if self.state.refusals else "resumed"
        else:
            word = "again" if run.forgiven == event.attempt - 1 else f"retry {run.retries} of {run.max_retries}"
        yield Line(text=f"{event.run_id}: {word} (attempt {event.attempt})")

    @lines.register
    def _(self, event: AttemptSubmitted) -> Iterator[Line]:
        """Say something only of a job whose start belongs to an earlier controller; the caller knows."""
        yield Line(text=f"{event.run_id}: taken over from an earlier start (attempt {event.attempt})")

    @lines.register
    def _(self, event: AttemptUnknown) -> Iterator[Line]:
        said = (
            f"what it does is not known: {printable(event.reason)}" if event.reason else "what it does is known again"
        )
        yield Line(text=f"{event.run_id}: {said}", tone=Tone.BAD if event.reason else Tone.QUIET)

    @lines.register
    def _(self, event: RunFinished) -> Iterator[Line]:
        row = rollout_row(self.state, self.state.rollouts[self.state.runs[event.run_id].rollout])
        run = next(run for run in (*row.runs, *row.confirmations) if run.run_id == event.run_id)
        spec = self.state.spec
        metric = printable(" and ".join(spec.missing_in(run.metrics)) or spec.metric)
        if run.metric is None:
            there = ", ".join(map(printable, sorted(run.metrics))) or "nothing"
            yield Line(text=f"{run.run_id}: no {metric} in its result; it has {there}{self._noted(run)}", tone=Tone.BAD)
            return
        said = f"{run.run_id}: {measured(spec, run.metrics)} in {duration(run.cost_s)}{self._noted(run)}"
        if run.confirms:
            yield Line(text=f"{said}{self._confirmed(row)}", tone=Tone.GOOD)
            return
        if len(row.runs) == 1:
            yield self._outcome(said, row)
            return
        yield Line(text=said, tone=Tone.GOOD)
        if row.mean is not None and all(run.state is RunState.FINISHED for run in row.runs):
            mean = means(spec, row) or f"{metric} {mean_of(row)}"
            yield self._outcome(f"rollout {row.index}: mean {mean} over {row.scored} runs", row)

    @lines.register
    def _(self, event: RunStoppedEarly) -> Iterator[Line]:
        row = rollout_row(self.state, self.state.rollouts[self.state.runs[event.run_id].rollout])
        run = next(run for run in row.runs if run.run_id == event.run_id)
        yield Line(text=f"{run.run_id}: {stopped_early_in_words(run)}")

    @lines.register
    def _(self, event: AttemptFailed) -> Iterator[Line]:
        cause = f"{event.failure.kind} after {duration(event.wall_s)}: {printable(event.failure.message)}"
        yield Line(text=f"{event.run_id}: {cause} ({self._consequence(event)})", tone=Tone.BAD)

    @lines.register
    def _(self, event: AttemptRefused) -> Iterator[Line]:
        refused = len(self.state.refusals)
        again = f"tried again in {duration(refusal_wait_s(refused))}" if refused < REFUSAL_LIMIT else "given up for now"
        yield Line(text=f"{event.run_id}: could not be started: {printable(event.message)} ({again})", tone=Tone.BAD)

    @lines.register
    def _(self, event: AttemptInterrupted) -> Iterator[Line]:
        yield Line(text=f"{event.run_id}: interrupted after {duration(event.wall_s)}; the next start resumes it")

    @lines.register
    def _(self, event: RunRetried) -> Iterator[Line]:
        yield Line(text=f"{event.run_id}: done again ({printable(event.reason or 'retry requested')})")

    @lines.register
    def _(self, event: RunResumed) -> Iterator[Line]:
        before = self.state.runs[event.run_id].ended_before
        where = f" from {before.share:.0%}" if before is not None else ""
        yield Line(text=f"{event.run_id}: goes on{where} after all: {printable(event.reason)}")

    @lines.register
    def _(self, event: RunDiscarded) -> Iterator[Line]:
        yield Line(text=printable(in_words(event)))

    @lines.register
    def _(self, event: RunRestored) -> Iterator[Line]:
        yield Line(text=printable(in_words(event)))

    @lines.register
    def _(self, event: CorrectionRefused) -> Iterator[Line]:
        yield Line(text=printable(f"{event.run_id}: left as it is: {event.message}"))

    @lines.register
    def _(self, event: SweepStopped) -> Iterator[Line]:
        tone = Tone.BAD if event.rule == "failed" else Tone.PLAIN
        yield Line(text=ended_by(event), tone=tone)

    def _of(self, total: int) -> str:
        """Return where a search is when a rollout begins: of how many, or what those before it took of them."""
        if not self.state.stopped_early_runs:
            return f"of {total}"
        return f"({self.state.full_rollouts - 1.0:.1f} of {total} spent)"

    def _noted(self, run: RunRow) -> str:
        """Return what is worth saying of a run's result and ending, in brackets; empty where there is nothing new."""
        new = [note for note in run.notes if note not in self.said]
        return f" ({printable('; '.join(new))})" if new else ""

    def _confirmed(self, row: RolloutRow) -> str:
        """Return what a point's fresh runs say by now."""
        verdict = verdict_of(self.state)
        one = next((one for one in verdict.points if one.rollout == row.index), None) if verdict is not None else None
        return (
            "" if verdict is None or one is None else f"; rollout {row.index} on fresh seeds: {in_short(verdict, one)}"
        )

    def _outcome(self, said: str, row: RolloutRow) -> Line:
        """Return the line of a rollout that is decided, compared with its prediction and with the best before."""
        breaks = f"breaks {broken_in_words(row)}" if row.broken else ""
        parts = [part for part in (said, breaks, compared(row)) if part]
        if row.index in [one.rollout for one in self.state.front]:
            size = count(len(self.state.front), "point")
            return Line(text=f"{', '.join(parts)}  ★ on the front (of {size})", tone=Tone.BEST)
        best = self.state.incumbent
        if best is None or best == self.best_before:
            return Line(text=", ".join(parts), tone=Tone.GOOD)
        before = self.best_before.metric if self.best_before is not None else None
        mark = "★ new best" if before is None else f"★ new best (was {number(before)})"
        return Line(text=f"{', '.join(parts)}  {mark}", tone=Tone.BEST)

    def _consequence(self, event: AttemptFailed) -> str:
        run = self.state.runs[event.run_id]
        if run.state is RunState.WAITING:
            return "will be retried"
        if run.confirms:
            return "the point is not taken for the best"
        if event.failure.kind.blames_parameters:
            return "counts as a rollout; Protein avoids such points"
        if event.failure.kind.is_retried:
            return f"given up after {count(len(run.attempts), 'attempt')}"
        return "counts as a rollout; says nothing of the parameters"
