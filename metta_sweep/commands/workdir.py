"""``workdir: run``: a command that is started in a directory of its own still finds its program, files and modules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from metta_sweep.sweep.commands import SEARCH_PATH

MODULE = "-m"
"""The option by which Python finds a module below its working directory."""


def started_words(template: tuple[str, ...], workdir: str) -> tuple[str, ...]:
    """Return a command as it is started: words that name a file here are absolute where it is started elsewhere.

    A word counts as a whole or, in ``--name=file``, behind its ``=``. Folders stay as they are: they are as often
    where a run writes as where it reads. A program without a slash is looked up as a shell does.
    """
    if workdir != "run":
        return template
    program = template[:1] if os.sep not in template[0] else tuple(map(_absolute, template[:1]))
    return (*program, *map(_absolute, template[1:]))


def with_search_path(env: Mapping[str, str], template: tuple[str, ...], workdir: str) -> dict[str, str]:
    """Return a run's variables; ``python -m`` finds the modules of this directory from another one by one of them."""
    if workdir != "run" or MODULE not in template:
        return dict(env)
    inherited = env.get(SEARCH_PATH) or os.environ.get(SEARCH_PATH)
    return {**env, SEARCH_PATH: os.pathsep.join([str(Path.cwd()), *([inherited] if inherited else [])])}


def _absolute(word: str) -> str:
    name, equal, value = word.rpartition("=")
    file = Path(value)
    if "{" in value or file.is_absolute() or not value or not file.is_file():
        return word
    return f"{name}{equal}{file.absolute()}"
