"""Killed anywhere, a sweep comes out exact: real processes, real kill -9, an independent ledger."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

import psutil
import pytest


@pytest.mark.slow
def test_a_sweep_of_any_command_is_complete_and_exact(sweep):
    asked = sweep.write_trial(rollouts=6)
    done = sweep.run(asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(6)})
    facts = sweep.facts()
    assert facts["best_run"]["run"] in sweep.noted("end")
    assert sweep.wait_until_quiet() == []


@pytest.mark.slow
def test_the_same_command_again_starts_nothing_and_a_larger_count_only_the_difference(sweep):
    asked = sweep.write_trial(rollouts=3, seconds=0.05)
    sweep.run(asked)
    again = sweep.run(asked)
    assert again.returncode == 0
    assert "complete" in again.stdout.lower()
    assert sum(sweep.noted("start").values()) == 3
    assert sweep.run(asked, "rollout_count=5").returncode == 0
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(5)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "slots"), [(5, 2), *(pytest.param(20, slots, marks=pytest.mark.long) for slots in (1, 3))]
)
def test_kills_of_the_controller_lose_nothing_and_repeat_nothing(sweep, kills, slots):
    rng = random.Random(slots)
    asked = sweep.write_trial(rollouts=12, seconds=0.5)
    overrides = (asked, f"launcher.max_parallel={slots}")
    for _ in range(kills):
        controller = sweep.start(*overrides)
        time.sleep(rng.uniform(0.3, 2.5))
        controller.kill()
        controller.communicate()
    assert sweep.run(*overrides).returncode == 0
    expected = Counter({f"s.r.{k}": 1 for k in range(12)})
    assert sweep.noted("start") == expected
    assert sweep.noted("end") == expected
    facts = sweep.facts()
    assert facts["decided"] == 12
    assert sweep.wait_until_quiet() == []


@pytest.mark.slow
def test_killed_runs_are_done_again_until_every_one_is_finished(sweep):
    rng = random.Random(0)
    asked = sweep.write_trial(rollouts=8, seconds=0.8)
    controller = sweep.start(asked, "launcher.max_parallel=2", "launcher.max_retries=6")
    kills = 0  # at most max_retries of them: all may hit the same run
    while controller.poll() is None:
        time.sleep(rng.uniform(0.1, 0.5))
        trials = [p for p in sweep.processes() if any("trial.py" in word for word in _words(p))]
        if trials and kills < 6:
            rng.choice(trials).kill()
            kills += 1
    controller.communicate()
    assert controller.returncode == 0
    assert 2 <= kills <= 6
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(8)})
    assert sweep.wait_until_quiet() == []


def _words(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


@pytest.mark.slow
def test_a_run_that_outlived_its_controller_is_adopted_not_repeated(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=2.0)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    controller.kill()
    controller.communicate()
    assert [p for p in sweep.processes() if any("trial.py" in word for word in _words(p))]
    done = sweep.run(asked)
    assert done.returncode == 0
    assert sweep.noted("start") == Counter({"s.r.0": 1, "s.r.1": 1})


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, *(pytest.param(number, marks=pytest.mark.long) for number in (signal.SIGTERM, signal.SIGHUP))],
)
def test_a_stop_signal_ends_everything_in_seconds_and_the_same_command_goes_on(sweep, number):
    asked = sweep.write_trial(rollouts=2, seconds=60)
    controller = sweep.start(asked, "launcher.max_parallel=2")
    sweep.wait_for("start", 2)
    began = time.monotonic()
    controller.send_signal(number)
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 128 + number, output
    assert time.monotonic() - began < 5
    assert sweep.wait_until_quiet() == []
    assert sweep.facts()["decided"] == 0
    (sweep.root / "trial.py").write_text((sweep.root / "trial.py").read_text().replace("sleep(seconds)", "sleep(0)"))
    assert sweep.run(asked).returncode == 0
    assert sweep.noted("end") == Counter({"s.r.0": 1, "s.r.1": 1})


@pytest.mark.slow
def test_a_second_controller_is_told_who_holds_the_sweep(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=600)
    first = sweep.start(asked)
    sweep.wait_for("start", 1)
    second = sweep.run(asked)
    assert second.returncode == 2
    assert str(first.pid) in second.stderr
    assert "Traceback" not in second.stderr
    assert first.poll() is None
    assert sum(sweep.noted("start").values()) == 1
    first.terminate()
    first.communicate()
    assert first.returncode == 143


@pytest.mark.long
def test_the_summary_can_be_read_while_the_sweep_runs(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=1.5)
    controller = sweep.start(asked)
    sweep.wait_for("end", 1)
    sweep.wait_for("start", 2)
    during = sweep.summarize()
    controller.communicate()
    assert during.returncode == 0
    assert "s.r.0" in during.stdout
    assert controller.returncode == 0
