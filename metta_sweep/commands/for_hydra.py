"""A command that a Hydra app has started (``hydra/sweeper=protein``): it ends with the app and speaks its language."""

from __future__ import annotations

import ctypes
import re
import signal
import sys
from collections.abc import MutableMapping

from metta_sweep.errors import MettaSweepError, Problem, RequestError

APP_VARIABLE = "METTA_SWEEP_HYDRA_APP"
"""Environment variable that has the number of the app's process."""

BLOCK = "hydra.sweeper"
"""Where the app's config has what we are asked."""

_PR_SET_PDEATHSIG = 1
_NAMES = {"run": "name", "sweep.parameters": "params", "sweep": ""}
"""What the keys of a request are called below the block, where they are called otherwise."""

_PLACES = re.compile(r"command line$|.*\.yaml$")
"""Where a key of a request can stand; the app's person has written neither."""

_WORDS = (
    (re.compile(r"\brun= name\b"), f"{BLOCK}.name"),
    (re.compile(r"(?<![\w.])run=(?=\w)"), f"{BLOCK}.name="),
    (re.compile(r"\bsweep\.parameters\b"), f"{BLOCK}.params"),
    (
        re.compile(r"(?<![\w.])(takeover=|change=|launcher\.|rollout_count|num_samples|early_stop|limits\b|confirm:)"),
        rf"{BLOCK}.\1",
    ),
)


def hydra_app(environment: MutableMapping[str, str]) -> int | None:
    """Return the process of the app that has started this command; None where a person has.

    Side effects:
        Takes the variable away, so that runs do not inherit it. On Linux this process is killed when the app is: its
        runs go on, and the app's next start adopts them, as after any death of a controller.
    """
    told = environment.pop(APP_VARIABLE, "")
    if not told.isdecimal():
        return None
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    return int(told)


def in_its_words(error: MettaSweepError) -> MettaSweepError:
    """Return an error with keys as the app's person writes them; places in files that a person never wrote go."""
    if not isinstance(error, RequestError):
        return error
    return RequestError(*map(_in_its_words, error.problems))


def _in_its_words(problem: Problem) -> Problem:
    is_ours = not problem.file or _PLACES.match(problem.file) is not None
    return Problem(
        key=_key(problem.key),
        message=_text(problem.message),
        file="" if is_ours else problem.file,
        line=None if is_ours else problem.line,
        fix=_text(problem.fix),
    )


def _key(key: str) -> str:
    if key == "sweep.command":
        return "the app's command line"
    for ours, theirs in _NAMES.items():
        if key == ours or key.startswith(f"{ours}."):
            rest = key.removeprefix(ours).removeprefix(".")
            return ".".join(part for part in (BLOCK, theirs, rest) if part)
    return f"{BLOCK}.{key}" if key and re.fullmatch(r"[A-Za-z_][\w.+@/-]*", key) else key


def _text(text: str) -> str:
    for pattern, written in _WORDS:
        text = pattern.sub(written, text)
    return text
