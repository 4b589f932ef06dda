"""The fork server: loads what the bundled trainer needs once, then forks a keeper for every attempt it is told of.

Started as ``python -m metta_sweep.launch.local.fork_server SETTINGS``. It reads orders as JSON lines, and
says ``{"ready": seconds}`` once and ``{"attempt_id": …, "error": …}`` for every order it could not start. When its
controller is gone (end of input) it starts what it was still told, lets go of its lock, which says that it takes no
orders any more, and ends when its keepers have.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from metta_sweep.launch.attempt.attempt import Order
from metta_sweep.launch.attempt.child import THREAD_VARIABLES
from metta_sweep.launch.attempt.keep import HERE
from metta_sweep.launch.attempt.keeper import Keeper
from metta_sweep.launch.attempt.starting import forks
from metta_sweep.launch.attempt.wakeups import OURS, Wakeups


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What a server is started with."""

    accepting: int
    """Descriptor of the lock that is held while orders are taken."""
    module: str | None = None
    """Module whose ``python -m`` command lines are run by a fork of this process; None to execute every command."""
    preload: tuple[str, ...] = ()
    """Modules to load beside it, before any fork."""
    argument: str = ""
    """What ``warm_up`` of the module is told before any fork; empty: it is not called."""

    def to_argument(self) -> str:
        """Return the settings as one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, argument: str) -> ServerSettings:
        """Return the settings that :meth:`to_argument` gave."""
        content = json.loads(argument)
        return cls(**{**content, "preload": tuple(content["preload"])})


class ForkServer:
    """Takes orders until its input ends, and reaps the keepers it forked."""

    def __init__(self, settings: ServerSettings, base: Mapping[str, str]) -> None:
        self._settings = settings
        self._answers = os.dup(1)
        os.dup2(2, 1)  # what a loaded module prints is not an answer
        self._base = base
        self._module = settings.module
        self._keepers: dict[int, str] = {}
        self._wakeups = Wakeups()
        self._rest = b""

    def serve(self) -> None:
        """Work until the input has ended and every keeper has, too."""
        open_input = True
        while open_input or self._keepers:
            ready, _ = self._wakeups.wait(None, [0] if open_input else [])
            if ready:
                open_input = self._read_orders()
                if not open_input:
                    os.close(self._settings.accepting)
            self._reap()

    def _read_orders(self) -> bool:
        """Start what can be read, and return whether more may come; a line cut off by the end is not an order."""
        received = os.read(0, 1 << 20)
        *lines, self._rest = (self._rest + received).split(b"\n")
        for line in lines:
            self._start(Order.parse(json.loads(line)))
        return bool(received)

    def _start(self, order: Order) -> None:
        try:
            if not forks(self._base):
                self._spawn_keeper(order)
                return
            lock = order.files.claim()
            if lock is not None:
                self._fork_keeper(order, lock)
                os.close(lock)
        except OSError as error:
            self._say({"attempt_id": order.attempt_id, "error": str(error)})

    def _fork_keeper(self, order: Order, lock: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        pid = os.fork()
        if pid == 0:
            self._become_keeper(order, lock)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        self._keepers[pid] = order.attempt_id

    def _spawn_keeper(self, order: Order) -> None:
        """Start a keeper as a program of its own, which claims the attempt itself."""
        order.files.put_order(order)
        command = [sys.executable, "-m", "metta_sweep.launch.attempt.keep", str(order.files.order), HERE]
        quiet = subprocess.DEVNULL
        keeper = subprocess.Popen(command, env=self._base, stdin=quiet, stdout=2, stderr=2, start_new_session=True)
        keeper.returncode = 0  # it is collected like one that was forked
        self._keepers[keeper.pid] = order.attempt_id

    def _become_keeper(self, order: Order, lock: int) -> None:
        """Keep the attempt in this fork and exit; a failure leaves its traceback in the server's log."""
        code = 1
        try:
            os.setsid()
            self._let_go_of_the_server()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
            warm = self._module if self._is_warm(order) else None
            Keeper(order, lock=lock, base=self._base, warm_module=warm).keep()
            code = 0
        finally:
            if code:
                sys.excepthook(*sys.exc_info())
            os._exit(code)

    def _let_go_of_the_server(self) -> None:
        """Close what tells others that the server lives."""
        self._wakeups.close()
        os.close(self._answers)
        with contextlib.suppress(OSError):
            os.close(self._settings.accepting)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)

    def _is_warm(self, order: Order) -> bool:
        return self._module is not None and order.command[:3] == (sys.executable, "-m", self._module)

    def _reap(self) -> None:
        """Collect keepers that ended; one that failed could not even begin, or its attempt shows as lost."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                attempt_id = self._keepers.pop(pid, None)
                if attempt_id is not None and status != 0:
                    code = os.waitstatus_to_exitcode(status)
                    self._say({"attempt_id": attempt_id, "error": f"its keeper ended with status {code}"})

    def load(self) -> None:
        """Load the modules that runs will need; what cannot be loaded is left to the command itself to complain of."""
        began_s = time.monotonic()
        try:
            for name in (*self._settings.preload, *filter(None, [self._settings.module])):
                importlib.import_module(name)
            if self._settings.argument and self._module is not None:
                sys.modules[self._module].warm_up(self._settings.argument)
        except Exception as error:  # noqa: BLE001  it may be somebody's own module: its runs will show what it raises
            sys.stderr.write(f"{type(error).__name__}: {error}: runs start without preloading\n")
            self._module = None
        gc.collect()
        gc.freeze()
        self._say({"ready": round(time.monotonic() - began_s, 3), "warm": self._module is not None})

    def _say(self, message: Mapping[str, object]) -> None:
        """Tell the controller, if it is still there."""
        with contextlib.suppress(OSError):
            os.write(self._answers, (json.dumps(message) + "\n").encode())


def main(arguments: list[str]) -> None:
    """Serve; the environment is kept for the runs as it came, while the server itself is held to one thread."""
    with contextlib.suppress(PermissionError):  # it is a session of its own already where the spawn could make it one
        os.setsid()
    base = dict(os.environ)
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    server = ForkServer(ServerSettings.parse(arguments[0]), base)
    server.load()
    server.serve()
    os._exit(0)  # taking torch apart would only hold up whoever waits


if __name__ == "__main__":
    main(sys.argv[1:])
