"""What is asked of a running controller is known to it the next time it looks, however soon that is."""

from __future__ import annotations

from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction


def test_what_is_asked_is_read_at_once(tmp_path):
    paths = SweepPaths(tmp_path, "s")
    paths.root.mkdir(parents=True)
    controller, person = InstructionFile(paths), InstructionFile(paths)
    assert controller.read() is Instruction.WORK
    for asked in (Instruction.STOP, Instruction.PAUSE, Instruction.WORK):
        person.give(asked, source="W&B")
        assert (controller.read(), controller.source) == (asked, "W&B")
    controller.clear()
    assert (controller.read(), controller.source) == (Instruction.WORK, "command line")
