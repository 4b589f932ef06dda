"""Ctrl-C with launcher.on_interrupt=finish: the first lets runs end, the second ends them, the terminal says which."""

from __future__ import annotations

import signal

import pytest

from tests.end_to_end.conftest import HELD
from tests.end_to_end.test_control import control

FINISH = "launcher.on_interrupt=finish"


@pytest.mark.slow
def test_the_first_lets_the_run_end_and_starts_nothing_new(sweep):
    asked = sweep.write_trial(rollouts=3, trial=HELD)
    controller = sweep.start(asked, FINISH)
    sweep.wait_for("start", 1)
    controller.send_signal(signal.SIGINT)
    sweep.wait_for_output(controller, "runs go on to their end, nothing new is started; Ctrl-C ends them now")
    sweep.let_go()
    output, _ = controller.communicate(timeout=240)
    assert controller.returncode == 130, output
    assert sum(sweep.noted("start").values()) == sum(sweep.noted("end").values()) == 1


@pytest.mark.long
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ends_the_runs_for_the_next_start_to_resume(sweep, second):
    asked = sweep.write_trial(rollouts=1, seconds=60)
    controller = sweep.start(asked, FINISH)
    sweep.wait_for("start", 1)
    controller.send_signal(signal.SIGINT)
    sweep.wait_for_output(controller, "Ctrl-C ends them now")
    controller.send_signal(second)
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 128 + second, output
    assert "runs are ended and will be resumed" in output
    assert sweep.noted("end") == {}
    assert sweep.wait_until_quiet() == []


@pytest.mark.long
def test_a_stop_from_elsewhere_is_heard_after_the_first(sweep):
    controller = sweep.start(sweep.write_trial(rollouts=1, seconds=60), FINISH)
    sweep.wait_for("start", 1)
    controller.send_signal(signal.SIGINT)
    assert control(sweep, "stop", sweep.name, "--now").returncode == 0
    controller.communicate(timeout=120)
    assert controller.returncode == 130
    assert sweep.wait_until_quiet() == []
