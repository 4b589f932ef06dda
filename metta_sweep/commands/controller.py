"""A sweep's controller on one screen: compose what was asked, open the journal, take it up, loop."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from rich.console import Console

from metta_sweep.commands.parts import (
    check_shared,
    loop_settings,
    machine_seed_offset,
    mirror_settings,
    new_launcher,
    search_task,
    shown_gpus,
    spec_of,
    start_event,
    with_code,
)
from metta_sweep.commands.process import Attention, StopSignals, SystemClock, need_open_files
from metta_sweep.commands.reading import reads_wandb, with_reading_words
from metta_sweep.commands.source_sweeps import sources_of
from metta_sweep.config.ask import ask
from metta_sweep.config.asked import Asked
from metta_sweep.config.config_files import check_config_files
from metta_sweep.launch.registry import settings_by_kind
from metta_sweep.optimize.completion import completer
from metta_sweep.optimize.port import Source
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.optimize.worker import OptimizerProcess
from metta_sweep.report import Progress
from metta_sweep.report.reading import state_of
from metta_sweep.results.registry import reader_names
from metta_sweep.space.given import point_problems
from metta_sweep.store.files import write_json
from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.requests import RequestFile
from metta_sweep.store.runs import RunDirectories
from metta_sweep.sweep.change import Change
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.commands import check_command, common_folders, fixed_values, names_in, unseen
from metta_sweep.sweep.events import SourcesRead, SweepAsked, to_json
from metta_sweep.sweep.loop import InterruptedSweepError, SweepLoop
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.next_actions import Stop, next_actions
from metta_sweep.sweep.ports import Instruction, Journal, Launcher, RunStore
from metta_sweep.sweep.recorder import Listener, Recorder
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.thinking import Submit, Thinker
from metta_sweep.track.companion import MirrorCompanion
from metta_sweep.trainer.schema import schema

Made = TypeVar("Made")


class Show(Listener, Protocol):
    """Who shows a sweep while it goes on."""

    def begin(self, state: SweepState) -> None:
        """Say what there is before the first event."""

    def tick(self, state: SweepState, now_s: float) -> None:
        """Bring what is shown up to date; ``now_s`` only goes forward."""

    def close(self) -> None:
        """Show nothing more."""


def compose(overrides: Sequence[str]) -> Asked:
    """Return what the words of a sweep command ask for.

    Raises:
        RequestError: Something in it is wrong; it lists all problems.
    """
    asked = ask(
        overrides,
        training=schema,
        cwd=Path.cwd(),
        optimizer=read_optimizer,
        gpus=shown_gpus,
        launchers=settings_by_kind(),
        readers=reader_names,
    )
    held = fixed_values(asked.training) if asked.command else {}
    always = [name for name, leaf in asked.parameters.items() if "when" not in leaf]
    check_command(asked.command or (), [*held, *always], asked.parameters)
    if asked.command:
        check_config_files(asked.command, names_in(asked.command), [*held, *asked.parameters])
        asked = replace(asked, notes=(*asked.notes, *_unseen_notes(asked), *_folder_notes(asked, held)))
    for name, text in asked.env.items():
        check_command((text,), [*held, *always], asked.parameters, key=f"sweep.env.{name}")
    return with_reading_words(asked)


def _unseen_notes(asked: Asked) -> list[str]:
    """Return what to say where a command hands a searched value over nowhere."""
    names = unseen(asked.command or (), asked.env, asked.parameters)
    if not names or reads_wandb(asked):  # wandb.config has them
        return []
    some = f"{', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
    where = "config.yaml in the folder METTA_SWEEP_RUN_DIR"
    return [f"sweep.command hands {some} over nowhere ({{args}} would): its program has to read {where}"]


def _folder_notes(asked: Asked, held: Mapping[str, Any]) -> list[str]:
    """Return what to say of folders that every run would write to."""
    return [
        f"every run is told {name} {folder}: there they may overwrite each other, or go on from each other's "
        f"checkpoints; {{run_dir}}/{Path(folder).name} in sweep.command gives each its own"
        for name, folder in common_folders(asked.command or (), held).items()
        if asked.workdir == "here" or Path(folder).is_absolute()
    ]


def run_sweep(asked: Asked, words: Sequence[str], console: Console) -> int:
    """Run, resume or extend a sweep.

    Args:
        asked: What was asked.
        words: The command line's own words, kept so that a person can be told what to type again.
        console: Where progress is shown.

    Returns:
        The exit code: 0 where it is done, 1 where it failed or no run has a score, 130 where Ctrl-C let its runs end.

    Raises:
        RequestError: What was asked does not fit what is there; nothing was started.
        InterruptedSweepError: A signal stopped it; its runs wait for the next start.
        TakenOverError: Another process has taken the sweep over, with its runs.
    """
    signals = StopSignals(patient=asked.launcher.on_interrupt == "finish")
    outcome = conduct(asked, words, Host(attention=signals, console=console))
    if outcome.stop.reason.rule == "stopped" and signals.is_finishing:
        return 128 + signal.SIGINT
    return int(outcome.has_failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a sweep is controlled: by default a process of its own, else a program that asks for it."""

    attention: Attention
    """What interrupts it."""
    console: Console
    """Where it says what no listener is told."""
    listener: Callable[[Console, SweepPaths], Show] = lambda console, paths: Progress(console, paths=paths)
    """Makes who shows the sweep."""
    launcher: Callable[[Asked, SweepPaths, LoopSettings], Launcher] = new_launcher
    """Makes what starts its runs."""
    settings: Callable[[Asked], LoopSettings] = loop_settings
    """Says how runs are started and ended."""
    keeping: Callable[[SweepPaths, SqliteJournal], tuple[Journal, RunStore]] = lambda paths, journal: (
        journal,
        RunDirectories(paths),
    )
    """Makes of the open journal how events and the runs' directories are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a controller ended."""

    stop: Stop
    """The rule that ended it."""
    has_score: bool
    """Whether any rollout has a score."""

    @property
    def has_failed(self) -> bool:
        """Whether the sweep has failed: by its rule, or because everything was done in vain."""
        return self.stop.failed or (self.stop.reason.rule == "rollout_count" and not self.has_score)


