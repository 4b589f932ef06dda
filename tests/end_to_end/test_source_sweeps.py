"""A sweep begins with what another one found, and needs that one no more."""

from __future__ import annotations

import shutil

import pytest


@pytest.mark.slow
def test_a_sweep_begins_with_what_another_found_and_goes_on_when_that_one_is_gone(sweep):
    asked = sweep.write_trial(rollouts=4, seconds=0)
    assert sweep.run(asked).returncode == 0
    file = sweep.root / "trial.yaml"
    file.write_text(file.read_text().replace("  goal: minimize\n", "  goal: minimize\n  from: [s]\n"))
    sweep.name = "after"
    begun = sweep.run(asked, "rollout_count=2")
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert "evidence from other sweeps: s (4 rollouts)" in begun.stdout
    assert "predicted to be good by s" in begun.stdout
    shutil.rmtree(sweep.root / "data/sweep/s")
    assert sweep.run(asked, "rollout_count=3").returncode == 0
    facts = sweep.facts()
    assert [(each["name"], each["runs"], each["parameters"]) for each in facts["sources"]] == [("s", 4, ["x"])]
    assert [rollout["rollout"] for rollout in facts["rollouts"]] == [0, 1, 2]
    assert facts["best_run"]["run"].startswith("after.r.")
