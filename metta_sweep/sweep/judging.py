"""Which runs that are on their way are ended, as they will not win: each is judged whenever it has reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from metta_sweep.config.settings import STEPS, EarlyStopSettings
from metta_sweep.optimize.port import CurvePoint, Outlook, RunAction
from metta_sweep.optimize.stopping import RULES, Curve, start_share
from metta_sweep.result import Evaluation
from metta_sweep.result.values import as_metric
from metta_sweep.sweep.observing import counted
from metta_sweep.sweep.ports import RunStore
from metta_sweep.sweep.records import AttemptState, Judgement, Run, RunState, SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.thinking import OutlookQuestion, Thinker
from metta_sweep.trees import MISSING, get

SHARE, TOTAL_STEPS = "share", "total_steps"
"""Numbers of a report by which a trainer says how far it is: the share of its length, or the steps of its length."""
_ALIKE = 0.01
"""Part by which runs may miss the length that a parameter gives them: whole updates, whole episodes."""


class Judging:
    """Looks at runs that have reported since the last time; what the model is asked is answered at a later look.

    Args:
        asked: How runs are ended.
        runs: Where their reports lie.
        thinker: Who asks the model.
    """

    def __init__(self, asked: EarlyStopSettings, runs: RunStore, thinker: Thinker) -> None:
        self._asked = asked
        self._runs = runs
        self._thinker = thinker
        self._by_model = asked.policy == "model" or (asked.policy == "auto" and thinker.judges)
        self._rule = RULES["halving" if asked.policy in ("auto", "model") else asked.policy]
        self._seen: dict[str, int] = {}

    def judged(self, state: SweepState, pending: Sequence[Mapping[str, Any]]) -> list[tuple[Run, Judgement]]:
        """Return the runs that are to end, and why.

        Args:
            state: The sweep so far.
            pending: The points that are not to be proposed again: they run beside those that are judged.
        """
        found = [] if not self._by_model else self._answered(state)
        for run in state.live_runs:
            if not self._is_judged(state, run):
                continue
            size = self._runs.report_bytes(run.run_id)
            if size == self._seen.get(run.run_id, 0) or (self._by_model and self._thinker.is_asked):
                continue
            self._seen[run.run_id] = size
            curve, steps = self._curve(state, run)
            if not curve or not self._asked.min_share <= curve[-1][0] < 1.0:
                continue
            if self._by_model:
                self._ask(state, run, curve, steps, pending)
            else:
                found += self._compared(state, run, curve, steps)
        return found

    def paused(self, state: SweepState) -> dict[str, Mapping[str, Any]]:
        """Return the points, by run, of what was ended and may go on from its checkpoint where that is worth more."""
        resumes = not state.spec.command if self._asked.resume is None else self._asked.resume
        if not resumes or not self._by_model or any(start.shared for start in state.starts):
            return {}
        there = [run for run in state.resumable_runs if state.spec.command or self._runs.has_checkpoint(run.run_id)]
        return {run.run_id: state.placed(state.rollouts[run.rollout]).params for run in there}

    def _is_judged(self, state: SweepState, run: Run) -> bool:
        is_running = run.attempts[-1].state is AttemptState.RUNNING
        is_searching = not run.confirms and run.judgement is None and not state.is_to_end(run)
        finished = [other for other in counted(state.runs.values()) if other.state is RunState.FINISHED]
        known = sum(len(other.curve) > 1 for other in finished)
        return is_running and is_searching and known >= self._asked.min_full_runs

    def _curve(self, state: SweepState, run: Run) -> tuple[tuple[CurvePoint, ...], float]:
        """Return what the run has reported by share of its length, and that length in steps."""
        told = list(self._runs.evaluations(run.run_id))
        length = self._asked.total_steps or length_of(state, run)
        return by_share(told, state.spec, length)

    def _ask(
        self,
        state: SweepState,
        run: Run,
        curve: tuple[CurvePoint, ...],
        steps: float,
        pending: Sequence[Mapping[str, Any]],
    ) -> None:
        placed = state.placed(state.rollouts[run.rollout])
        if placed.outside:
            return
        question = OutlookQuestion(
            run_id=run.run_id,
            attempt=run.attempts[-1].number,
            params=placed.params,
            curve=curve,
            steps=steps,
            pending=tuple(pending),
            min_share=self._asked.min_share,
            min_full_runs=self._asked.min_full_runs,
        )
        self._thinker.ask(question)

    def _answered(self, state: SweepState) -> list[tuple[Run, Judgement]]:
        answer = self._thinker.take_answer()
        if answer is None:
            return []
        question, outlook = answer
        run = state.runs[question.run_id]
        goes_on = outlook is None or outlook.action is RunAction.CONTINUE or run.state is not RunState.RUNNING
        if outlook is None or goes_on or run.attempts[-1].number != question.attempt:
            return []
        return [(run, _by_model(outlook, question))]

    def _compared(
        self, state: SweepState, run: Run, curve: tuple[CurvePoint, ...], steps: float
    ) -> list[tuple[Run, Judgement]]:
        sign = state.spec.goal.sign
        over = [run for run in counted(state.runs.values()) if run.state.is_over and run.curve and not run.confirms]
        others = [_scores(by_share_of(other, state), sign) for other in over]
        reason = self._rule(_scores(curve, sign), [other for other in others if other])
        return [] if reason is None else [(run, Judgement(reason=reason, share=curve[-1][0], steps=steps))]


def length_of(state: SweepState, run: Run) -> float | None:
    """Return the steps of a run's whole length: as its config says, or as finished runs took; None: unknown.

    Where runs took steps in proportion to a parameter, it is what says how long they are.
    """
    spec = state.spec
    name = str(spec.protein.get("steps_parameter") or STEPS)
    params = state.rollouts[run.rollout].suggestion.params
    said = params.get(name, MISSING)
    if said is MISSING and not spec.command:
        said = get(spec.training, name)
    if isinstance(said, int | float) and not isinstance(said, bool) and said > 0:
        return float(said)
    done = [
        (float(other.steps), state.rollouts[other.rollout].suggestion.params)
        for other in state.runs.values()
        if other.state is RunState.FINISHED and other.steps
    ]
    lengths = [steps for steps, _ in done]
    if done and max(lengths) > min(lengths) * (1.0 + 10.0 * _ALIKE):
        for name, own in params.items():
            pace = _steps_per_unit(name, done)
            if pace is not None and isinstance(own, int | float):
                return pace * own
    return median(lengths) if done else None


def _steps_per_unit(name: str, done: Sequence[tuple[float, Mapping[str, Any]]]) -> float | None:
    """Return the steps for each unit of a parameter; None where runs did not take theirs in proportion to it."""
    paces: list[float] = []
    for steps, params in done:
        value = params.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            return None
        paces.append(steps / value)
        if abs(paces[-1] - paces[0]) > _ALIKE * paces[0]:
            return None
    return median(paces)


def by_share(told: Iterable[Evaluation], spec: SweepSpec, length: float | None) -> tuple[tuple[CurvePoint, ...], float]:
    """Return evaluations by the share of the run's length, and that length in steps; empty where it is not known.

    A report that has the number ``share`` or ``total_steps`` says its own length.
    """
    found: list[CurvePoint] = []
    steps = length or 0.0
    for seen in told:
        value = as_metric(spec.value_in(seen.metrics))
        share = as_metric(seen.metrics.get(SHARE))
        own = as_metric(seen.metrics.get(TOTAL_STEPS)) or length
        if share is None and own:
            share = seen.step / own
        if value is None or share is None or not share > 0.0:
            continue
        steps = seen.step / share
        found.append((min(1.0, share), value, seen.time_s))
    return tuple(found), steps


def by_share_of(run: Run, state: SweepState) -> tuple[CurvePoint, ...]:
    """Return the curve of a run that is over by the share of its length; that of one that finished ends at its end."""
    last = max((steps for steps, _, _ in run.curve), default=0.0)
    length = run.judgement.steps if run.judgement is not None else run.steps or length_of(state, run) or last
    return tuple((min(1.0, steps / length), metric, s) for steps, metric, s in run.curve if length and steps > 0.0)


def start_share_of(state: SweepState) -> float:
    """Return the part of a whole run's cost that its start takes; 0 where no run was stopped early, as nobody asks."""
    if not state.stopped_early_runs:
        return 0.0
    finished = [run for run in state.runs.values() if run.state is RunState.FINISHED]
    return start_share(by_share_of(run, state) for run in finished)


def _scores(curve: Sequence[CurvePoint], sign: float) -> Curve:
    return sorted((share, sign * metric) for share, metric, _ in curve)


def _by_model(outlook: Outlook, question: OutlookQuestion) -> Judgement:
    return Judgement(
        reason=outlook.reason,
        share=question.curve[-1][0],
        steps=question.steps,
        final=outlook.final,
        chance=outlook.chance,
    )
