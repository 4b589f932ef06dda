"""The loop: collect what ended, decide purely, perform. Killed anywhere, the next start goes on from the journal."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.errors import MettaSweepError
from metta_sweep.optimize.port import Suggestion
from metta_sweep.sweep.budget import StopReason
from metta_sweep.sweep.commands import command_of, environment_of, render_env, run_config, searched_for
from metta_sweep.sweep.confirmation import choice, contenders
from metta_sweep.sweep.corrections import new_events
from metta_sweep.sweep.endings import Left, ending_event, left_by
from metta_sweep.sweep.events import (
    AttemptInterrupted,
    AttemptRefused,
    AttemptStarted,
    AttemptSubmitted,
    AttemptUnknown,
    ConfirmationPlanned,
    Correction,
    Instructed,
    PlannedRun,
    PointAdded,
    RolloutSuggested,
    RunJudged,
    RunResumed,
    RunRetried,
    SweepStopped,
)
from metta_sweep.sweep.judging import Judging
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
from metta_sweep.sweep.ports import (
    Clock,
    Instruction,
    JobSpec,
    JobState,
    JobStatus,
    Launcher,
    LaunchError,
    Resources,
    RunStore,
)
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import AttemptState, Run, SweepSpec
from metta_sweep.sweep.teaching import lessons_of, pending_points
from metta_sweep.sweep.thinking import Thinker

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.25
"""Limits of the time between two looks at the launcher."""

SEEDS = 2**31
"""Seeds of runs are below it."""

FRESH_SEEDS = SEEDS // 4
"""Where points are compared on the same seeds, those of runs that confirm are so far from them."""

PAUSE_SHARE = 0.02
"""Share of the live runs' mean age that a look may come late."""

IDLE_S = 2.5
"""Stands in for that age while nothing runs."""

UNREADABLE_S = 60.0
"""Seconds in which a result that the file system does not let be read is looked at again, before its run is."""

UNKNOWN_S = 10.0
"""Seconds for which a launcher may not know what an attempt does before the person is told."""

RELEASE_MARGIN_S = 2.0
"""Seconds beside the grace in which a cancelled job must be gone."""


