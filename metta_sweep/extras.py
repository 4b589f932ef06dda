"""What comes with an extra, and how the person at this terminal installs it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

_NAME = "metta-sweep"
_MARKED = re.compile(r"extra\s*==\s*['\"]([\w-]+)['\"]")


def how_to_install(extra: str) -> str:
    """Return the command that installs what an extra needs into the environment of this process.

    In a clone with its own ``.venv`` that is its set-up; elsewhere ``pip`` with the requirements themselves, as there
    need be no index that has this package.
    """
    clone = Path(__file__).parents[1]
    setup = clone / "devops" / "setup.sh"
    if setup.exists() and Path(sys.prefix).resolve() == (clone / ".venv").resolve():
        near = os.path.relpath(setup) if Path.cwd().is_relative_to(clone) else str(setup)
        return f"{shlex.quote(near if near.startswith((os.pardir, os.sep)) else f'./{near}')} {extra}"
    needed = [shlex.quote(each) for each in requirements(extra)]
    return f"{shlex.quote(sys.executable)} -m pip install {' '.join(needed) or extra}"


def requirements(extra: str) -> list[str]:
    """Return what an extra adds, each as pip takes it; nothing where this package is not installed."""
    try:
        declared = requires(_NAME) or []
    except PackageNotFoundError:
        return []
    found = []
    for each in declared:
        requirement, _, marker = each.partition(";")
        marked = _MARKED.search(marker)
        if marked is not None and marked.group(1) == extra:
            found.append(requirement.strip())
    return found
