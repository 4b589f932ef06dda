"""Where a sweep lies, as a person standing in a directory would type it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metta_sweep.result import RunPaths


class HasRunPaths(Protocol):
    """What the report needs of the sweep's paths object."""

    def run(self, run_id: str) -> RunPaths:
        """Return the paths of a run's directory, whether or not it exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The sweep's files as seen from the working directory."""

    paths: HasRunPaths
    """The sweep's own directory."""
    cwd: Path
    """Where the reader stands; files below it are shown relative to it."""
    python: str = "python"
    """The interpreter as the reader would type it."""
    program: str = "metta-sweep"
    """The command line tool as the reader would type it."""
    controller: str | None = None
    """Who controls the sweep at this moment; empty for nobody, None where that is not known."""

    @classmethod
    def here(cls, paths: HasRunPaths, *, controller: str | None = None) -> Place:
        """Return the place for this process: its working directory, its interpreter."""
        cwd, python = Path.cwd(), Path(sys.executable)
        on_path = shutil.which("metta-sweep")
        beside = python.with_name("metta-sweep")
        program = "metta-sweep" if on_path or not beside.exists() else _typed(beside, cwd)
        return cls(paths=paths, cwd=cwd, python=_interpreter(python, cwd), program=program, controller=controller)

    def show(self, path: Path) -> str:
        """Return the path relative to the working directory where it lies below it, else as it is."""
        return _typed(path, self.cwd)

    def quoted(self, path: Path) -> str:
        """Return the path as a word of a shell command."""
        return shlex.quote(self.show(path))


def _typed(path: Path, cwd: Path) -> str:
    """Return the path below the working directory without resolving links: a venv's python is one."""
    absolute = Path(os.path.normpath(cwd / path))
    return str(absolute.relative_to(cwd)) if absolute.is_relative_to(cwd) else str(path)


def _interpreter(python: Path, cwd: Path) -> str:
    found = shutil.which("python")
    if found is not None and Path(found) == python:
        return "python"
    return shlex.quote(_typed(python, cwd))