def conduct(asked: Asked, words: Sequence[str], host: Host) -> Outcome:
    """Control a sweep from where it stands until a stop rule ends it.

    Raises:
        RequestError: What was asked does not fit what is there; nothing was started.
        InterruptedSweepError: It was interrupted; its runs wait for the next start.
        TakenOverError: Another process has taken the sweep over, with its runs.
    """
    console = host.console
    for note in asked.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    need_open_files()
    paths = SweepPaths(asked.data_dir, asked.name)
    start = start_event(spec_of(asked), words, shared=asked.wandb.share, data_dir=asked.data_dir)
    kept = state_of(paths) if paths.journal.exists() else None
    if kept is not None:
        _check(kept, asked, start.spec)  # before anything is touched
    search_task(asked)
    sources = sources_of(asked, kept)
    with SweepLock.acquire(paths, takeover=asked.takeover) as lock, host.attention as attention:
        stored = SqliteJournal.open(paths, create=True, fence=lock.check, before=lock.taken_from)
        progress = host.listener(console, paths)
        journal, runs = host.keeping(paths, stored)
        try:
            recorder = Recorder(journal, SystemClock(attention), [progress])
            progress.begin(recorder.state)
            if lock.taken_from is not None:
                recorder.note(f"taken over from {lock.taken_from}: it stops as soon as it notices, its runs go on here")
            for change in _check(recorder.state, asked, start.spec):
                recorder.note(f"changed: {change.describe()}")
            stop = _nothing_left(start.spec, recorder, console)
            if stop is None:
                wandb, mode = mirror_settings(asked, console)
                companion = MirrorCompanion(
                    paths,
                    wandb,
                    mode,
                    recorder,
                    slots=asked.launcher.max_parallel,
                    description=asked.description or "",
                )
                parts = Parts(asked=asked, paths=paths, host=host, recorder=recorder, runs=runs, companion=companion)
                stop = _control(parts, start, lock.check, progress, sources)
            return Outcome(stop=stop, has_score=recorder.state.has_score)
        finally:
            progress.close()
            journal.close()


