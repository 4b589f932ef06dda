"""What the contract suite runs: a program that does as its arguments say, executed or called in a fork."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLEEPER = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (15, 1, 2)]; time.sleep(120)"


def main(arguments: list[str]) -> int:
    note("started")
    for action, _, value in (argument.partition("=") for argument in arguments):
        code = ACTIONS[action](value)
        if code is not None:
            return code
    return 0


def note(what: str) -> None:
    """Add a line to the run's ledger, which no launcher knows of."""
    with (Path(os.environ["METTA_SWEEP_RUN_DIR"]) / "ledger").open("a") as ledger:
        ledger.write(f"{what} {os.getpid()}\n")


def _signal(value: str) -> None:
    os.kill(os.getpid(), int(value))


def _environment(value: str) -> None:
    found = {name: os.environ.get(name) for name in value.split(",")}
    (Path(os.environ["METTA_SWEEP_RUN_DIR"]) / "environment.json").write_text(json.dumps(found))


def _ignore_sigterm(value: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _checkpoint_on_sigterm(value: str) -> None:
    def stop(number: int, frame: object) -> None:
        note("checkpointed")
        sys.exit(143)

    signal.signal(signal.SIGTERM, stop)


def _child(value: str) -> None:
    """Start a process that ignores signals; ``session`` moves it to a session of its own."""
    child = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=value == "session")
    child.returncode = 0  # it is left behind on purpose
    note(f"child {child.pid}")


def _daemon(value: str) -> None:
    """Leave a process behind that forked twice, in a session of its own, with every descriptor closed."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note("daemon")
            os.closerange(0, 1024)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(120)
        os._exit(0)
    os.wait()


def _print(value: str) -> None:
    sys.stdout.write(value + "\n")
    sys.stdout.flush()


def _stdin(value: str) -> None:
    note(f"stdin:{sys.stdin.read()!r}")


def _raise(value: str) -> None:
    raise ArithmeticError(value)


def _result(value: str) -> None:
    path = Path(os.environ["METTA_SWEEP_RUN_DIR"]) / "result.json"
    path.write_text(json.dumps({"metrics": {"reward": float(value)}}))


def _wait_for(value: str) -> None:
    while not Path(value).exists():
        time.sleep(0.01)


ACTIONS = {
    "exit": int,
    "sysexit": lambda value: sys.exit(value),
    "sleep": lambda value: time.sleep(float(value)),
    "signal": _signal,
    "environment": _environment,
    "ignore_sigterm": _ignore_sigterm,
    "checkpoint_on_sigterm": _checkpoint_on_sigterm,
    "child": _child,
    "daemon": _daemon,
    "print": _print,
    "stdin": _stdin,
    "raise": _raise,
    "note": note,
    "result": _result,
    "wait_for": _wait_for,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
