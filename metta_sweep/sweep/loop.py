"""The loop: collect what ended, decide purely, perform. Killed anywhere, the next start goes on from the journal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.errors import MettaSweepError
from metta_sweep.sweep.budget import StopReason
from metta_sweep.sweep.collecting import Collector
from metta_sweep.sweep.confirmation import choice, contenders
from metta_sweep.sweep.corrections import new_events
from metta_sweep.sweep.events import (
    ConfirmationPlanned,
    Correction,
    Instructed,
    PointAdded,
    RolloutSuggested,
    RunJudged,
    RunResumed,
    RunRetried,
    SweepStopped,
)
from metta_sweep.sweep.judging import Judging
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.metrics import metric_problem
from metta_sweep.sweep.next_actions import (
    Action,
    ChooseBest,
    ConfirmPoint,
    StartRun,
    Stop,
    SuggestRollout,
    next_actions,
)
from metta_sweep.sweep.peers import NoPeers, Peers
from metta_sweep.sweep.planning import planned_run
from metta_sweep.sweep.ports import Clock, Instruction, Launcher, RunStore
from metta_sweep.sweep.recommending import recommended_by
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.starting import Starter
from metta_sweep.sweep.teaching import lessons_of, pending_points
from metta_sweep.sweep.thinking import Thinker

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.25
"""Limits of the time between two looks at the launcher."""

PAUSE_SHARE = 0.02
"""Share of the live runs' mean age that a look may come late."""

IDLE_S = 2.5
"""Stands in for that age while nothing runs."""


