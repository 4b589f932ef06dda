"""``python -m metta_sweep.launch.attempt.keep ORDER [tied]``: keep one attempt here, for a queueing system."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from metta_sweep.launch.attempt.attempt import Order
from metta_sweep.launch.attempt.keeper import Keeper

HERE = "here"
"""Argument of a keeper that no queueing system has started, whatever the environment says."""

JOB_LABEL = "job_id"
"""Where a start record says which job of the queueing system the attempt is."""


def main(arguments: list[str]) -> None:
    """Keep the attempt that the order file tells of; an attempt that was started before is left alone.

    A queueing system that runs a job twice does not run the attempt twice: it shows as lost, and the sweep starts
    another attempt, which resumes from the checkpoint.

    Args:
        arguments: The order file; ``tied`` where the run is to end once standard input does. The keeper is then no
            child of whoever started it, which may be in the habit of killing its children, and its end is that of its
            standard output.

    Side effects:
        The order file is removed.
    """
    path = Path(arguments[0])
    tie = 0 if "tied" in arguments[1:] else None
    if tie is not None and os.fork():
        os._exit(0)
    order = Order.parse(json.loads(path.read_text(encoding="utf-8")))
    lock = order.files.claim()
    if lock is not None:
        job_id = "" if HERE in arguments[1:] else os.environ.get("SLURM_JOB_ID", "")
        labels = {} if HERE in arguments[1:] else {JOB_LABEL: job_id}
        keeper = Keeper(order, lock=lock, base=dict(os.environ), labels=labels, passes_signals_on=not job_id, tie=tie)
        path.unlink(missing_ok=True)
        keeper.keep()


if __name__ == "__main__":
    main(sys.argv[1:])
