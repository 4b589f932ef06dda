"""Runs that will not win are ended in real processes, and everybody is told."""

from __future__ import annotations

import sys

import pytest

TRIAL = """
import json, os, signal, sys, time
import metta_sweep
x, marks = float(sys.argv[1].split("=")[1]), sys.argv[2]

def ended(*_):
    open(os.path.join(marks, os.path.basename(os.environ["METTA_SWEEP_RUN_DIR"])), "w").close()
    sys.exit(143)

signal.signal(signal.SIGTERM, ended)
for tenth in range(1, 11):
    time.sleep(0.15)
    metta_sweep.report(step=10 * tenth, loss=(x - 0.5) ** 2 + 1.0 - tenth / 10, share=tenth / 10)
metta_sweep.finish(loss=(x - 0.5) ** 2)
"""

SWEEP_FILE = """
# @package _global_
rollout_count: 4
sweep:
  metric: loss
  goal: minimize
  early_stop: {{policy: halving, min_full_runs: 2}}
  command: ["{python}", "{trial}", "{{args}}", "{marks}"]
  optimizer: random
  parameters:
    x: {{min: 0.0, max: 1.0, distribution: uniform}}
"""


@pytest.mark.slow
def test_losing_runs_are_asked_to_end_and_shown_as_what_they_are(sweep):
    marks = sweep.root / "marks"
    marks.mkdir()
    trial, file = sweep.root / "early.py", sweep.root / "early.yaml"
    trial.write_text(TRIAL)
    file.write_text(SWEEP_FILE.format(python=sys.executable, trial=trial, marks=marks))
    told = sweep.run(f"++sweep_params={file}")
    assert told.returncode == 0, told.stderr + told.stdout
    facts = sweep.facts()
    stopped = [run for rollout in facts["rollouts"] for run in rollout["runs"] if run["state"] == "stopped_early"]
    assert stopped
    assert {run["run"] for run in stopped} == {mark.name for mark in marks.iterdir()}
    assert all("below the median" in run["stopped_early"]["reason"] for run in stopped)
    assert all(run["failure"] is None and run["metric"] is None and run["share"] < 0.9 for run in stopped)
    assert facts["full_rollouts"] <= 4.0 < facts["decided"] <= len(facts["rollouts"])
    assert not facts["failures"]
    assert "stopped early at 2" in told.stdout
    assert "Stopped early at 2" in sweep.summarize().stdout


ASKING_TRIAL = """
import sys, time
import metta_sweep
x = float(sys.argv[1].split("=")[1])
loss = 1.0
for tenth in range(1, 11):
    time.sleep(0.15)
    loss = (x - 0.5) ** 2 + 1.0 - tenth / 10
    metta_sweep.report(step=10 * tenth, loss=loss, share=tenth / 10)
    if metta_sweep.should_stop():
        break
metta_sweep.finish(loss=loss, steps=10 * tenth)
"""


@pytest.mark.long
def test_runs_that_ask_end_by_themselves_and_what_they_leave_is_no_score(sweep):
    marks = sweep.root / "marks"
    trial, file = sweep.root / "asking.py", sweep.root / "asking.yaml"
    trial.write_text(ASKING_TRIAL)
    file.write_text(SWEEP_FILE.format(python=sys.executable, trial=trial, marks=marks))
    told = sweep.run(f"++sweep_params={file}")
    assert told.returncode == 0, told.stderr + told.stdout
    runs = [run for rollout in sweep.facts()["rollouts"] for run in rollout["runs"]]
    stopped = [run for run in runs if run["state"] == "stopped_early"]
    assert stopped
    for run in stopped:
        folder = next(sweep.root.rglob(f"runs/{run['run']}"))
        assert (folder / "stop.seen").exists()
        assert (folder / "result.json").exists()  # it left one, as its code does after the loop
        assert run["metric"] is None
