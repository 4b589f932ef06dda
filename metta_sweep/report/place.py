"""Where a sweep lies, as a person standing in a directory would type it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from metta_sweep.invocation import PROGRAM, as_typed, interpreter, place_words, program, typed_in
from metta_sweep.result import RunPaths
from metta_sweep.store.paths import SweepPaths


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
    program: str = PROGRAM
    """The command line tool as the reader would type it."""
    data_dir: Path | None = None
    """Where the sweep lies; None where a command finds it by itself."""
    controller: str | None = None
    """Who controls the sweep at this moment; empty for nobody, None where that is not known."""

    @classmethod
    def here(cls, paths: HasRunPaths, *, controller: str | None = None) -> Place:
        """Return the place for this process: its working directory, its interpreter."""
        data_dir = paths.data_dir if isinstance(paths, SweepPaths) else None
        return cls(
            paths=paths,
            cwd=typed_in(),
            python=interpreter(),
            program=program(),
            data_dir=data_dir,
            controller=controller,
        )

    def show(self, path: Path) -> str:
        """Return the path relative to the working directory where it lies below it, else as it is."""
        return as_typed(path, self.cwd)

    def quoted(self, path: Path) -> str:
        """Return the path as a word of a shell command."""
        return shlex.quote(self.show(path))

    def command(self, name: str, *words: str) -> str:
        """Return a whole command of ours about the sweep, right from where the reader stands."""
        where = [] if self.data_dir is None else place_words(name, self.data_dir)
        return f"{self.program} {shlex.join([name, *words, *where])}"
