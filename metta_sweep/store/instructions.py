"""What a person at another terminal asks of a running controller: one small file that it reads at every turn."""

from __future__ import annotations

from metta_sweep.errors import RequestError
from metta_sweep.store.files import read_json, write_json
from metta_sweep.store.lock import Holder, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction

COMMAND_LINE = "command line"
"""Source of what is asked by ``metta-sweep pause`` and the like."""


class InstructionFile:
    """The latest instruction to a sweep's controller."""

    def __init__(self, paths: SweepPaths) -> None:
        self._path = paths.instruction
        self.source = COMMAND_LINE
        """Where what was read last was asked."""

    def give(self, instruction: Instruction, *, source: str = COMMAND_LINE) -> None:
        """Leave an instruction; it replaces the one before."""
        write_json(self._path, {"instruction": str(instruction), "source": source})

    def clear(self) -> None:
        """Forget what was said to an earlier controller."""
        self._path.unlink(missing_ok=True)

    def read(self) -> Instruction:
        """Return what is asked; work as usual where there is no file or nothing in it that is known."""
        content = read_json(self._path) or {}  # every time: what was asked comes before the next start
        given = content.get("instruction")
        self.source = str(content.get("source", COMMAND_LINE))
        return Instruction(given) if isinstance(given, str) and given in set(Instruction) else Instruction.WORK


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
