"""What runs on a Ray node: an actor that starts an attempt's keeper and is there for as long as it is."""

from __future__ import annotations

import contextlib
import importlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from metta_sweep.launch.ray.own import hold

_LEAVE_S = 10.0


class KeeperActor:
    """Starts the keeper when it is made, and ends its process when the keeper has.

    The work is done by the constructor, since Ray keeps a detached actor's constructor call when the process that asked
    for it dies, and forgets the method calls that were not delivered yet. A pipe ties the two together: the keeper ends
    its run where the actor is killed, and the actor ends where the keeper does.

    Args:
        order: The attempt's order file, on a file system that all nodes share.
        environment: Environment of the controller; the GPUs are those that Ray gives the actor.
        users: Lock that says that a cluster of our own is used; None where the cluster is somebody else's.
    """

    def __init__(self, order: str, environment: Mapping[str, str], users: str | None = None) -> None:
        if users is not None:
            hold(Path(users))
        given = {name: os.environ[name] for name in ("CUDA_VISIBLE_DEVICES",) if name in os.environ}
        keeper = subprocess.Popen(
            [sys.executable, "-m", "metta_sweep.launch.attempt.keep", order, "tied"],
            env={**environment, **given},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        threading.Thread(target=self._end_with, args=(keeper,), daemon=True).start()

    def _end_with(self, keeper: subprocess.Popen[bytes]) -> None:
        keeper.wait()
        if keeper.stdout is not None:
            keeper.stdout.read()
        self._leave()
        os._exit(0)

    def _leave(self) -> None:
        """Have Ray end this actor: a process that only exits is reported as crashed on the controller's terminal."""
        ray = importlib.import_module("ray")
        with contextlib.suppress(RuntimeError, ValueError):
            ray.kill(ray.get_runtime_context().current_actor)
            time.sleep(_LEAVE_S)
