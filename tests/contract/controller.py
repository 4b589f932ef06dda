"""A controller that can be killed: submits the attempts it is given, prints their handles, and waits.

``python -m tests.contract.controller FACTORY FOLDER`` reads one JSON job a line on standard input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from metta_sweep.sweep.ports import JobSpec
from tests.contract.launchers import FACTORIES


def job(content: dict) -> JobSpec:
    return JobSpec(attempt_id=content["id"], command=tuple(content["command"]), run_dir=Path(content["run_dir"]))


def main(factory: str, folder: str) -> None:
    launcher = FACTORIES[factory](Path(folder))
    for line in sys.stdin:
        handle = launcher.submit(job(json.loads(line)))
        sys.stdout.write(json.dumps(handle) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
