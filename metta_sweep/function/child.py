"""One run of a function in a process of its own: ``python -m metta_sweep.function.child REFERENCE``.

What it needs lies in its run's directory; it leaves there what :func:`metta_sweep.finish` leaves.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import yaml

from metta_sweep.function.calling import arguments, leave, name_of
from metta_sweep.function.reference import Reference
from metta_sweep.function.trial import Trial
from metta_sweep.result import METRIC_VARIABLE, RunPaths

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def warm_up(argument: str) -> None:
    """Load the module of the function, before any run is forked."""
    Reference.parse(argument).load()


def main(words: list[str]) -> int:
    """Call the function once, and return the exit status."""
    function, run = Reference.parse(words[0]).load(), RunPaths.of_environment()
    content: dict[str, Any] = yaml.load(run.config.read_text(encoding="utf-8"), Loader=_Loader)
    config = {key: value for key, value in content.items() if key != "run"}
    trial = Trial(run, seed=config["seed"])
    returned = function(*arguments(function, config, trial))
    problem = leave(returned, trial, metrics=(os.environ[METRIC_VARIABLE],), name=name_of(function))
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
