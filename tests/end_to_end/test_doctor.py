"""The doctor finds what is amiss, and mends a journal from what can be proven or read again."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from metta_sweep.store.paths import SweepPaths
from tests.end_to_end.test_control import control


@pytest.mark.slow
def test_a_sound_sweep_is_called_sound_and_a_repair_changes_nothing(sweep):
    sweep.run(sweep.write_trial(rollouts=2, seconds=0))
    (journal,) = (sweep.root / "data").rglob("sweep.db")
    before = journal.read_bytes()
    done = control(sweep, "doctor", sweep.name, "--repair")
    assert done.returncode == 0, done.stdout
    assert "journal: sound: 2 rollouts, 2 runs" in done.stdout
    assert "nothing to mend" in done.stdout
    assert journal.read_bytes() == before


def damage_truncate(journal):
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 2])


def damage_empty(journal):
    journal.write_bytes(b"")


def damage_flip(journal):
    whole = bytearray(journal.read_bytes())
    place = whole.rindex(b"run_finished")
    whole[place + 40] ^= 0xFF
    journal.write_bytes(bytes(whole))


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage_truncate, marks=pytest.mark.long),
        pytest.param(damage_empty, marks=pytest.mark.long),
        damage_flip,
        pytest.param(os.unlink, marks=pytest.mark.long),
    ],
)
def test_a_damaged_journal_is_mended_and_no_finished_run_is_done_again(sweep, damage):
    asked = sweep.write_trial(rollouts=4, seconds=0)
    sweep.run(asked)
    before = sweep.facts()
    paths = SweepPaths(sweep.root / "data", sweep.name)
    damage(paths.journal)
    assert sweep.run(asked).returncode == 2
    assert control(sweep, "doctor", sweep.name).returncode == 1
    mended = control(sweep, "doctor", sweep.name, "--repair")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    after = sweep.facts()
    assert {run["run"]: run["metric"] for row in after["rollouts"] for run in row["runs"]} == {
        run["run"]: run["metric"] for row in before["rollouts"] for run in row["runs"]
    }
    assert sweep.run(asked, "rollout_count=5").returncode == 0
    assert sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(5)})


@pytest.mark.slow
def test_runs_that_a_dead_controller_left_are_named(sweep):
    asked = sweep.write_trial(rollouts=1, seconds=30)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    controller.kill()
    controller.communicate()
    assert "s.r.0: left by a dead controller" in control(sweep, "doctor", sweep.name).stdout
    control(sweep, "stop", sweep.name, "--now")
    assert "alive: none" in control(sweep, "doctor", sweep.name).stdout


@pytest.mark.slow
def test_without_a_name_the_machine_is_looked_at(sweep):
    done = control(sweep, "doctor")
    assert "disk:" in done.stdout
    assert "versions: python" in done.stdout
    assert "ok   protein: the models differ from gpytorch's by" in done.stdout
    assert control(sweep, "doctor", "--repair").returncode == 2
