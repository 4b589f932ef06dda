"""What one run leaves can harm that run alone: whole sweeps of the real command, in which single runs do odd things."""

from __future__ import annotations

import re

import pytest

from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from tests.end_to_end.conftest import TRIAL
from tests.end_to_end.test_control import control

pytestmark = pytest.mark.slow

ODD = """
number = int(run_dir.rpartition(".")[2])
result = run_dir + "/result.json"

def leave(text, code=0):
    note("end")
    open(result, "w").write(text)
    sys.exit(code)

if number == 1:
    os.mkfifo(run_dir + "/metrics.jsonl")
    leave('{"metrics": {"loss": 0.5, "aux": null, "why": "plateau", "val": {"f1": 0.25}}, "cost_s": NaN}')
if number == 2:
    leave("[" * 100_000)
if number == 3:
    os.mkdir(run_dir + "/metrics.jsonl")
    leave('{"metrics": {"loss": 0.4}, "cost_s": -3, "steps": "many"}', code=1)
if number == 4:
    os.symlink("result.json", result)
    sys.exit(0)
if number == 5:
    nested, fine = '{"step": ' + "[" * 100_000, '{"step": 1, "time_s": 1, "metrics": {"loss": 1}}'
    open(run_dir + "/metrics.jsonl", "w").write(nested + "\\n" + fine + "\\n")
    leave('{"metrics": {"loss": 0.3}, "cost_s": 1e300}')
if number == 6:
    os.mkdir(result)
    sys.exit(0)
"""
ODD_TRIAL = TRIAL.replace("time.sleep(seconds)", ODD)


def runs_of(facts):
    return {run["run"]: run for row in facts["rollouts"] for run in row["runs"]}


def test_odd_results_harm_their_own_run_alone(sweep):
    done = sweep.run(sweep.write_trial(rollouts=8, trial=ODD_TRIAL), "launcher.max_parallel=2", timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    runs = runs_of(sweep.facts())
    failed = {run for run, facts in runs.items() if facts["failure"] is not None}
    assert failed == {"s.r.2", "s.r.4", "s.r.6"}
    assert {runs[run]["failure"]["class"] for run in failed} == {"no_result"}
    assert runs["s.r.1"]["metrics"] == {"loss": 0.5, "val/f1": 0.25}
    assert all(0.0 < runs[run]["cost_s"] < 100.0 for run in ("s.r.1", "s.r.3", "s.r.5"))
    notes = {run: " ".join(facts["notes"]) for run, facts in runs.items()}
    assert "aux (null), why (text)" in notes["s.r.1"]
    assert "exit 1 after its result" in notes["s.r.3"]
    assert "cost_s is -3" in notes["s.r.3"]
    assert "exit 1 after its result" in done.stdout
    assert "exit 1 after its result" in sweep.summarize().stdout


def test_a_run_that_does_not_exit_after_its_result_is_ended_and_its_wait_is_no_cost(sweep):
    hang = (
        TRIAL.replace('"cost_s": 1.0 + x', '"y": 1')
        + "\nimport threading\nthreading.Thread(target=time.sleep, args=(3600,)).start()\n"
    )
    done = sweep.run(sweep.write_trial(rollouts=1, trial=hang), "launcher.exit_grace=2s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"ended 2(\.\d+)? s after its result, it did not exit", done.stdout)
    [run] = runs_of(sweep.facts()).values()
    assert run["metric"] is not None
    assert run["cost_s"] < 2.0
    assert "it did not exit" in sweep.summarize().stdout
    assert "it did not exit" in control(sweep, "explain", sweep.name).stdout
    assert sweep.wait_until_quiet() == []


def test_a_command_that_cannot_work_fails_with_its_cause_and_the_same_command_does_it_again(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=0.0)
    trial = sweep.root / "trial.py"
    trial.rename(sweep.root / "elsewhere.py")
    done = sweep.run(asked)
    assert done.returncode == 1
    assert "none of 2 rollouts has a loss: 2 crash" in done.stdout
    assert "can't open file" in done.stdout.rpartition("what the last failure left in its log")[2]
    assert "the same command does the failed runs again" in done.stdout
    assert "Complete" not in done.stdout + sweep.summarize().stdout
    (sweep.root / "elsewhere.py").rename(trial)
    again = sweep.run(asked)
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(sweep.noted("end")) == {"s.r.0", "s.r.1"}


def test_a_journal_that_an_older_version_poisoned_goes_on(sweep):
    assert sweep.run(sweep.write_trial(rollouts=2, seconds=0.0)).returncode == 0
    poisoned_journal(SweepPaths(sweep.root / "data", sweep.name))
    done = sweep.run(sweep.write_trial(rollouts=3, seconds=0.0))
    assert done.returncode == 0, done.stdout + done.stderr
    facts = sweep.facts()
    assert facts["decided"] == 3
    assert 0.0 < facts["cost_s"] < 100.0


def poisoned_journal(paths):
    """Write the sweep's journal anew with a cost and a second metric that no version should have stored."""
    journal = SqliteJournal.open(paths, create=False)
    events = list(journal.read())
    journal.close()
    for path in (paths.journal, paths.head):
        path.unlink()
    for event in events:
        if event["kind"] == "run_finished":
            event["cost_s"] = event["metrics"]["other"] = float("nan")
            event["curve"] = [[1.0, float("nan"), 1.0], [2.0, 0.5, 2.0]]
    aside = paths.runs.rename(paths.root / "aside")
    journal = SqliteJournal.open(paths, create=True)
    journal.append(events)
    journal.close()
    aside.rename(paths.runs)
