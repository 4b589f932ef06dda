"""A sweep over a function: the controller on a thread beside the one that asked, which makes calls itself."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from metta_sweep.commands.controller import Host, Outcome, Show, conduct
from metta_sweep.commands.parts import loop_settings, new_launcher
from metta_sweep.config.asked import Asked
from metta_sweep.errors import RequestError, SweepFailedError
from metta_sweep.function.calling import Function, arguments, leave
from metta_sweep.function.reference import check_not_loading
from metta_sweep.function.request import Call, child_command, in_keywords, read_call
from metta_sweep.function.trial import Trial
from metta_sweep.launch.launchers import Launchers
from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.local.server_process import WarmStart
from metta_sweep.launch.threads.launcher import KIND as THREADS
from metta_sweep.launch.threads.launcher import RunEndedError, ThreadJob, ThreadLauncher, append_to_log
from metta_sweep.report import Progress
from metta_sweep.report.notebook import NotebookTable, is_notebook
from metta_sweep.report.opened import Sweep
from metta_sweep.result import RunPaths
from metta_sweep.store.grouping import GroupedJournal, GroupedRuns
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.ports import Journal, Launcher, RunStore
from metta_sweep.sweep.records import CALLED

if TYPE_CHECKING:
    from collections.abc import Coroutine

Begin = Callable[["Coroutine[Any, Any, Any]"], "Future[Any]"]
"""Has a coroutine done by the caller's event loop."""

MOMENT_S = 0.002
"""Seconds of waiting after which events are no longer held back for those that follow at once."""

LONGEST_END_S = 30.0
"""Seconds that an interrupted program waits for its controller to let go."""


