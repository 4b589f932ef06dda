"""A Ray cluster of our own, on this machine: started where nobody named one, ended when nobody uses it any more.

It must outlive a controller that dies, and must not outlive its last use. So it is kept by a process of its own, its
warden (``python -m metta_sweep.launch.ray.own FOLDER``), and whoever uses it, a controller or the actor of a running
attempt, holds a shared lock on ``users.lock``: the kernel lets go of that when the user is gone, however it went. The
warden itself holds ``warden.lock`` from before it starts: whoever finds that held waits for the cluster to come up,
whoever began it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from metta_sweep.errors import Problem, RequestError
from metta_sweep.launch.attempt.processes import birth_of, signal_exactly
from metta_sweep.store.files import read_json, take_lock, write_json

START_PATIENCE_S = 300.0
"""Seconds to wait for Ray to come up. On a loaded machine it took 70; the next controller waits for the same start."""

LONGEST_START_S = 900.0
"""Seconds after which a warden gives up on a Ray that does not come up."""

LINGER_S = 5.0
"""Seconds without a user after which the cluster ends; an attempt that waits for room gets its turn in that time."""

_LOOK_S = 0.5
_FIX = "ray start --head, or RAY_ADDRESS=host:port of a cluster"
_STORE_BYTES = 100_000_000  # nothing of ours is kept in Ray's object store, whose default is a third of the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """That this process uses the cluster, until :meth:`end` or the end of the process."""

    users: Path
    """The lock that says so; the actors of attempts hold it, too."""
    address: str
    """``127.0.0.1:PORT``."""
    token: str
    """What Ray wants to see of whoever connects: other users of the machine do not have it."""
    lock: int
    """The open descriptor."""

    def connect(self) -> str:
        """Have a Ray that is imported from now on show the token, and return the address."""
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", self.token
        return self.address

    def end(self) -> None:
        """Use it no more."""
        os.close(self.lock)


@dataclass(frozen=True, slots=True)
class OwnCluster:
    """The files by which a user's processes on this machine share one cluster."""

    folder: Path
    """Short, since Ray's sockets lie below it, and the user's alone."""

    @classmethod
    def of_this_user(cls) -> OwnCluster:
        """Return the cluster that all sweeps of this user on this machine share."""
        return cls(scratch_folder() / f"metta_sweep-{os.getuid()}" / "ray")

    @property
    def users(self) -> Path:
        """Held shared by every user, and alone by a warden that ends the cluster."""
        return self.folder / "users.lock"

    @property
    def record(self) -> Path:
        """Address and token, there once the cluster is up."""
        return self.folder / "cluster.json"

    @property
    def warden(self) -> Path:
        """Held by the warden for as long as it lives, from before the cluster is up."""
        return self.folder / "warden.lock"

    @property
    def log(self) -> Path:
        """What Ray said when it was started."""
        return self.folder / "ray.log"

    def join(self, *, start: bool) -> Use | None:
        """Become a user of the cluster; None where there is none and none is wanted.

        Args:
            start: Start one where there is none.

        Raises:
            RequestError: It does not come up, or the folder is somebody else's.
        """
        self._make_folder()
        lock = hold(self.users)
        found = None
        try:
            found = self._running() or (self._start() if start else None)
        finally:
            if found is None:
                os.close(lock)
        if found is None:
            return None
        address, token = found
        return Use(users=self.users, address=address, token=token, lock=lock)

    def _make_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.folder.parent, self.folder):
            folder.chmod(0o700)
            if folder.stat().st_uid != os.getuid():
                raise _unusable(f"{folder} belongs to somebody else", "remove it, or set RAY_TMPDIR to a short path")

    def _running(self) -> tuple[str, str] | None:
        found = read_json(self.record)
        if found is None or birth_of(int(found["pid"])) != found["birth"]:
            return None
        return str(found["address"]), str(found["token"])

    def _start(self) -> tuple[str, str]:
        """Wait for the cluster of the warden that is at work; where there is none, start one."""
        until_s = time.monotonic() + START_PATIENCE_S
        began_here = False
        while time.monotonic() < until_s:
            found = self._running()
            if found is not None:
                return found
            lock = take_lock(self.warden, patience_s=_LOOK_S / 5)
            if lock is not None:
                if began_here:
                    os.close(lock)
                    raise _unusable(f"Ray does not start on this machine: {self._last_words()}", _FIX)
                began_here = True
                self._start_warden(lock)
            time.sleep(_LOOK_S / 5)
        message = f"Ray has not come up in {START_PATIENCE_S:.0f} s, see {self.log}; it is still being started"
        raise _unusable(message, f"give the same command again to wait for it, or {_FIX}")

    def _start_warden(self, lock: int) -> None:
        """Start a warden that holds the lock from its first moment."""
        end_leftover(self.record)
        try:
            with self.log.open("wb") as log:
                warden = subprocess.Popen(
                    [sys.executable, "-m", "metta_sweep.launch.ray.own", str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        finally:
            os.close(lock)
        warden.returncode = 0  # it is left running on purpose

    def _last_words(self) -> str:
        """Return the last line that Ray said, and where the rest is."""
        said = self.log.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")
        return f"{last[:300]} ({self.log})"


def end_leftover(record: Path) -> None:
    """End the Ray of a warden that was killed before it could, and remove its record."""
    found = read_json(record) or {}
    ray = found.get("ray")
    if isinstance(ray, dict) and isinstance(ray.get("pid"), int) and isinstance(ray.get("birth"), str):
        signal_exactly(ray["pid"], ray["birth"], signal.SIGTERM)
    record.unlink(missing_ok=True)


def scratch_folder() -> Path:
    """Return where Ray puts its sessions; sockets lie below, so that a long path cannot be used."""
    return Path(os.environ.get("RAY_TMPDIR", "/tmp"))


def hold(lock: Path) -> int:
    """Return a descriptor that counts as a user until it is closed; waits while a warden ends the cluster."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


class Warden:
    """Starts a head node and ends it once nobody has used it for a while."""

    def __init__(self, cluster: OwnCluster) -> None:
        self._cluster = cluster
        self._token = secrets.token_hex(32)
        self._port = _free_port()
        self._users = os.open(cluster.users, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def keep(self) -> None:
        """Serve until the cluster is of no use any more, or has ended by itself."""
        ray = self._start_ray()
        try:
            if self._wait_until_up(ray):
                write_json(self._cluster.record, self._content(ray))
                self._wait_until_unused(ray)
        finally:
            ray.terminate()
            ray.wait()
            self._cluster.record.unlink(missing_ok=True)
            os.close(self._users)

    def _start_ray(self) -> subprocess.Popen[bytes]:
        ours = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token, "RAY_USAGE_STATS_ENABLED": "0"}
        return subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ray")),
                "start",
                "--head",
                "--block",
                f"--port={self._port}",
                "--node-ip-address=127.0.0.1",
                "--include-dashboard=false",
                "--disable-usage-stats",
                f"--object-store-memory={_STORE_BYTES}",
                f"--temp-dir={self._cluster.folder}",
            ],
            env={**os.environ, **ours},
        )

    def _content(self, ray: subprocess.Popen[bytes]) -> dict[str, object]:
        """Return what whoever joins needs to know, and what whoever comes after a killed warden has to end."""
        pid = os.getpid()
        return {
            "address": f"127.0.0.1:{self._port}",
            "token": self._token,
            "pid": pid,
            "birth": birth_of(pid),
            "ray": {"pid": ray.pid, "birth": birth_of(ray.pid)},
        }

    def _wait_until_up(self, ray: subprocess.Popen[bytes]) -> bool:
        """Return whether it has come up: a start that nobody waits for any more goes on, and is ended as unused."""
        until_s = time.monotonic() + LONGEST_START_S
        while ray.poll() is None and time.monotonic() < until_s:
            if "Ray runtime started" in self._cluster.log.read_text(errors="replace"):
                return True
            time.sleep(_LOOK_S / 5)
        return False

    def _wait_until_unused(self, ray: subprocess.Popen[bytes]) -> None:
        """Wait; where nobody uses the cluster the lock is kept, so that nobody joins what is about to end."""
        used_s = time.monotonic()
        while ray.poll() is None:
            time.sleep(_LOOK_S)
            if not self._takes_lock():
                used_s = time.monotonic()
            elif time.monotonic() - used_s >= LINGER_S:
                return
            else:
                fcntl.flock(self._users, fcntl.LOCK_UN)

    def _takes_lock(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _unusable(message: str, fix: str) -> RequestError:
    return RequestError(Problem(key="launcher", message=message, fix=fix))


def _leave(number: int, frame: object) -> None:
    """End as told by a signal, with the cluster."""
    del frame
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    Warden(OwnCluster(Path(sys.argv[1]))).keep()