def _check(state: SweepState, asked: Asked, spec: SweepSpec) -> tuple[Change, ...]:
    """Return what the request changes about the sweep that is there.

    Raises:
        RequestError: It cannot go on like this.
    """
    check_shared(state, asked)
    return check_request(state, spec, said=asked.change)


def _nothing_left(spec: SweepSpec, recorder: Recorder, console: Console) -> Stop | None:
    """Return the stop rule that has ended this very request already, or None where there is work."""
    state = recorder.state
    if state.is_empty or state.spec != spec:
        return None
    actions = next_actions(state, spec.limits, slots=1, now_s=time.time(), elapsed_s=recorder.elapsed_s)
    stop = next((action for action in actions if isinstance(action, Stop) and not action.failed), None)
    if stop is not None:
        if spec.reruns:
            said = f"complete: {spec.reruns} is done again; more --seeds or a KEY=VALUE does it once more"
        else:
            more = "more --seeds or --top-k" if stop.reason.rule == "confirm" else "a larger rollout_count"
            said = f"complete: {stop.reason.message}; {more} goes on"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    return stop


def effective_instruction(instruction: Instruction, *, finishing: bool) -> Instruction:
    """Return what is asked of the controller: Ctrl-C at its terminal, or the stronger wish from another one."""
    if finishing and instruction in (Instruction.WORK, Instruction.PAUSE):
        return Instruction.STOP
    return instruction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one controller works with."""

    asked: Asked
    """The request."""
    paths: SweepPaths
    """The sweep's files."""
    host: Host
    """Where it is controlled."""
    recorder: Recorder
    """Its journal and state."""
    runs: RunStore
    """Its run directories."""
    companion: MirrorCompanion
    """Its mirror."""


def _control(
    parts: Parts, start: SweepAsked, fence: Callable[[], None], progress: Show, sources: tuple[Source, ...]
) -> Stop:
    """Be the sweep's one controller until a stop rule ends it."""
    asked, paths, recorder, companion = parts.asked, parts.paths, parts.recorder, parts.companion
    attention = parts.host.attention
    with ExitStack() as opened:
        settings = parts.host.settings(asked)
        launcher = opened.enter_context(closing(parts.host.launcher(asked, paths, settings)))
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="optimizer")
        opened.callback(thread.shutdown, wait=False, cancel_futures=True)
        instructions, clock = InstructionFile(paths), SystemClock(attention)
        instructions.clear()
        start = with_code(start, paths)
        recorder.record(start)
        write_json(paths.asked, to_json(start))
        if sources:
            recorder.record(SourcesRead(sources=sources))

        def between() -> None:
            companion.tick()
            progress.tick(recorder.state, clock.monotonic_s())

        state = recorder.state
        task = search_task(asked, turn=machine_seed_offset(state), sources=state.sources)
        peers = companion.join(task.space)
        optimizer = opened.enter_context(closing(OptimizerProcess(asked.optimizer, task)))
        try:
            stop = SweepLoop(
                recorder=recorder,
                launcher=launcher,
                runs=parts.runs,
                thinker=Thinker(optimizer, clock, _waking(thread, attention), completer(task)),
                clock=clock,
                settings=settings,
                interrupted=lambda: attention.received,
                fence=fence,
                instructed=lambda: effective_instruction(instructions.read(), finishing=attention.is_finishing),
                instructed_from=lambda: "Ctrl-C" if attention.is_finishing else instructions.source,
                environment=companion.environment,
                between=between,
                peers=peers,
                requests=RequestFile(paths).read,
                fits=lambda point: not point_problems(task.space, point),
            ).run()
        except InterruptedSweepError:
            companion.end(hurry=True)
            raise
        companion.end(hurry=False, interrupted=lambda: attention.received is not None)
        return stop


def _waking(thread: ThreadPoolExecutor, attention: Attention) -> Submit:
    """Return what starts a piece of work on a thread and wakes the loop up when it is done."""

    def submit(work: Callable[[], Made], /) -> Future[Made]:
        future = thread.submit(work)
        future.add_done_callback(lambda _: attention.wake())
        return future

    return submit
