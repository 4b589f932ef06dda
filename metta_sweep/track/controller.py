"""The controller's side of the mirror: start it, glance at it, end it. Imports nothing of W&B and waits for nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import IO

from metta_sweep.config.settings import WandbSettings
from metta_sweep.errors import Problem, RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.invocation import invoked
from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.labels import labels_of
from metta_sweep.track.link import Link, folder
from metta_sweep.track.settings import Mode, entity_of, mirrors, project_of, resolve_mode
from metta_sweep.track.state_file import StateFile
from metta_sweep.track.watchdog import INCOMPLETE, REFUSED, TRY_AGAIN

GLANCE_S = 0.5
"""Seconds between two looks at the mirror, however often the controller asks."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0
"""Seconds before a mirror that gave up for now is started again; doubled each time."""

SAID_AFTER_S = 4.0
"""Seconds that trouble with W&B must last before a person hears of it."""

STEADY_S = 60.0
"""Seconds after which a mirror counts as having worked."""

MIRROR = "metta_sweep.commands.mirror"
"""The module that runs as the mirror's process."""

LOG_LIMIT = 1024 * 1024
"""Bytes; a longer log of the mirror is begun anew."""

HURRIED_S = 2.0
"""Seconds that sending may still take where a person waits no longer."""

_ENDINGS = frozenset({0, REFUSED, INCOMPLETE})
"""Exit statuses of a mirror that has ended itself; one that gave up for now, or was killed, is started again."""

_LOOK_S = 0.02
_EXIT_S = 4.0
"""Seconds beyond its time limit in which the mirror ends itself; then it is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a catch-up did."""

    complete: bool
    """Whether every finished run is whole at W&B."""
    mirrored: int
    """Runs that are."""
    pending: int
    """Runs that are not, or still go on."""
    url: str
    """The sweep's page."""
    line: str
    """All of that in one line for a person."""


