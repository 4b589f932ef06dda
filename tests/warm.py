"""Commands in processes of their own that need not import anything: they are forked from one that has.

The imports of a command are most of what a short one costs, and hundreds are run here. What is forked has its own
environment, folder, output and exit status; whatever is about the start of a process itself starts a real one.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

import metta_sweep.commands

MODULES = ("cli", "controller", "parts", "plan", "run", "summarize", "explain", "best", "report")
"""What the server imports, of the commands; none of it starts a thread or loads torch."""


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"metta_sweep.commands.{name}" for name in MODULES])
    return context


def run(*words: str, cwd: Path, env: Mapping[str, str], timeout: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run ``metta-sweep`` with these words and return what it said, as ``subprocess.run`` would.

    Raises:
        subprocess.TimeoutExpired: It took longer than ``timeout`` seconds and was killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = _server().Process(target=_main, args=(words, str(cwd), dict(env), str(out), str(err)))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(words), timeout, out.read_bytes(), err.read_bytes())
        return subprocess.CompletedProcess(list(words), process.exitcode or 0, out.read_text(), err.read_text())


def _main(words: tuple[str, ...], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(Path(metta_sweep.commands.__file__).with_name("__main__.py")), *words]
    from metta_sweep.commands.cli import main

    try:
        status = main(list(words))
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
    sys.exit(status)
