"""Whether runs are forked from a process that has loaded what they need, or started as programs of their own.

A fork is safe on Linux alone: on macOS a library that torch has loaded (Accelerate) may have threads and state that do
not survive one, and Apple's frameworks end a fork that uses them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

START_VARIABLE = "METTA_SWEEP_START"
"""Environment variable that decides otherwise: ``fork`` or ``spawn``."""


def forks(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether runs are forked."""
    asked = environ.get(START_VARIABLE, "")
    return asked == "fork" if asked in ("fork", "spawn") else platform == "linux"
