from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, sys, time
from metta_sweep.launch.attempt.wakeups import Wakeups, restore_signals
"""


def run(body):
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM + body], capture_output=True, text=True, check=False, timeout=240
    )
    return found.returncode, found.stdout


def test_a_signal_that_came_before_the_wait_ends_it_at_once():
    code, said = run(
        "w = Wakeups(); os.kill(os.getpid(), signal.SIGTERM)\n"
        "began = time.monotonic(); print(w.wait(20)[1] == {15}, time.monotonic() - began < 10)"
    )
    assert (code, said) == (0, "True True\n")


def test_descriptors_and_time_end_the_wait_too():
    code, said = run(
        "w = Wakeups(); r, wr = os.pipe(); print(w.wait(0.05, [r]) == (set(), set()))\n"
        "os.write(wr, b'x'); print(w.wait(10, [r]) == ({r}, set()))"
    )
    assert (code, said) == (0, "True\nTrue\n")


def test_a_program_finds_its_signals_as_from_a_shell():
    code, _ = run("w = Wakeups(); w.close(); restore_signals(for_python=False); os.kill(os.getpid(), signal.SIGTERM)")
    assert code == -15


def test_python_goes_on_to_raise_keyboard_interrupts():
    code, said = run(
        "w = Wakeups(); w.close(); restore_signals(for_python=True)\n"
        "try: os.kill(os.getpid(), signal.SIGINT); time.sleep(5)\nexcept KeyboardInterrupt: print('raised')"
    )
    assert (code, said) == (0, "raised\n")
