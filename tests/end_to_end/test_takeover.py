"""A sweep taken from a controller that was only paused: real processes, SIGSTOP and SIGCONT, an independent ledger."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing

import pytest

from metta_sweep.store.paths import SweepPaths
from tests.end_to_end.conftest import HELD
from tests.end_to_end.test_control import control


def once(rollouts):
    return Counter({f"s.r.{k}": 1 for k in range(rollouts)})


def pause(sweep, controller):
    """Stop a controller, but not in the middle of a write: nobody can write until that one goes on or is killed."""
    journal = SweepPaths(sweep.root / "data", sweep.name).journal
    while True:
        controller.send_signal(signal.SIGSTOP)
        if not journal.exists() or can_be_written(journal):
            return
        controller.send_signal(signal.SIGCONT)
        time.sleep(0.02)


def can_be_written(journal):
    with closing(sqlite3.connect(journal, timeout=0.0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True


@pytest.mark.long
def test_a_controller_that_was_paused_in_the_middle_of_a_write_is_named(sweep):
    asked = sweep.write_trial(rollouts=2, trial=HELD)
    first = sweep.start(asked)
    sweep.wait_for("start", 1)
    pause(sweep, first)
    with closing(sqlite3.connect(SweepPaths(sweep.root / "data", sweep.name).journal, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        second = sweep.run(asked, "takeover=true")
    assert second.returncode == 1
    assert f"pid {first.pid}" in second.stderr
    assert f"kill -9 {first.pid}" in second.stderr
    first.kill()
    first.communicate()
    sweep.let_go()
    assert sweep.run(asked).returncode == 0
    assert sweep.noted("start") == sweep.noted("end") == once(2)


@pytest.mark.slow
def test_a_paused_controller_that_was_replaced_does_nothing_when_it_wakes_up(sweep):
    asked = sweep.write_trial(rollouts=4, seconds=0.5)
    first = sweep.start(asked, "launcher.max_parallel=2")
    sweep.wait_for("start", 2)
    pause(sweep, first)
    refused = sweep.run(asked)
    assert (refused.returncode, str(first.pid) in refused.stderr) == (2, True)
    second = sweep.run(asked, "takeover=true", "launcher.max_parallel=2")
    assert second.returncode == 0, second.stdout + second.stderr
    assert f"pid {first.pid}" in second.stdout
    first.send_signal(signal.SIGTERM)  # what a person may have sent meanwhile: it must not end the other's runs
    first.send_signal(signal.SIGCONT)
    output, _ = first.communicate(timeout=120)
    assert first.returncode == 1, output
    assert "this controller stops" in output
    assert sweep.noted("start") == sweep.noted("end") == once(4)
    assert "journal: sound: 4 rollouts, 4 runs" in control(sweep, "doctor", sweep.name).stdout


@pytest.mark.long
def test_a_controller_at_work_that_is_replaced_notices_by_itself(sweep):
    asked = sweep.write_trial(rollouts=6, seconds=1.0)
    first = sweep.start(asked, "launcher.max_parallel=2")
    sweep.wait_for("start", 1)
    second = sweep.start(asked, "takeover=true", "launcher.max_parallel=2")
    output, _ = first.communicate(timeout=240)
    assert (first.returncode, f"pid {second.pid}" in output) == (1, True), output
    second.communicate(timeout=240)
    assert second.returncode == 0
    assert sweep.noted("start") == sweep.noted("end") == once(6)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
def test_controllers_paused_replaced_and_woken_at_random_repeat_nothing_and_lose_nothing(sweep, seed):
    rng = random.Random(seed)
    asked = sweep.write_trial(rollouts=16, seconds=0.4)
    paused = []
    for _ in range(8):
        controller = sweep.start(asked, "takeover=true", "launcher.max_parallel=3")
        time.sleep(rng.uniform(0.5, 3.0))
        pause(sweep, controller)
        paused.append(controller)
        if rng.random() < 0.5:
            paused[rng.randrange(len(paused))].send_signal(signal.SIGCONT)
    last = sweep.start(asked, "takeover=true", "launcher.max_parallel=3")
    for controller in paused:
        time.sleep(rng.uniform(0.0, 0.3))
        controller.send_signal(signal.SIGCONT)
    last.communicate(timeout=120)
    assert last.returncode == 0
    for controller in paused:
        controller.communicate(timeout=240)
    assert {controller.returncode for controller in paused} <= {0, 1}
    assert sweep.noted("start") == sweep.noted("end") == once(16)
    assert control(sweep, "doctor", sweep.name).returncode == 0
    assert sweep.wait_until_quiet() == []