class Interruption:
    """What interrupts a controller on a thread: the thread that asked for the sweep. No signal handler is touched."""

    def __init__(self) -> None:
        self.received: int | None = None
        """SIGINT once the program is interrupted."""
        self.is_finishing = False
        """Never: a program that waits for its runs does not interrupt."""
        self.before_waiting: Callable[[], None] = lambda: None
        """Called before each wait that is longer than a moment."""
        self._wake = threading.Event()

    def interrupt(self) -> None:
        """Have the controller end its runs and let go."""
        self.received = signal.SIGINT
        self._wake.set()

    def wake(self) -> None:
        """Have whoever waits look again; any thread may call it."""
        self._wake.set()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody calls :meth:`wake`."""
        moment_s = min(seconds, MOMENT_S)
        if not self._wake.wait(moment_s):
            self.before_waiting()
            self._wake.wait(seconds - moment_s)
        self._wake.clear()
        if self.received is not None:  # the loop polls while runs end: it must not spin
            time.sleep(min(seconds, 0.02))

    def __enter__(self) -> Interruption:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        del kind, error, at


class Sweeping:
    """One call of :func:`run`: begun, waited for, interrupted.

    Args:
        call: What was asked.
        show: Makes who shows the sweep.
        begin: How a coroutine is begun, where the function may be ``async``.
    """

    def __init__(self, call: Call, show: Callable[[Console, SweepPaths], Show], begin: Begin | None = None) -> None:
        self._call = call
        self._show = show
        self._begin = begin
        self._awaited: set[Future[Any]] = set()
        self._interruption = Interruption()
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None
        self._is_here = call.reference is None
        self._runs: GroupedRuns
        self._threads = ThreadLauncher(
            self._body, max_parallel=call.asked.launcher.max_parallel, wake=self._interruption.wake
        )
        self._controller = threading.Thread(target=self._control, name=f"sweep {call.asked.name}", daemon=True)

    def run(self) -> None:
        """Do the sweep; where runs are calls in this process, this thread makes one of them at a time.

        Raises:
            RequestError: The request does not fit what is there; nothing was started.
            SweepFailedError: The sweep stopped because its runs cannot succeed.
            KeyboardInterrupt: It came on this thread; the sweep is left so that the same call goes on with it.
        """
        try:
            self._controller.start()
            self._threads.work()
            self._controller.join()
        except BaseException:
            self.interrupt()
            self._controller.join(LONGEST_END_S)
            raise
        if self._error is not None:
            raise self._error
        if self._outcome is not None and self._outcome.has_failed:
            raise SweepFailedError(self._outcome.stop.reason.message) from self._threads.last_error

    def interrupt(self) -> None:
        """Have the runs ended and the sweep left for the next call."""
        self._threads.is_leaving = True
        self._interruption.interrupt()
        for future in list(self._awaited):
            future.cancel()

    def _control(self) -> None:
        host = Host(
            attention=self._interruption,
            console=Console(quiet=True),
            listener=self._show,
            launcher=self._launcher,
            settings=self._settings,
            **({"keeping": self._grouped} if self._is_here else {}),
        )
        try:
            self._outcome = conduct(self._call.asked, (), host)
        except RequestError as error:
            self._error = RequestError(*map(in_keywords, error.problems))
        except BaseException as error:  # noqa: BLE001  the thread that waits raises it
            self._error = error
        finally:
            self._threads.close()

    def _grouped(self, paths: SweepPaths, stored: SqliteJournal) -> tuple[Journal, RunStore]:
        journal = GroupedJournal(stored)
        self._interruption.before_waiting = journal.flush
        self._runs = GroupedRuns(paths, journal)
        return journal, self._runs

    def _settings(self, asked: Asked) -> LoopSettings:
        reference = self._call.reference
        command = (CALLED,) if reference is None else child_command(reference)
        return replace(loop_settings(asked), command=command)

    def _launcher(self, asked: Asked, paths: SweepPaths, settings: LoopSettings) -> Launcher:
        reference = self._call.reference
        if reference is None:
            return Launchers(paths.launch, THREADS, self._threads)
        if asked.launcher.kind != "local":
            return new_launcher(asked, paths, settings)
        warm = WarmStart(module="metta_sweep.function.child", argument=reference.to_argument())
        local = LocalLauncher(
            paths.launch,
            max_parallel=asked.launcher.max_parallel,
            gpus_per_run=settings.resources.gpus,
            warm=warm,
            grace_s=settings.kill_grace_s,
        )
        return Launchers(paths.launch, "local", local)

    def _body(self, job: ThreadJob) -> int:
        """Call the function for a job, and return the exit status."""

        def check() -> None:
            if job.told_to_end:
                raise RunEndedError(f"{job.spec.attempt_id} is to end: {job.told_to_end}")

        function, run = self._call.function, RunPaths(job.spec.run_dir)
        content = self._runs.take_config(run.root.name)
        config = {key: value for key, value in content.items() if key != "run"}
        trial = Trial(
            run,
            seed=config["seed"],
            told_to_end=lambda: bool(job.told_to_end),
            check=check,
            sync=False,
        )
        returned = function(*arguments(function, config, trial))
        if self._begin is not None and asyncio.iscoroutine(returned):
            returned = self._awaited_result(self._begin(returned))
        if not trial.has_finished:
            check()  # what comes after it was told to end is no result
        problem = leave(returned, trial, metrics=self._call.metrics, name=self._call.name)
        if problem:
            append_to_log(job.spec, f"{problem}\n")
        return 0

    def _awaited_result(self, future: Future[Any]) -> Any:
        """Return what a coroutine returns.

        Raises:
            RunEndedError: The program was interrupted.
            Exception: Whatever the coroutine raised.
        """
        self._awaited.add(future)
        try:
            return future.result()
        except CancelledError:
            raise RunEndedError("the program was interrupted") from None
        finally:
            self._awaited.discard(future)


def run(
    function: Function,
    params: Mapping[str, Any],
    *,
    name: str,
    metric: str | Sequence[str],
    goal: str | Sequence[str] | Mapping[str, str],
    rollout_count: int = 10,
    max_parallel: int = 1,
    workers: str = THREADS,
    data_dir: Path | str | None = None,
    config: Mapping[str, Any] | None = None,
    constraints: Sequence[str] = (),
    points: Sequence[Mapping[str, Any]] = (),
    limits: Mapping[str, Any] | None = None,
    early_stop: str | Mapping[str, Any] | None = None,
    confirm: str | Mapping[str, Any] | None = None,
    progress: bool = True,
    **more: Any,
) -> Sweep:
    """Search for the parameters with which a function does best.

    The function is called as ``function(config, trial)``, or as ``function(config)`` where it takes one argument, and
    returns the metric, or a dict of metrics with it. It is a sweep like any other: the same name goes on with it, and
    every command reads it.

    Args:
        function: What trains and evaluates.
        params: The search space, in the form of ``sweep.parameters`` of a sweep file.
        name: The sweep's name. A call with the same name goes on with it, up to ``rollout_count`` in all.
        metric: Name of the metric that is searched for; or several of them, which give a Pareto front.
        goal: ``maximize`` or ``minimize``; of several metrics one each, in their order or by name.
        rollout_count: Rollouts in all, over all calls.
        max_parallel: Runs at once.
        workers: ``threads``: calls in this process, the first on this very thread. ``processes``: each in a process of
            its own on this machine. ``ray`` and ``slurm``: on a cluster.
        data_dir: Where sweeps lie; by default ``$DATA_DIR`` or ``train_dir``.
        config: Values that are the same for every run.
        constraints: Expressions that hold for every point.
        points: Points to run first, in full or in part.
        limits: When to stop, and when to end a run: ``{"wall_time": "2h", "patience": 20, "run_time": "10m"}``.
        early_stop: ``"auto"``, a policy, or a mapping: runs that will not win are ended on their way.
        confirm: ``"auto"``, or ``{"top_k": 3, "seeds": 5}``: the best are run again on fresh seeds.
        progress: Whether to show how it goes: a live table in a notebook, lines elsewhere.
        **more: ``weights`` (of several metrics), ``bounds`` (``["latency <= 20"]``), ``num_samples``,
            ``common_seeds``, ``seed``, ``optimizer``, ``protein``, ``sources`` (``from`` in a sweep file),
            ``description``, ``wandb`` (off by default; ``True``, a mode, or a mapping), ``launcher`` (its other
            settings), ``change`` and ``takeover``.

    Returns:
        The sweep as it is at the end: ``.best.params``, ``.frame()``, ``.report("mine.html")``.

    Raises:
        RequestError: The request is wrong; nothing was started and nothing changed on disk.
        SweepFailedError: The sweep stopped because its runs cannot succeed. What it has is kept.
        KeyboardInterrupt: Ctrl-C; the runs under way are ended, and the same call goes on with them.
    """
    written = dict(locals())
    call = read_call(function, params, _options(written), may_await=False)
    check_not_loading()
    Sweeping(call, _show(call, progress=progress)).run()
    return Sweep.open(call.asked.name, data_dir=call.asked.data_dir)


async def run_async(function: Function, params: Mapping[str, Any], **keywords: Any) -> Sweep:
    """Do what :func:`run` does without holding up the event loop; the function may be ``async``.

    A function that is not is called on other threads. Cancelling the task interrupts the sweep as Ctrl-C does.
    """
    progress = keywords.pop("progress", True)
    call = read_call(function, params, keywords, may_await=True)
    check_not_loading()
    loop = asyncio.get_running_loop()

    def begin(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, loop)

    sweeping = Sweeping(call, _show(call, progress=progress), begin)
    work = asyncio.ensure_future(asyncio.to_thread(sweeping.run))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        sweeping.interrupt()
        await asyncio.wait([work], timeout=LONGEST_END_S)
        if work.done() and not work.cancelled():
            work.exception()  # it is the interruption's own
        raise
    return await asyncio.to_thread(Sweep.open, call.asked.name, data_dir=call.asked.data_dir)


def _options(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of :func:`run` that make a request."""
    own = ("function", "params", "progress", "more", "config")
    return {
        **{name: value for name, value in written.items() if name not in own},
        "config": written["config"] or {},
        **written["more"],
    }


class _Silent:
    """Shows nothing."""

    def begin(self, state: Any) -> None:
        """Say nothing."""

    def on_event(self, event: Any, state: Any) -> None:
        """Say nothing."""

    def on_note(self, text: str) -> None:
        """Say nothing."""

    def tick(self, state: Any, now_s: float) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Do nothing."""


def _show(call: Call, *, progress: bool) -> Callable[[Console, SweepPaths], Show]:
    """Return what makes who shows the sweep; in a notebook its output is begun here, under the cell that asked."""
    if not progress:
        return lambda *_: _Silent()
    if is_notebook():
        table = NotebookTable(SweepPaths(call.asked.data_dir, call.asked.name))
        return lambda *_: table
    # What the function prints goes to the same terminal where it is called in this process.
    is_here = call.reference is None
    return lambda _, paths: Progress(Console(), paths=paths, status_line=not is_here)
