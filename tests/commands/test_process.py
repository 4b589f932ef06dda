"""Stop signals are remembered once and end a wait; a second one takes its usual effect."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from metta_sweep.commands.process import STOP_SIGNALS, StopSignals, SystemClock


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_is_remembered_and_handlers_are_put_back(number):
    before = signal.getsignal(number)
    with StopSignals() as signals:
        os.kill(os.getpid(), number)
        assert signals.received == number
    assert signal.getsignal(number) is before


def test_a_wait_ends_when_a_signal_comes():
    with StopSignals() as signals:
        clock = SystemClock(signals)
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began = clock.monotonic_s()
        clock.sleep(10)
        assert clock.monotonic_s() - began < 5
        began = time.monotonic()
        clock.sleep(0.01)
        assert time.monotonic() - began >= 0.005


def test_a_patient_first_interrupt_asks_to_finish_and_the_next_one_to_stop():
    with StopSignals(patient=True) as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert (signals.is_finishing, signals.received) == (True, None)
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT


def test_a_signal_at_any_moment_of_a_wait_is_heard():
    """A lock that is held while the signal comes would be waited for until the end of days."""
    code = (
        "from metta_sweep.commands.process import StopSignals\n"
        "for _ in range(1000):\n"
        "    with StopSignals(patient=True) as signals:\n"
        "        print('ready', flush=True)\n"
        "        while not signals.is_finishing:\n"
        "            signals.wait(0.0)\n"
    )
    rng = random.Random(0)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as waiting:
        ended = threading.Timer(30.0, waiting.kill)
        ended.start()
        for _ in waiting.stdout:
            time.sleep(rng.uniform(0.0, 0.0005))
            waiting.send_signal(signal.SIGINT)
        ended.cancel()
    assert waiting.returncode == 0


def test_a_call_to_wake_up_ends_one_wait_however_often_it_came():
    signals = StopSignals()
    for _ in range(200_000):
        signals.wake()
    began = time.monotonic()
    while time.monotonic() - began < 5:
        at = time.monotonic()
        signals.wait(0.05)
        if time.monotonic() - at >= 0.04:
            break
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_patience_is_for_interrupts_only(number):
    with StopSignals(patient=True) as signals:
        os.kill(os.getpid(), number)
        assert (signals.is_finishing, signals.received) == (False, number)


def test_a_patient_wait_ends_at_once_and_the_next_one_is_a_wait_again():
    with StopSignals(patient=True) as signals:
        clock = SystemClock(signals)
        os.kill(os.getpid(), signal.SIGINT)
        began_s = time.monotonic()
        clock.sleep(10)
        assert time.monotonic() - began_s < 5
        clock.sleep(0.05)
        assert time.monotonic() - began_s >= 0.05


def test_a_second_signal_ends_the_process_at_once():
    code = (
        "import os, signal\n"
        "from metta_sweep.commands.process import StopSignals\n"
        "with StopSignals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('alive', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('never')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("alive\n", -signal.SIGTERM)


def test_a_low_limit_of_open_files_is_raised_where_that_is_allowed_and_told_in_one_message_where_not():
    code = (
        "import resource, sys\n"
        "from metta_sweep.commands.process import need_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, int(sys.argv[1])))\n"
        "need_open_files(64)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    raised = subprocess.run([sys.executable, "-c", code, "200"], capture_output=True, text=True, check=False)
    assert raised.stdout == "64\n", raised.stderr
    refused = subprocess.run([sys.executable, "-c", code, "50"], capture_output=True, text=True, check=False)
    assert "ulimit -n: only 50 files may be open at once, and a sweep needs 64" in refused.stderr
