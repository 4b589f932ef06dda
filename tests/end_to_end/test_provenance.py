"""A sweep started in a real repository says with which code its winner was made, and has that code again."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.conftest import SweepUnderTest
from tests.store.test_revision import git


def best(sweep: SweepUnderTest, form: str) -> str:
    done = sweep.type("best", sweep.name, "--as", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_starts_with_different_code_are_told_apart(sweep, tmp_path_factory):
    asked = sweep.write_trial(rollouts=1, seconds=0)
    git(sweep.root, "init", "-q")
    git(sweep.root, "add", "trial.py")
    git(sweep.root, "commit", "-q", "-m", "first")
    commit = git(sweep.root, "rev-parse", "HEAD")
    trial = (sweep.root / "trial.py").read_text()

    (sweep.root / "trial.py").write_text(trial.replace("(x - 0.3) ** 2", "5.0"))
    assert sweep.run(asked).returncode == 0
    worse = json.loads(best(sweep, "json"))["code"]
    assert (worse["commit"], worse["changed"]) == (commit, ["trial.py"])
    assert "ledger.txt" not in worse["untracked"]

    (sweep.root / "trial.py").write_text(trial)
    assert sweep.run(asked, "rollout_count=2").returncode == 0
    better = json.loads(best(sweep, "json"))["code"]
    assert (better["commit"], better["changed"], better["diff"]) == (commit, [], "")
    assert f"Code: git {commit[:12]}; " in best(sweep, "text")

    again = tmp_path_factory.mktemp("again") / "repository"
    git(sweep.root, "clone", "-q", str(sweep.root), str(again))
    git(again, "apply", str(sweep.root / "data" / "sweep" / "s" / worse["diff"]))
    assert "5.0" in (again / "trial.py").read_text()