class MirrorProcess:
    """The mirror of one sweep, as its controller holds it.

    ``poll`` costs a clock reading, and twice a second a look at one small file; ``stop`` is the only call that waits.
    """

    def __init__(self, paths: SweepPaths, link: Link, environ: Mapping[str, str]) -> None:
        """Hold the mirror of ``paths``; nothing is started yet."""
        self._paths = paths
        self._start_link = link
        self._environ = {name: value for name, value in environ.items() if name != "WANDB_SERVICE"}
        self._process: subprocess.Popen[str] | None = None
        self._seen = link
        self._read_version = (0, 0)
        self._said: set[str] = set()
        self._troubled_s: float | None = None
        self._told = ""
        self._glanced_s = self._started_s = self._next_start_s = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._given_up = False
        self._status = INCOMPLETE
        self._interrupted: Callable[[], bool] = lambda: False

    def start(self) -> MirrorProcess:
        """Start following the sweep and return this."""
        self._start()
        return self

    def run_once(self, timeout_s: float) -> str:
        """Bring everything to W&B, wait for that, and return one line that says how far it came."""
        until_s = time.monotonic() + timeout_s
        self._start("--once", "--limit-s", f"{timeout_s:.1f}")
        return self._conclude(self._wait(until_s), until_s)

    @property
    def is_complete(self) -> bool:
        """Whether the mirror ended with every finished run whole at W&B."""
        return self._status == 0

    @property
    def link(self) -> Link:
        """Return where the mirror stands, as of the last look."""
        return self._seen

    @property
    def registration(self) -> dict[str, str] | None:
        """Return what the journal is to keep once the sweep is registered: sweep_id, entity, project, url."""
        seen = self._seen
        if seen.sweep_id is None:
            return None
        return {"sweep_id": seen.sweep_id, "entity": seen.entity or "", "project": seen.project, "url": seen.url}

    def poll(self) -> list[str]:
        """Glance at the mirror, start it again where it gave up for now, and return what a person should hear."""
        now_s = time.monotonic()
        if now_s - self._glanced_s < GLANCE_S:
            return []
        self._glanced_s = now_s
        self._look_after(now_s)
        return self._news()

    def stop(
        self, timeout_s: float = 30.0, *, runs: int | None = None, interrupted: Callable[[], bool] = lambda: False
    ) -> str:
        """Let the mirror send what is left and end it; return one line that says how far it came.

        Args:
            timeout_s: Seconds that this may take; a server that never answered is hardly waited for.
            runs: Runs of the sweep that are over, where the caller knows.
            interrupted: Whether a person waits no longer.
        """
        until_s = time.monotonic() + timeout_s
        self._interrupted = interrupted
        return self._conclude(self._end(until_s), until_s, runs)

    def _conclude(self, status: int, until_s: float, runs: int | None = None) -> str:
        """Try again while W&B answers and time is left, and return the closing line."""
        pause_s = FIRST_PAUSE_S
        while status not in _ENDINGS and time.monotonic() + pause_s < until_s and self._is_worth_waiting:
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._start("--once", "--limit-s", f"{until_s - time.monotonic():.1f}")
            status = self._wait(until_s)
        self._status = status
        self._read_link()
        return _closing_line(self._seen, status, self._paths, runs)

    @property
    def _is_worth_waiting(self) -> bool:
        """Whether W&B has answered before in this sweep, and nobody has pressed Ctrl-C."""
        self._read_link()
        return not self._interrupted() and (self._seen.sweep_id is not None or self._seen.state != "away")

    # ---------------------------------------------------------------- the process

    def _start(self, *more: str) -> None:
        """Start the mirror in a session of its own: Ctrl-C is for the controller, which then ends it in order."""
        link = self._seen.with_(state="starting", message="")
        place = ["--data-dir", str(self._paths.data_dir), "--name", self._paths.name]
        command = [sys.executable, "-m", MIRROR, *place, "--link", json.dumps(asdict(link)), *more]
        with self._open_log() as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=dict(self._environ),
                start_new_session=True,
                text=True,
            )
        self._started_s = time.monotonic()

    def _open_log(self) -> IO[str]:
        path = folder(self._paths) / "mirror.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        is_long = path.exists() and path.stat().st_size > LOG_LIMIT
        return path.open("w" if is_long else "a", encoding="utf-8")

    def _look_after(self, now_s: float) -> None:
        if self._process is None:
            if not self._given_up and now_s >= self._next_start_s:
                self._start()
            return
        status = self._process.poll()
        if status is None:
            return
        self._release()
        if now_s - self._started_s > STEADY_S:
            self._pause_s = FIRST_PAUSE_S
        self._given_up = status == 0
        self._next_start_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _end(self, until_s: float) -> int:
        """Tell the mirror to stop and return its status; one that waits for its next start has left something."""
        if self._process is None:
            return TRY_AGAIN
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(f"stop {max(1.0, until_s - time.monotonic()):.1f}\n")
                self._process.stdin.flush()
        return self._wait(until_s)

    def _wait(self, until_s: float) -> int:
        if self._process is None:
            return INCOMPLETE
        end_s = until_s + _EXIT_S
        while (status := self._process.poll()) is None:
            now_s = time.monotonic()
            if self._interrupted():
                end_s = min(end_s, now_s + HURRIED_S)
                self._interrupted = lambda: False
            if now_s > end_s:
                self._process.kill()
                self._process.wait()
                status = INCOMPLETE
                break
            time.sleep(_LOOK_S)
        self._release()
        return status

    def _release(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        self._process = None

    # ---------------------------------------------------------------- what is said

    def _read_link(self) -> None:
        version = StateFile(self._paths).version
        if version != self._read_version:
            self._read_version, self._seen = version, Link.read(self._paths) or self._seen

    def _news(self) -> list[str]:
        """Return lines that were not said yet: the page, and what is wrong."""
        self._read_link()
        lines = []
        if self._seen.url:
            lines.append(f"W&B: {self._seen.url}")
        if self._seen.namesake:
            lines.append(_offer(self._seen.namesake, self._paths))
        new = [line for line in lines if line not in self._said]
        self._said.update(new)
        return new + self._trouble(time.monotonic())

    def _trouble(self, now_s: float) -> list[str]:
        """Return a line about trouble that has lasted, once, and one when it is over."""
        state = self._seen.state
        if state == "ok":
            was_told, self._told, self._troubled_s = self._told, "", None
            return ["W&B answers again"] if was_told else []
        if state not in ("away", "refused") or state == self._told:
            return []
        self._troubled_s = now_s if self._troubled_s is None else self._troubled_s
        if state == "away" and now_s - self._troubled_s < SAID_AFTER_S:
            return []
        self._told = state
        return [_trouble_line(self._seen, self._paths)]


def start_mirror(
    paths: SweepPaths,
    settings: WandbSettings,
    mode: Mode,
    environ: Mapping[str, str] = os.environ,
    *,
    slots: int = 1,
    description: str = "",
) -> MirrorProcess | None:
    """Start the sweep's mirror; None where nothing is to be sent or written now.

    Args:
        paths: The sweep; its folder exists.
        settings: The ``wandb`` group.
        mode: See :func:`metta_sweep.track.settings.resolve_mode`.
        environ: The mirror's environment; WANDB_SERVICE is left out of it.
        slots: Runs that may be alive at once, for a sweep that other machines share.
        description: What the sweep is about, in the user's words.

    Side effects:
        A process, its log ``wandb/mirror.log`` and ``wandb.json`` in the sweep's folder.
    """
    if not mirrors(settings, mode, environ):
        return None
    shared_slots = slots if settings.share else 0
    link = _link_for(paths, settings, mode, environ, description)
    link = link.with_(slots=shared_slots, gone_after_s=settings.gone_after)
    return MirrorProcess(paths, link, environ).start()


def sync(
    paths: SweepPaths,
    settings: WandbSettings | None = None,
    *,
    timeout_s: float = 600.0,
    environ: Mapping[str, str] = os.environ,
) -> SyncReport:
    """Bring W&B up to the journal, each fact once, and say how far it came.

    Args:
        paths: The sweep.
        settings: Where to; by default where the sweep's mirror went before.
        timeout_s: Seconds that this may take.
        environ: The environment with the key.

    Raises:
        RequestError: There is no key, or the client is not installed.
    """
    asked = settings or WandbSettings()
    mode, why = resolve_mode(WandbSettings(mode="online", project=asked.project), environ)
    if mode is not Mode.ONLINE:
        fix = f"set WANDB_API_KEY or run wandb login; {how_to_install('wandb')}"
        raise RequestError(Problem(key="wandb", message=f"cannot send: {why.removeprefix('W&B: ')}", fix=fix))
    before = Link.read(paths)
    link = before if before is not None and settings is None else _link_for(paths, asked, mode, environ)
    process = MirrorProcess(paths, link.with_(mode="online"), environ)
    line, seen = process.run_once(timeout_s), process.link
    return SyncReport(
        complete=process.is_complete, mirrored=seen.mirrored, pending=seen.pending, url=seen.url, line=line
    )


def _link_for(
    paths: SweepPaths, settings: WandbSettings, mode: Mode, environ: Mapping[str, str], description: str = ""
) -> Link:
    """Return the link to start with: an id that is known is kept as long as the place is the same."""
    before, project, entity = Link.read(paths), project_of(settings, environ), entity_of(settings, environ)
    link = Link(
        entity=entity,
        project=project,
        labels=labels_of(settings, environ),
        mode=str(mode),
        description=description,
        checkpoints=settings.checkpoints,
        alert=settings.alert,
    )
    if before is None or before.project != project or entity not in (None, before.entity):
        return link
    return link.with_(entity=before.entity, sweep_id=before.sweep_id, url=before.url)


def _trouble_line(link: Link, paths: SweepPaths) -> str:
    if link.state == "away":
        return f"W&B is unreachable ({link.message}); the sweep goes on, and what is missing there is sent later"
    return (
        f"W&B rejected the credentials ({link.message}); the sweep goes on, they are tried again every few minutes, "
        f"and {_later(paths)}"
    )


def _closing_line(link: Link, status: int, paths: SweepPaths, runs: int | None) -> str:
    """Return how far the mirror came, in one line; ``runs`` are over, where that is known."""
    if link.mode == "offline":
        return f"W&B: {link.mirrored} runs written offline; {_later(paths)}, or wandb sync"
    if status == 0 or (link.mirrored == runs and link.pending == 0):
        apart = f" ({len(link.elsewhere)} of them as another machine did them)" if link.elsewhere else ""
        return f"W&B: {link.mirrored} runs, all there{apart}: {link.url}"
    if status == REFUSED:
        return f"W&B rejected the credentials ({link.message}); {_later(paths)}"
    of_all = "" if runs is None else f" of {runs}"
    why = f" ({link.message})" if link.message else ""
    return f"W&B: {link.mirrored}{of_all} runs are confirmed to be there{why}; {_later(paths)}"


def _offer(namesake: str, paths: SweepPaths) -> str:
    """Return the offer to go on with a sweep that W&B has and this machine does not."""
    imported = invoked("import", namesake, paths.name, data_dir=paths.data_dir)
    return (
        f"W&B has an earlier sweep {paths.name}, and this is a new one; to go on with the earlier one instead, "
        f"stop this one, move {paths.root} away and give: {imported}"
    )


def _later(paths: SweepPaths) -> str:
    return f"`{invoked('sync', paths.name, data_dir=paths.data_dir)}` sends the rest"
