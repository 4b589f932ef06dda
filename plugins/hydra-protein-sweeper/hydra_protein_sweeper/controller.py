"""The controller: a process of metta_sweep in this environment or another, with the terminal of this one."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hydra_protein_sweeper.asking import Request
from hydra_protein_sweeper.problems import Problem, RefusedError

APP_VARIABLE = "METTA_SWEEP_HYDRA_APP"
"""Environment variable that tells a controller which process has started it: it ends where that dies, and names keys
as they are written here."""

KEY = "hydra.sweeper.controller"
_MODULE = "metta_sweep"
_LOOK = f"import importlib.util as u, sys; sys.exit(sys.version_info < (3, 11) or u.find_spec({_MODULE!r}) is None)"
_FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def controller_words(given: str | None) -> list[str]:
    """Return what starts a command of metta_sweep.

    Args:
        given: A Python of an environment that has it, or its program ``metta-sweep``; None for this Python.

    Raises:
        RefusedError: It is not there.
    """
    if given is None:
        if importlib.util.find_spec(_MODULE) is None:
            raise _missing("this Python has no metta_sweep", str(sys.executable))
        return [sys.executable, "-P", "-m", "metta_sweep.commands"]
    found = shutil.which(Path(given).expanduser())
    if found is None:
        raise _missing("there is no such program, or it may not be executed", given)
    if not Path(found).name.startswith("python"):
        return [os.path.abspath(found)]  # noqa: PTH100  # links stay links: a venv's python is one
    if subprocess.run([found, "-c", _LOOK], check=False, capture_output=True).returncode != 0:
        raise _missing("that Python has no metta_sweep, or is older than 3.11", given)
    return [os.path.abspath(found), "-P", "-m", "metta_sweep.commands"]  # noqa: PTH100  # the same


def _missing(message: str, got: str) -> RefusedError:
    fix = f"pip install metta-sweep, or {KEY}=/path/to/python of an environment that has it"
    return RefusedError([Problem(key=KEY, message=f"{message}: {got}", fix=fix)])


def control(words: Sequence[str], request: Request) -> int:
    """Run, resume or extend the sweep, or show its plan; return the exit code.

    Signals that ask this process to end are handed on, once each: Ctrl-C means here what it means in any sweep.

    Raises:
        RefusedError: The folder of sweeps cannot be written to.

    Side effects:
        Writes the sweep file; one that was not there is taken away again where the request is refused.
    """
    is_new, folder_is_new = not request.file.exists(), not request.data_dir.exists()
    try:
        request.file.parent.mkdir(parents=True, exist_ok=True)
        request.file.write_text(request.content, encoding="utf-8")
    except OSError as error:
        message = f"{error.filename or request.data_dir} cannot be written to: {error.strerror}"
        fix = "name another folder, or see that this one is there"
        raise RefusedError([Problem(key="hydra.sweeper.data_dir", message=message, fix=fix)]) from error
    code = _run([*words, "run", f"run={request.name}", f"++sweep_params={request.file}", *request.words])
    if is_new and (code == 2 or "cmd=plan" in request.words):
        _take_away(request, folder_is_new)
    return code


def _take_away(request: Request, folder_is_new: bool) -> None:
    request.file.unlink(missing_ok=True)
    for folder in (request.file.parent, *([request.data_dir] if folder_is_new else [])):
        if not any(folder.iterdir()):
            folder.rmdir()


def _run(command: Sequence[str]) -> int:
    environment = {**os.environ, APP_VARIABLE: str(os.getpid())}
    received: list[int] = []
    with _handed_on(received) as to:
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        to.append(process)
        for number in received:  # came before there was a process
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _handed_on(received: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Hand the signals that ask this process to end on to the processes that are put into the list."""
    to: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(number)
        for process in to:
            process.send_signal(number)

    if threading.current_thread() is not threading.main_thread():
        yield to
        return
    before = {name: signal.signal(getattr(signal, name), hand_on) for name in _FORWARDED if hasattr(signal, name)}
    try:
        yield to
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def best(words: Sequence[str], request: Request) -> Mapping[str, Any] | None:
    """Return what the sweep has found so far; None where no run has a score."""
    command = [*words, "best", request.name, "--as", "json", "--data-dir", str(request.data_dir)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    if told.returncode != 0:
        return None
    found: Mapping[str, Any] = json.loads(told.stdout)
    return found