class InterruptedSweepError(MettaSweepError):
    """The sweep was told to stop by a signal; its runs were ended and wait for the next start."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"interrupted by signal {signal_number}")


class SweepLoop:
    """Performs a sweep's decisions. Owns nothing that the journal does not: it can be killed between any two lines."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        launcher: Launcher,
        runs: RunStore,
        thinker: Thinker,
        clock: Clock,
        settings: LoopSettings,
        interrupted: Callable[[], int | None] = lambda: None,
        fence: Callable[[], None] = lambda: None,
        instructed: Callable[[], Instruction] = lambda: Instruction.WORK,
        instructed_from: Callable[[], str] = lambda: "command line",
        environment: Callable[[Run], Mapping[str, str]] = lambda _: {},
        between: Callable[[], None] = lambda: None,
        peers: Peers | None = None,
        requests: Callable[[], Sequence[PointAdded | Correction]] = lambda: (),
        fits: Callable[[Mapping[str, Any]], bool] = lambda _: True,
    ) -> None:
        self._recorder = recorder
        self._launcher = launcher
        self._thinker = thinker
        self._clock = clock
        self._settings = settings
        self._interrupted = interrupted
        self._fence = fence
        self._instructed = instructed
        self._instructed_from = instructed_from
        self._instruction = Instruction.WORK
        self._between = between
        self._peers: Peers = peers or NoPeers()
        self._starter = Starter(
            recorder=recorder,
            launcher=launcher,
            runs=runs,
            settings=settings,
            fence=fence,
            environment=environment,
            peers=self._peers,
        )
        self._collector = Collector(
            recorder=recorder, launcher=launcher, runs=runs, clock=clock, settings=settings, fence=fence
        )
        self._requests = requests
        self._fits = fits
        self._limits = recorder.state.spec.limits
        early_stop = recorder.state.spec.early_stop
        self._judging = None if early_stop is None else Judging(early_stop, runs, thinker)
        self._taught = 0
        self._avoid: list[Mapping[str, Any]] = []

    def run(self) -> Stop:
        """Work until a stop rule ends the sweep, and return it.

        Raises:
            InterruptedSweepError: A signal asked to stop; nothing of the sweep is alive any more.
            MettaSweepError: The fence says that another controller has the sweep; runs are left to that one.
            RequestError: No run reports the metric that was asked for.
        """
        self._fence()
        self._retry_blameless()
        self._starter.adopt()
        while True:
            self._fence()
            self._collector.collect()
            self._heed_signals()
            self._collector.end_runs()
            self._check_metric()
            self._note_requests()
            self._teach()
            self._judge()
            stop = self._heed_instruction()
            if stop is not None:
                return self._stop(stop)
            did_something = False
            for action in self._decide(self._slots()):
                if isinstance(action, Stop):
                    return self._stop(action)
                did_something |= self._perform(action)
                if self._recorder.state.refusals:
                    break  # after one refusal, do not try the rest this turn
            self._think_ahead()
            self._between()
            if not did_something:
                self._clock.sleep(self._pause_s())

    # ---------------------------------------------------------------- deciding

    def _decide(self, slots: int) -> list[Action]:
        return next_actions(
            self._recorder.state,
            self._limits,
            slots=slots,
            now_s=self._clock.now_s(),
            elapsed_s=self._recorder.elapsed_s,
        )

    def _slots(self) -> int:
        """Return how many runs may be alive: none new where somebody asked to pause or stop."""
        is_working = self._instruction is Instruction.WORK and self._peers.is_known()
        return self._launcher.capacity() if is_working else 0

    def _perform(self, action: Action) -> bool:
        """Do the action, and return whether anything came of it yet."""
        match action:
            case StartRun():
                self._starter.start(self._recorder.state.runs[action.run_id])
            case ChooseBest():
                self._choose_best(action.asked)
            case ConfirmPoint():
                self._confirm(action.rollout)
            case SuggestRollout():
                return self._suggest(action.rollout)
        return True

    def _think_ahead(self) -> None:
        """With several slots, work out the next point while all are busy: the one that falls free does not wait.

        That point does not know the result which frees the slot. With one slot it would know nothing of the run under
        way, which costs more than a moment's wait.
        """
        slots = self._slots()
        if slots <= 1 or self._thinker.has_begun or len(self._recorder.state.live_runs) < slots:
            return
        if any(isinstance(action, SuggestRollout) for action in self._decide(slots + 1)):
            self._thinker.begin(self._taken_points(), self._next_given(), self._paused())

    def _stop(self, stop: Stop) -> Stop:
        recommended = recommended_by(self._thinker, self._recorder.state)
        event = SweepStopped(rule=stop.reason.rule, message=stop.reason.message, recommended=recommended)
        self._recorder.record(event)
        return stop

    def _pause_s(self) -> float:
        """Return how long to wait: short while runs are short, so that they need not wait for the loop."""
        if self._thinker.is_thinking:
            return SHORTEST_PAUSE_S
        live, elapsed_s = self._recorder.state.live_runs, self._recorder.elapsed_s
        ages_s = [elapsed_s - run.attempts[-1].started_s for run in live] or [IDLE_S]
        return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, PAUSE_SHARE * fmean(ages_s)))

    # ---------------------------------------------------------------- the optimizer

    def _teach(self) -> None:
        """Tell the optimizer of every rollout that was decided since the last time."""
        state = self._recorder.state
        lessons = lessons_of(state, since=self._taught)
        for observation in lessons.observations:
            self._thinker.learn(observation)
        self._avoid += lessons.avoided
        self._taught = len(state.decided_rollouts)

    def _taken_points(self) -> list[Mapping[str, Any]]:
        """Return the points that are not to be proposed again: pending ones here and elsewhere, those that crashed."""
        return [*pending_points(self._recorder.state), *self._peers.points(), *self._avoid]

    def _note_requests(self) -> None:
        """Record the points that somebody wants run next and what is corrected, each once however often it is read."""
        for event in new_events(self._recorder.state, self._requests()):
            self._recorder.record(event)
            if isinstance(event, PointAdded):
                self._recorder.note(f"added: {', '.join(f'{path}={value}' for path, value in event.point.items())}")
            elif isinstance(event, Correction):
                self._learn_anew()

    def _learn_anew(self) -> None:
        """Have the optimizer forget what it was taught: what some runs say has changed."""
        lessons = lessons_of(self._recorder.state)
        self._thinker.learn_anew(lessons.observations)
        self._avoid, self._taught = list(lessons.avoided), len(self._recorder.state.decided_rollouts)

    def _next_given(self) -> Mapping[str, Any] | None:
        """Return the next point that a person gave; one that is none of the present space waits."""
        return next((point for point in self._recorder.state.queued_points if self._fits(point)), None)

    def _paused(self) -> dict[str, Mapping[str, Any]]:
        """Return the points, by run, of what was ended and may go on from its checkpoint."""
        return {} if self._judging is None else self._judging.paused(self._recorder.state)

    def _suggest(self, index: int) -> bool:
        """Record the next rollout once it is thought out and nobody else does it, and return whether it is."""
        state = self._recorder.state
        first = self._peers.claim(state)
        if first is None:
            return False
        self._thinker.begin(self._taken_points(), self._next_given(), self._paused())
        thought = self._thinker.take()
        if thought is None:
            return False
        if thought.given is None and (given := self._next_given()) is not None:
            self._thinker.begin(self._taken_points(), given)  # what a person wants next came meanwhile
            return False
        if thought.resumed is not None and thought.resumed.run_id in self._paused():
            self._recorder.record(RunResumed(run_id=thought.resumed.run_id, reason=thought.resumed.reason))
            self._taught = len(self._recorder.state.decided_rollouts)  # its rollout is open again
        if thought.suggestion is None:
            return True
        self._recorder.record(
            RolloutSuggested(
                rollout=index,
                suggestion=thought.suggestion,
                runs=tuple(planned_run(state.spec, first + sample, sample) for sample in range(state.spec.num_samples)),
                max_retries=self._settings.max_retries,
                think_s=round(thought.think_s, 4),
                given=thought.given,
            )
        )
        return True

    def _choose_best(self, asked: ConfirmSettings) -> None:
        state = self._recorder.state
        expected = self._thinker.expect([point.params for point in contenders(state)])
        self._recorder.record(choice(state, asked, expected))

    def _confirm(self, rollout: int) -> None:
        """Claim one more run of a chosen point."""
        state, retries = self._recorder.state, self._settings.max_retries
        run = planned_run(state.spec, self._peers.own_number(state))
        self._recorder.record(ConfirmationPlanned(rollout=rollout, run=run, max_retries=retries))

    # ---------------------------------------------------------------- runs

    def _retry_blameless(self) -> None:
        """Have the runs done again whose failure had stopped the sweep: whoever starts it has mended the cause."""
        for run_id in self._recorder.state.to_retry:
            self._recorder.record(RunRetried(run_id=run_id, reason="its failure had stopped the sweep"))

    def _check_metric(self) -> None:
        """Stop where no run has ever reported the metric; they are kept, and count once the name is mended."""
        state = self._recorder.state
        error = metric_problem(state)
        if error is not None:
            self._collector.release()
            raise error

    # ---------------------------------------------------------------- stopping

    def _heed_signals(self) -> None:
        number = self._interrupted()
        if number is not None:
            self._recorder.note("stopping: runs are ended and will be resumed by the same command")
            self._collector.release()
            self._recorder.record(SweepStopped(rule="interrupted", message=_signal_name(number)))
            raise InterruptedSweepError(number)

    def _heed_instruction(self) -> Stop | None:
        """Take note of what somebody asks for, and return the stop that follows from it."""
        before, self._instruction = self._instruction, self._instructed()
        if self._instruction is not before:
            source = self._instructed_from()
            self._recorder.record(Instructed(instruction=str(self._instruction), source=source))
            self._recorder.note(
                _HEARD[self._instruction] + ("" if source == "command line" else f" (asked at {source})")
            )
        if self._instruction is Instruction.STOP_NOW:
            self._collector.release()
        stopping = self._instruction in (Instruction.STOP, Instruction.STOP_NOW)
        if not stopping or self._recorder.state.live_runs:
            return None
        return Stop(reason=StopReason(rule="stopped", message="stopped by hand; the same command goes on"))

    def _judge(self) -> None:
        """Record which runs will not win; they are asked to end at the next turn."""
        if self._judging is None:
            return
        for run, judgement in self._judging.judged(self._recorder.state, self._taken_points()):
            number = run.attempts[-1].number
            self._recorder.record(RunJudged(run_id=run.run_id, attempt=number, judgement=judgement))


_HEARD: Mapping[Instruction, str] = {
    Instruction.WORK: "working again",
    Instruction.PAUSE: "pausing: runs go on to their end, nothing new is started until it is resumed",
    Instruction.STOP: "stopping: runs go on to their end, nothing new is started; Ctrl-C ends them now",
    Instruction.STOP_NOW: "stopping now: runs are ended and will be resumed by the same command",
}


def _signal_name(number: int) -> str:
    """Return what a person calls a signal: ``Ctrl-C``, ``SIGTERM``."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
