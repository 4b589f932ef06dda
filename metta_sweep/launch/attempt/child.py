"""What a keeper's fork becomes: the run itself, started as from a shell of its own."""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import importlib
import json
import logging
import os
import random
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from metta_sweep.launch.attempt.attempt import ATTEMPT_VARIABLE, Order
from metta_sweep.launch.attempt.wakeups import restore_signals
from metta_sweep.result import RUN_DIR_VARIABLE

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What the usual libraries read to size their thread pools."""

NEVER_PASSED_ON = ("WANDB_SERVICE",)
"""Variables of the controller that would tie a run to the controller's own W&B process."""

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit codes of a command that cannot be started, as in a shell."""

_OOM_SCORE = "500"


def spawn_run(order: Order, *, base: Mapping[str, str], log: int, lock: int) -> int:
    """Start the run by a program of its own, where a fork is not safe, and return its process id.

    Side effects:
        The order goes through the program's standard input, so that no list of processes shows it.
    """
    command = [sys.executable, "-m", "metta_sweep.launch.attempt.child", str(log), str(lock)]
    process = subprocess.Popen(command, env=base, stdin=subprocess.PIPE, pass_fds=(log, lock))
    process.returncode = 0  # it is collected by its keeper
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as told:
            told.write(json.dumps(order.to_json()).encode())
    return process.pid


def become_run(order: Order, *, base: Mapping[str, str], log: int, lock: int, warm_module: str | None) -> NoReturn:
    """Turn this forked process into the run; never returns.

    Args:
        order: What to run.
        base: The environment to start from: that of the controller.
        log: Descriptor of the run's log.
        lock: Descriptor that holds the attempt's lock; kept open for as long as the run lives.
        warm_module: A module that is loaded already and whose ``main(arguments)`` stands for the command, or None.
    """
    os.setsid()
    restore_signals(for_python=warm_module is not None)
    _connect(log)
    os.set_inheritable(lock, True)
    _volunteer_for_the_oom_killer()
    environment = run_environment(order, base)
    try:
        os.chdir(order.cwd)
    except OSError as error:
        _fail(f"cannot enter the working directory {order.cwd}: {error.strerror}", NOT_EXECUTABLE)
    if warm_module is None:
        _execute(order.command, environment)
    _run_main(warm_module, order.command[3:], environment)


def run_environment(order: Order, base: Mapping[str, str]) -> dict[str, str]:
    """Return the run's environment: the controller's, threads limited to its cores, its own variables, its GPUs."""
    environment = {name: value for name, value in base.items() if name not in NEVER_PASSED_ON}
    for name in THREAD_VARIABLES:
        environment[name] = str(_limited(environment.get(name), order.cpus))
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    environment.update(order.env)
    if order.gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(order.gpus)
    environment[RUN_DIR_VARIABLE] = order.run_dir
    environment[ATTEMPT_VARIABLE] = order.attempt_id
    return environment


def _limited(asked: str | None, cpus: int) -> int:
    """Return the smaller of what the user set and what the run may use."""
    return min(int(asked), cpus) if asked is not None and asked.isdecimal() and int(asked) > 0 else max(cpus, 1)


def _connect(log: int) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    for source in {nothing, log} - {0, 1, 2}:
        os.close(source)


def _volunteer_for_the_oom_killer() -> None:
    """Have the kernel end the run rather than its keeper or the controller when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _execute(command: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    try:
        os.execvpe(command[0], command, environment)
    except (FileNotFoundError, NotADirectoryError):
        _fail(f"{command[0]}: command not found", NOT_FOUND)
    except (OSError, ValueError) as error:
        _fail(f"{command[0]}: cannot be executed: {error}", NOT_EXECUTABLE)


def _fail(message: str, code: int) -> NoReturn:
    os.write(2, f"{message}\n".encode(errors="replace"))
    os._exit(code)


def _run_main(module: str, arguments: tuple[str, ...], environment: Mapping[str, str]) -> NoReturn:
    """Call the module's ``main`` and exit as ``python -m`` would."""
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115  stays open for the process's life
    sys.stdout = open(1, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False, encoding="utf-8", errors="replace")  # noqa: SIM115
    faulthandler.enable()
    _reseed()
    _forget_exit_handlers()
    main: Callable[[list[str]], int | None] = importlib.import_module(module).main
    sys.argv = [str(getattr(sys.modules[module], "__file__", module)), *arguments]
    os._exit(_exit_code_of(lambda: main(list(arguments))))


def _exit_code_of(call: Callable[[], int | None]) -> int:
    """Call and return the exit status that Python would give, with everything flushed."""
    try:
        code = _as_status(call())
    except SystemExit as stop:
        code = _as_status(stop.code)
    except BaseException:  # noqa: BLE001  the last frame of the process: what nobody caught is printed, as by Python
        traceback.print_exc()
        code = 1
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # os._exit skips them, and libraries finish their work there
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return code


def _as_status(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    sys.stderr.write(f"{value}\n")
    return 1


def _reseed() -> None:
    """Give every generator that was copied by the fork a state of its own."""
    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(int.from_bytes(os.urandom(4), "little"))
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.manual_seed(int.from_bytes(os.urandom(7), "little"))


def _forget_exit_handlers() -> None:
    """Leave to the server what its modules would do at its exit: that takes a tenth of a second."""
    atexit._clear()
    atexit.register(logging.shutdown)
    if "multiprocessing.util" in sys.modules:
        atexit.register(sys.modules["multiprocessing.util"]._exit_function)


if __name__ == "__main__":
    become_run(
        Order.parse(json.load(sys.stdin)),
        base=dict(os.environ),
        log=int(sys.argv[1]),
        lock=int(sys.argv[2]),
        warm_module=None,
    )
