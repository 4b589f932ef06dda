"""From another terminal: stop, pause, resume, and failed runs done again."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.end_to_end.conftest import HELD, TRIAL


def control(sweep, *words):
    return sweep.type(*words)


@pytest.mark.slow
def test_stop_lets_the_run_end_and_the_same_command_goes_on(sweep):
    asked = sweep.write_trial(rollouts=3, trial=HELD)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    assert control(sweep, "stop", sweep.name).returncode == 0
    sweep.let_go()
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 0
    assert "stopped by hand" in output
    assert sweep.noted("end") == sweep.noted("start") == Counter({"s.r.0": 1})
    assert sweep.run(asked).returncode == 0
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(3)})


@pytest.mark.slow
def test_a_point_that_is_added_while_the_sweep_runs_comes_next_and_a_wrong_one_changes_nothing(sweep):
    asked = sweep.write_trial(rollouts=2, trial=HELD)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    wrong = control(sweep, "add", sweep.name, "x=7")
    assert (wrong.returncode, "got 7" in wrong.stderr) == (2, True)
    assert "runs it next" in control(sweep, "add", sweep.name, "x=0.125").stdout
    sweep.let_go()
    controller.communicate(timeout=120)
    assert [rollout["params"] for rollout in sweep.facts()["rollouts"]][1] == {"x": 0.125}


@pytest.mark.slow
def test_stop_now_ends_the_runs_and_leaves_nothing_alive(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=60)
    controller = sweep.start(asked, "launcher.max_parallel=2")
    sweep.wait_for("start", 2)
    done = control(sweep, "stop", sweep.name, "--now")
    assert (done.returncode, done.stdout.strip().endswith("stopped")) == (0, True)
    controller.communicate(timeout=120)
    assert controller.returncode == 0
    assert sweep.wait_until_quiet() == []


@pytest.mark.slow
def test_stop_now_ends_what_a_killed_controller_left(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=60)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    controller.kill()
    controller.communicate()
    assert "have been ended: 1" in control(sweep, "stop", sweep.name, "--now").stdout
    assert sweep.wait_until_quiet() == []
    (sweep.root / "trial.py").write_text((sweep.root / "trial.py").read_text().replace("sleep(seconds)", "sleep(0)"))
    assert sweep.run(asked).returncode == 0
    assert sweep.noted("end") == Counter({"s.r.0": 1})


@pytest.mark.slow
def test_a_paused_sweep_starts_nothing_until_it_is_resumed(sweep):
    asked = sweep.write_trial(rollouts=2, trial=HELD)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    assert control(sweep, "pause", sweep.name).returncode == 0
    sweep.let_go()
    sweep.wait_for("end", 1)
    time.sleep(2)
    assert sum(sweep.noted("start").values()) == 1
    assert control(sweep, "resume", sweep.name).returncode == 0
    controller.communicate(timeout=120)
    assert controller.returncode == 0
    assert sum(sweep.noted("end").values()) == 2


@pytest.mark.slow
def test_a_run_that_is_over_is_done_again_on_request_and_what_it_left_is_kept(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=0, trial=TRIAL.replace('note("start")', 'raise MemoryError("no")'))
    sweep.run(asked)
    assert sweep.facts()["failures"][0]["class"] == "oom"
    sweep.write_trial(rollouts=1, seconds=0)
    assert control(sweep, "retry", sweep.name, "s.r.0").returncode == 0
    assert sweep.run(asked).returncode == 0
    assert sweep.facts()["best_run"]["run"] == "s.r.0"
    refused = control(sweep, "retry", sweep.name, "s.r.0", "s.r.7")
    assert (refused.returncode, "s.r.7: there is no such run" in refused.stderr) == (2, True)
    assert control(sweep, "retry", sweep.name, "0", "--new-seed").returncode == 0
    assert control(sweep, "resume", sweep.name).returncode == 0
    runs = sweep.root / "data" / "sweep" / "s" / "runs"
    assert (runs / "s.r.0.attempt-2" / "result.json").exists()
    assert (runs / "s.r.0" / "result.json").exists()
    assert sweep.facts()["best_rollout"] == 0
    assert sweep.facts()["rollouts"][0]["runs"][0]["seed"] > 1000


@pytest.mark.slow
def test_after_a_failed_sweep_the_same_command_tries_again(sweep):
    asked = sweep.write_trial(rollouts=5, seconds=0, trial=TRIAL.replace('note("start")', 'raise KeyError("x")'))
    assert sweep.run(asked).returncode == 1
    sweep.write_trial(rollouts=5, seconds=0)
    assert sweep.run(asked).returncode == 0
    assert sum(sweep.noted("end").values()) == 5


@pytest.mark.slow
def test_nobody_at_work_is_said_plainly(sweep):
    sweep.run(sweep.write_trial(rollouts=1, seconds=0))
    assert "no controller is running" in control(sweep, "stop", sweep.name).stdout
    assert control(sweep, "pause", sweep.name).returncode == 2


@pytest.mark.slow
def test_a_finished_sweep_is_confirmed_on_fresh_seeds_and_its_search_stays_as_it_is(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=0.0)
    assert sweep.run(asked).returncode == 0
    done = control(sweep, "confirm", sweep.name, "--top-k", "1", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(4)})
    facts = sweep.facts()
    assert len(facts["rollouts"]) == facts["rollout_count"] == 2
    assert facts["confirmation"]["winner"] == facts["best_rollout"]
    assert sum(point["scored"] for point in facts["confirmation"]["points"]) == 2


@pytest.mark.slow
def test_a_confirmation_that_was_killed_goes_on_and_loses_nothing(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=0.5)
    confirm = "++sweep.confirm={top_k: 1, seeds: 3}"
    controller = sweep.start(asked, confirm)
    sweep.wait_for("start", 2)
    controller.kill()
    controller.communicate()
    assert sweep.run(asked, confirm).returncode == 0
    assert sweep.noted("end") == sweep.noted("start") == Counter({f"s.r.{k}": 1 for k in range(4)})


@pytest.mark.slow
def test_a_confirmation_that_cannot_be_is_refused_in_words(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=0.0)
    sweep.run(asked)
    done = control(sweep, "confirm", sweep.name, "--seeds", "0")
    assert (done.returncode, "--seeds: need at least 1, got 0" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