class InterruptedSweepError(MettaSweepError):
    """The sweep was told to stop by a signal; its runs were ended and wait for the next start."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"interrupted by signal {signal_number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How runs are started and ended."""

    launcher: str = ""
    """Kind of the launcher that starts them."""
    resources: Resources = field(default_factory=Resources)
    """What a run occupies."""
    max_retries: int = 5
    """How often a run is retried after a failure that is not its parameters'."""
    kill_grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""
    time_limit_s: float | None = None
    """Seconds after which an attempt is ended."""
    exit_grace_s: float | None = 60.0
    """Seconds that a run has to end once its result is there; None for as long as it likes."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every run; ``{run_dir}`` and ``{run_id}`` in them are filled in."""
    command: tuple[str, ...] = ()
    """Template of the command as it is started: where runs have a directory of their own, its files are absolute."""
    reader: tuple[str, ...] = ()
    """Program that finds a run's numbers beside it; empty where runs leave their own results."""


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
        self._runs = runs
        self._thinker = thinker
        self._clock = clock
        self._settings = settings
        self._interrupted = interrupted
        self._fence = fence
        self._instructed = instructed
        self._instructed_from = instructed_from
        self._environment = environment
        self._asked_to_end: set[tuple[str, int]] = set()
        self._told_to_stop_s: dict[tuple[str, int], float] = {}
        self._instruction = Instruction.WORK
        self._between = between
        self._peers: Peers = peers or NoPeers()
        self._requests = requests
        self._fits = fits
        self._limits = recorder.state.spec.limits
        early_stop = recorder.state.spec.early_stop
        self._judging = None if early_stop is None else Judging(early_stop, runs, thinker)
        self._taught = 0
        self._avoid: list[Mapping[str, Any]] = []
        self._unreadable_s: dict[str, float] = {}
        self._unknown_s: dict[str, float] = {}

    def run(self) -> Stop:
        """Work until a stop rule ends the sweep, and return it.

        Raises:
            InterruptedSweepError: A signal asked to stop; nothing of the sweep is alive any more.
            MettaSweepError: The fence says that another controller has the sweep; runs are left to that one.
            RequestError: No run reports the metric that was asked for.
        """
        self._fence()
        self._retry_blameless()
        self._adopt()
        while True:
            self._fence()
            self._collect()
            self._heed_signals()
            self._end_runs()
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
                self._start(self._recorder.state.runs[action.run_id])
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
        self._recorder.record(SweepStopped(rule=stop.reason.rule, message=stop.reason.message))
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
                runs=tuple(_planned(state.spec, first + sample, sample) for sample in range(state.spec.num_samples)),
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
        run = _planned(state.spec, self._peers.own_number(state))
        self._recorder.record(ConfirmationPlanned(rollout=rollout, run=run, max_retries=retries))

    # ---------------------------------------------------------------- runs

    def _retry_blameless(self) -> None:
        """Have the runs done again whose failure had stopped the sweep: whoever starts it has mended the cause."""
        for run_id in self._recorder.state.to_retry:
            self._recorder.record(RunRetried(run_id=run_id, reason="its failure had stopped the sweep"))

    def _start(self, run: Run) -> None:
        number = len(run.attempts) + 1
        refused = self._set_aside(run)
        launcher = self._settings.launcher
        self._recorder.record(AttemptStarted(run_id=run.run_id, attempt=number, launcher=launcher))
        if refused:
            self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=number, message=refused))
        else:
            self._submit(run, number)

    def _set_aside(self, run: Run) -> str:
        """Keep what an earlier attempt left out of the way of the next one; return why that cannot be."""
        if run.begins_anew:
            try:
                self._runs.set_run_aside(run.run_id, run.anew)
            except OSError as error:
                return f"what it left cannot be set aside: {error}"
        elif run.attempts and (run.attempts[-1].failure is not None or run.ended_before is not None):
            self._runs.set_result_aside(run.run_id, run.attempts[-1].number)
        return ""

    def _submit(self, run: Run, number: int) -> None:
        self._fence()
        try:
            handle = self._launcher.submit(self._job(run, number))
        except (LaunchError, OSError) as error:  # the second where the run's directory cannot be made or written
            self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=number, message=str(error)))
        else:
            self._recorder.record(AttemptSubmitted(run_id=run.run_id, attempt=number, handle=handle))

    def _job(self, run: Run, number: int) -> JobSpec:
        spec, rollout = self._recorder.state.spec, self._recorder.state.rollouts[run.rollout]
        params = rollout.suggestion.params
        paths = self._runs.prepare(
            run.run_id,
            config=run_config(spec.training, params, run_id=run.run_id, seed=run.seed),
            suggestion=_suggestion_file(run, rollout.suggestion),
            has_workdir=spec.workdir == "run",
        )
        started = replace(spec, command=self._settings.command or spec.command)
        ours = {**searched_for(spec), **render_env(self._settings.env, paths=paths, run_id=run.run_id)}
        return JobSpec(
            attempt_id=f"{run.run_id}.a{number}",
            command=tuple(command_of(started, paths, params, run.seed)),
            run_dir=paths.root,
            cwd=paths.workdir if spec.workdir == "run" else None,
            env={**environment_of(spec, paths, params, run.seed, ours), **self._environment(run)},
            resources=self._settings.resources,
            time_limit_s=self._settings.time_limit_s,
            exit_grace_s=self._settings.exit_grace_s,
            launcher=run.attempts[-1].launcher if run.attempts else "",
            reader=self._settings.reader,
        )

    def _adopt(self) -> None:
        """Take over what an earlier controller left: find what it started, start what it only meant to start."""
        # What runs already is looked at first: what it occupies is not given away.
        left = self._recorder.state.live_runs
        self._launcher.poll(_handles([run for run in left if run.attempts[-1].handle is not None]))
        for run in left:
            attempt = run.attempts[-1]
            if attempt.state is not AttemptState.STARTING:
                self._recorder.note(f"{run.run_id} was left running by an earlier start: watching it again")
                continue
            try:
                handle = self._launcher.find(self._job(run, attempt.number))
            except OSError as error:
                self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=attempt.number, message=str(error)))
                continue
            if handle is None and self._peers.is_known():
                self._submit(run, attempt.number)
            elif handle is None:  # another machine may have taken it over
                self._recorder.record(AttemptInterrupted(run_id=run.run_id, attempt=attempt.number, wall_s=0.0))
            else:
                self._recorder.record(AttemptSubmitted(run_id=run.run_id, attempt=attempt.number, handle=handle))

    def _collect(self) -> None:
        """Record the end of every attempt that is over."""
        live = self._recorder.state.live_runs
        for run, status in zip(live, self._launcher.poll(_handles(live)), strict=True):
            if status.is_over:
                self._record_ending(run, status)
            else:
                self._note_unknown(run, status)

    def _note_unknown(self, run: Run, status: JobStatus) -> None:
        """Record it where the launcher has not known for a while what an attempt does, and where it knows again."""
        attempt, now_s = run.attempts[-1], self._clock.monotonic_s()
        is_unknown = status.state is JobState.UNKNOWN and bool(status.reason)
        if not is_unknown:
            self._unknown_s.pop(run.run_id, None)
        elif now_s - self._unknown_s.setdefault(run.run_id, now_s) < UNKNOWN_S:
            return
        reason = status.reason if is_unknown else ""
        if bool(reason) != bool(attempt.unknown):
            self._recorder.record(AttemptUnknown(run_id=run.run_id, attempt=attempt.number, reason=reason))

    def _record_ending(self, run: Run, status: JobStatus, *, released: bool = False) -> None:
        state, elapsed_s, left = self._recorder.state, self._recorder.elapsed_s, left_by(run, self._runs)
        if left.unreadable and not released and self._is_looked_at_again(run, left, elapsed_s):
            return
        self._unreadable_s.pop(run.run_id, None)
        self._recorder.record(
            ending_event(
                run,
                status,
                self._runs,
                left,
                spec=state.spec,
                elapsed_s=elapsed_s,
                released=released,
                stopped_from=state.is_to_end(run),
            )
        )

    def _is_looked_at_again(self, run: Run, left: Left, elapsed_s: float) -> bool:
        """Return whether to wait for an unreachable file system: the result may be there, and was paid for."""
        if run.run_id not in self._unreadable_s:
            self._recorder.note(
                f"{run.run_id}: its result cannot be read ({left.unreadable}): looking again for a while"
            )
        return elapsed_s - self._unreadable_s.setdefault(run.run_id, elapsed_s) < UNREADABLE_S

    def _check_metric(self) -> None:
        """Stop where no run has ever reported the metric; they are kept, and count once the name is mended."""
        state = self._recorder.state
        error = metric_problem(state)
        if error is not None:
            self._release()
            raise error

    # ---------------------------------------------------------------- stopping

    def _heed_signals(self) -> None:
        number = self._interrupted()
        if number is not None:
            self._recorder.note("stopping: runs are ended and will be resumed by the same command")
            self._release()
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
            self._release()
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

    def _end_runs(self) -> None:
        """Ask the runs to end that somebody wants to end, or that will not win; the end is recorded once it is seen."""
        state = self._recorder.state
        for run in state.live_runs:
            attempt = run.attempts[-1]
            source, which = state.is_to_end(run), (run.run_id, attempt.number)
            is_ended = bool(source) or run.judgement is not None
            if is_ended and attempt.handle is not None and which not in self._asked_to_end:
                if not source and self._may_end_by_itself(run):
                    continue
                self._fence()
                self._asked_to_end.add(which)
                if source:
                    self._recorder.note(f"{run.run_id}: ending it, as asked at {source}")
                self._launcher.cancel(attempt.handle, self._settings.kill_grace_s)

    def _may_end_by_itself(self, run: Run) -> bool:
        """Return whether a run that looks whether it is to stop has time left to see it."""
        which, now_s = (run.run_id, run.attempts[-1].number), self._clock.monotonic_s()
        if which not in self._told_to_stop_s and not self._runs.ask_to_stop(run.run_id):
            return False
        told_s, grace_s = self._told_to_stop_s.setdefault(which, now_s), self._settings.exit_grace_s
        return grace_s is None or now_s - told_s < grace_s

    def _release(self) -> None:
        """End every live run and record it as interrupted, or as finished where its result came first."""
        self._fence()
        grace_s = min(self._settings.kill_grace_s, 3.0)
        for handle in _handles(self._recorder.state.live_runs):
            self._launcher.cancel(handle, grace_s)
        until_s = self._clock.monotonic_s() + grace_s + RELEASE_MARGIN_S
        while self._recorder.state.live_runs and self._clock.monotonic_s() < until_s:
            live = self._recorder.state.live_runs
            for run, status in zip(live, self._launcher.poll(_handles(live)), strict=True):
                if status.is_over:
                    self._record_ending(run, status, released=True)
            self._clock.sleep(0.02)


