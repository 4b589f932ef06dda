"""What a person at another terminal asks of a running controller: one small file that it glances at."""

from __future__ import annotations

import time
from collections.abc import Callable

from metta_sweep.errors import RequestError
from metta_sweep.store.files import read_json, write_json
from metta_sweep.store.lock import Holder, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction

GLANCE_S = 0.3
"""Seconds between two looks at the file, however often the controller asks."""


COMMAND_LINE = "command line"
"""Source of what is asked by ``metta-sweep pause`` and the like."""


class InstructionFile:
    """The latest instruction to a sweep's controller."""

    def __init__(self, paths: SweepPaths, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._path = paths.instruction
        self._clock_s = clock_s
        self._seen = Instruction.WORK
        self._looked_s = -GLANCE_S
        self.source = COMMAND_LINE
        """Where what was read last was asked."""

    def give(self, instruction: Instruction, *, source: str = COMMAND_LINE) -> None:
        """Leave an instruction; it replaces the one before."""
        write_json(self._path, {"instruction": str(instruction), "source": source})

    def clear(self) -> None:
        """Forget what was said to an earlier controller."""
        self._path.unlink(missing_ok=True)
        self._seen = Instruction.WORK

    def read(self) -> Instruction:
        """Return what is asked; work as usual where there is no file or nothing in it that is known."""
        now_s = self._clock_s()
        if now_s - self._looked_s >= GLANCE_S:
            self._looked_s = now_s
            content = read_json(self._path) or {}
            given = content.get("instruction")
            self._seen = (
                Instruction(given) if isinstance(given, str) and given in set(Instruction) else Instruction.WORK
            )
            self.source = str(content.get("source", COMMAND_LINE))
        return self._seen


def tell_controller(paths: SweepPaths, instruction: Instruction) -> Holder:
    """Leave an instruction for the controller of a sweep and return who that is.

    Raises:
        RequestError: No controller is running.
    """
    by = holder(paths)
    if by is None:
        raise RequestError.of(f"nobody controls sweep {paths.name!r} at this moment", key="run", fix="start it")
    InstructionFile(paths).give(instruction)
    return by
