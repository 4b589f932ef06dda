"""How the person at this terminal types a command of ours: the program, the interpreter, where sweeps lie."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = "metta-sweep"
"""The program where it is found by its name."""

DATA_DIR_VARIABLE = "DATA_DIR"
"""Environment variable that says where sweeps lie."""

_OF_HYDRA = ("run", "plan")
"""Commands that are told where sweeps lie by an override."""


_left: list[Path] = []
"""The folder in which the command was typed, while this process works elsewhere."""


def typed_in() -> Path:
    """Return the folder in which the person has typed the command."""
    return _left[0] if _left else Path.cwd()


def work_in(folder: Path) -> None:
    """Go on in another folder until :func:`going_back`; paths and commands are still shown from where they are typed.

    Side effects:
        Changes the working directory of this process.
    """
    if not _left:
        _left.append(Path.cwd())
    os.chdir(folder)


@contextmanager
def going_back() -> Iterator[None]:
    """Be in the end where one was, wherever the work has led."""
    try:
        yield
    finally:
        while _left:
            os.chdir(_left.pop())


def default_data_dir() -> Path:
    """Return where sweeps lie: ``$DATA_DIR``, or ``train_dir``."""
    return Path(os.environ.get(DATA_DIR_VARIABLE, "train_dir"))


def program() -> str:
    """Return what starts this very program: its name where that finds it, else its path, or the module by Python."""
    found, beside = shutil.which(PROGRAM), Path(sys.executable).with_name(PROGRAM)
    if not beside.exists():
        return PROGRAM if found is not None else f"{interpreter()} -m metta_sweep.commands"
    is_found = found is not None and Path(found).resolve() == beside.resolve()
    return PROGRAM if is_found else shlex.quote(as_typed(beside))


def interpreter() -> str:
    """Return what starts this interpreter."""
    found, python = shutil.which("python"), Path(sys.executable)
    return "python" if found is not None and Path(found) == python else shlex.quote(as_typed(python))


def as_typed(path: Path, cwd: Path | None = None) -> str:
    """Return a path as it is typed here: from here where it lies below; links, as a venv's python is, stay links."""
    here = cwd or typed_in()
    absolute = Path(os.path.normpath(here / path))
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)


def place_words(command: str, data_dir: Path) -> list[str]:
    """Return what tells a command where sweeps lie; nothing where it finds them by itself."""
    if data_dir.resolve() == (typed_in() / default_data_dir()).resolve():
        return []
    where = as_typed(data_dir)
    return [f"data_dir={where}"] if command in _OF_HYDRA else ["--data-dir", where]


def invoked(command: str, *words: str, data_dir: Path | None = None) -> str:
    """Return a whole command, each word as a shell takes it.

    Args:
        command: Its name.
        words: Its arguments.
        data_dir: Where the sweep lies; None where the command needs no sweep, or finds it by itself.
    """
    where = [] if data_dir is None else place_words(command, data_dir)
    return f"{program()} {shlex.join([command, *words, *where])}"