_HEARD: Mapping[Instruction, str] = {
    Instruction.WORK: "working again",
    Instruction.PAUSE: "pausing: runs go on to their end, nothing new is started until it is resumed",
    Instruction.STOP: "stopping: runs go on to their end, nothing new is started; Ctrl-C ends them now",
    Instruction.STOP_NOW: "stopping now: runs are ended and will be resumed by the same command",
}


def _handles(runs: Sequence[Run]) -> list[Mapping[str, Any]]:
    return [run.attempts[-1].handle or {} for run in runs]


def _planned(spec: SweepSpec, number: int, sample: int | None = None) -> PlannedRun:
    """Return the run of this number.

    Every run has a seed of its own, but where points are compared on the same seeds: then the samples of each rollout
    have the same, and runs that confirm (``sample`` is None) have seeds that no rollout ever gets.
    """
    offset = number
    if spec.common_seeds:
        offset = sample if sample is not None else FRESH_SEEDS + number
    return PlannedRun(run_id=f"{spec.name}.r.{number}", seed=(spec.seed + offset) % SEEDS)


def _suggestion_file(run: Run, suggestion: Suggestion) -> dict[str, Any]:
    """Return what ``protein_suggestion.yaml`` shows a person."""
    predicted = suggestion.predicted
    shown = {**asdict(predicted), "others": [asdict(o) for o in predicted.others]} if predicted is not None else None
    return {
        "run": run.run_id,
        "rollout": run.rollout,
        "seed": run.seed,
        "origin": suggestion.origin,
        "reason": suggestion.reason,
        "predicted": shown,
        "params": dict(suggestion.params),
    }


def _signal_name(number: int) -> str:
    """Return what a person calls a signal: ``Ctrl-C``, ``SIGTERM``."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
