"""The launcher for Ray: one detached actor an attempt, which starts the same keeper as at home.

Run directories lie on a file system that the nodes share. A detached actor outlives the controller, and its name is the
attempt's, so that the next controller finds it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metta_sweep.launch.attempt.attempt import DEFAULT_GRACE_S, DEFAULT_LOG_LIMIT, VANISHED, AttemptFiles, Order
from metta_sweep.launch.attempt.child import NEVER_PASSED_ON
from metta_sweep.launch.ray.actor import KeeperActor
from metta_sweep.launch.ray.connection import connected
from metta_sweep.store.files import is_locked
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, LaunchError

KIND = "ray"

NAMESPACE = "metta_sweep"
"""Ray namespace of all actors."""

RECORD_PATIENCE_S = 10.0
"""Seconds for an exit record to come through a network file system once Ray says that its actor is gone."""

CANCEL_MARGIN_S = 5.0
"""Seconds beside the grace after which an actor whose keeper does not end its run is killed."""

_NOTICE_S = 2.0
_LOOK_EVERY_S = 0.5
_STALE_S = 10.0


class RayLauncher:
    """Starts attempts on a Ray cluster; implements the port ``Launcher``.

    A node that dies takes its runs with it: they are lost with the reason ``node_lost``, and the sweep's next attempt
    resumes from the checkpoint on another node.

    Args:
        max_parallel: Attempts that wait or run at once.
        address: The cluster, ``host:port``; by default ``RAY_ADDRESS``, or one that runs on this machine.
        start: Where there is none, start one on this machine. It outlives this process for as long as its runs do.
        resources: Custom resources of a run: ``{"big_memory": 1}``.
        grace_s: Seconds between SIGTERM and SIGKILL at a time limit.
        log_limit: Bytes that a run's log may have.

    Raises:
        RequestError: Ray is not installed, or there is no cluster.

    Side effects:
        This process is connected to the cluster until it ends.
    """

    def __init__(
        self,
        *,
        max_parallel: int = 1,
        address: str | None = None,
        start: bool = False,
        resources: Mapping[str, float] | None = None,
        grace_s: float = DEFAULT_GRACE_S,
        log_limit: int = DEFAULT_LOG_LIMIT,
    ) -> None:
        self._named = address or os.environ.get("RAY_ADDRESS")
        self._ray, self._use = connected(address, namespace=NAMESPACE, start=start)
        self._slots = max_parallel
        self._resources = dict(resources or {})
        self._grace_s = grace_s
        self._log_limit = log_limit
        self._made_s: dict[str, float] = {}
        self._missed_s: dict[str, float] = {}
        self._kill_at_s: dict[str, float] = {}
        self._actors = _ActorNames(self._ray)

    def capacity(self) -> int:
        """Return how many attempts may wait or run at once."""
        return self._slots

    def submit(self, spec: JobSpec) -> Handle:
        """Have an actor made for the attempt, once however often it is submitted; it waits until a node has room.

        Raises:
            LaunchError: Ray does not take it.
        """
        files = AttemptFiles.of(spec)
        known = self._handle(spec) if files.name in self._made_s else self.find(spec)
        if known is not None:
            return known
        try:
            files.put_order(Order.of(spec, grace_s=self._grace_s, log_limit=self._log_limit))
            self._make_actor(spec, files)
        except (OSError, ValueError, RuntimeError) as error:
            raise LaunchError(f"ray: {error}") from error
        self._made_s[files.name] = time.monotonic()
        return self._handle(spec)

    def _handle(self, spec: JobSpec) -> Handle:
        """Return the attempt's handle; it tells which cluster, where that has an address that others can use."""
        handle = {"launcher": KIND, "attempt_id": spec.attempt_id, "run_dir": str(Path(spec.run_dir).absolute())}
        return {**handle, "address": self._named} if self._named else handle

    def _make_actor(self, spec: JobSpec, files: AttemptFiles) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in NEVER_PASSED_ON}
        options = {
            "name": files.name,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": 0,
            "num_cpus": spec.resources.cpus,
            "num_gpus": spec.resources.gpus,
            "resources": self._resources,
        }
        users = str(self._use.users) if self._use else None
        self._ray.remote(KeeperActor).options(**options).remote(str(files.order), environment, users)

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of an attempt that some controller had started or had an actor made for, or None.

        Where a controller was killed in the moment of making an actor, Ray takes the actor back when it notices. So an
        actor that has not started anything is watched for up to ``_NOTICE_S`` seconds.
        """
        files = AttemptFiles.of(spec)
        until_s = time.monotonic() + _NOTICE_S
        while not (files.start.exists() or files.exit.exists()):
            if not files.order.exists() or not self._may_have_actor(files):
                return self._handle(spec) if files.was_started else None
            if time.monotonic() >= until_s:
                break
            time.sleep(_NOTICE_S / 50)
        return self._handle(spec)

    def _may_have_actor(self, files: AttemptFiles) -> bool:
        """Ask Ray and wait for its answer; without one the actor is taken to be there, and polls will tell."""
        try:
            return files.name in self._actors.ask()
        except (RuntimeError, OSError, ValueError):
            return True

    def _actor(self, files: AttemptFiles) -> Any:
        """Return the actor, or None where it is gone or was never made whole."""
        try:
            return self._ray.get_actor(files.name, namespace=NAMESPACE)
        except (ValueError, AssertionError):  # the second: its maker died before Ray had its class
            return None

    # ---------------------------------------------------------------- poll

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order; Ray is asked in the background."""
        names, asked_s = self._actors.look()
        return [self._status(handle, names, asked_s) for handle in handles]

    def _status(self, handle: Handle, names: frozenset[str], asked_s: float) -> JobStatus:
        if handle.get("launcher") != KIND:
            return JobStatus(state=JobState.UNKNOWN, reason="not of this launcher")
        files = AttemptFiles.of_handle(handle)
        record = files.read_exit()
        if record is not None:
            self._forget(files.name)
            return record.status()
        self._kill_when_due(files)
        if files.name in names:
            self._missed_s.pop(files.name, None)
            if files.have_vanished:
                self._kill(files)
            return JobStatus(state=JobState.RUNNING if files.start.exists() else JobState.QUEUED)
        if is_locked(files.lock):
            return JobStatus(state=JobState.RUNNING)
        if asked_s < self._made_s.get(files.name, 0.0) or time.monotonic() - asked_s > _STALE_S:
            return JobStatus(state=JobState.UNKNOWN, reason="Ray has not answered")
        return self._status_of_missing(files)

    def _status_of_missing(self, files: AttemptFiles) -> JobStatus:
        """Return the status of an attempt whose actor is gone and whose exit record has not come."""
        if files.wished_grace_s() is not None and not files.start.exists():
            self._forget(files.name)
            return JobStatus(state=JobState.EXITED, signal=signal.SIGTERM, reason="cancelled")
        if files.have_vanished:
            self._forget(files.name)
            return JobStatus(state=JobState.LOST, reason=VANISHED)
        missed_s = self._missed_s.setdefault(files.name, time.monotonic())
        if time.monotonic() - missed_s < RECORD_PATIENCE_S:
            return JobStatus(state=JobState.UNKNOWN, reason="its actor is gone, its record has not come yet")
        self._forget(files.name)
        return JobStatus(state=JobState.LOST, reason="node_lost")

    def _forget(self, name: str) -> None:
        for times in (self._made_s, self._missed_s, self._kill_at_s):
            times.pop(name, None)

    # ---------------------------------------------------------------- cancel

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask the keeper to end the whole tree; an actor that still waits, or whose keeper lingers, is killed."""
        if handle.get("launcher") != KIND:
            return
        files = AttemptFiles.of_handle(handle)
        if files.exit.exists():
            return
        if files.have_vanished:
            self._kill(files)
            return
        files.ask_to_end(grace_s)
        self._kill_at_s[files.name] = time.monotonic() + grace_s + CANCEL_MARGIN_S
        if not files.start.exists():
            self._kill(files)

    def _kill_when_due(self, files: AttemptFiles) -> None:
        if time.monotonic() >= self._kill_at_s.get(files.name, float("inf")):
            self._kill_at_s[files.name] = time.monotonic() + CANCEL_MARGIN_S
            self._kill(files)

    def _kill(self, files: AttemptFiles) -> None:
        actor = self._actor(files)
        if actor is not None:
            self._ray.kill(actor)

    def close(self) -> None:
        """Stop asking Ray; attempts go on, and the connection ends with this process.

        So does this process's use of a cluster of our own, which ends a few seconds after its last use.
        """
        self._actors.close()


class _ActorNames:
    """The names of our actors that wait or live, asked for in a thread: a Ray that does not answer holds nobody up."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._answer: tuple[frozenset[str], float] = (frozenset(), float("-inf"))
        self._over = threading.Event()
        threading.Thread(target=self._ask_again_and_again, name="ray-actors", daemon=True).start()

    def look(self) -> tuple[frozenset[str], float]:
        """Return the last answer and when it was asked for, monotonic seconds."""
        return self._answer

    def ask(self) -> frozenset[str]:
        """Ask and wait for the answer."""
        found = self._ray.util.list_named_actors(all_namespaces=True)
        return frozenset(actor["name"] for actor in found if actor["namespace"] == NAMESPACE)

    def _ask_again_and_again(self) -> None:
        while not self._over.is_set():
            asked_s = time.monotonic()
            with contextlib.suppress(RuntimeError, OSError, ValueError):  # what Ray raises is of these; ask again
                self._answer = self.ask(), asked_s
            self._over.wait(_LOOK_EVERY_S)

    def close(self) -> None:
        """Stop asking."""
        self._over.set()
