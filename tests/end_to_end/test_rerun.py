"""The best, or any run, is done again from wherever one stands, and all that it leaves is kept."""

from __future__ import annotations

import json

import pytest
import yaml

from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths
from tests import warm

READ = """
rollout_count: 1
sweep:
  command: python3 print_it.py {args} --seed={seed}
  env: {FACTOR: "10"}
  results: {from: stdout, metrics: {loss: 'loss: ([-.e0-9]+)'}}
  metric: loss
  goal: minimize
  parameters:
    x: {min: 0.0, max: 1.0, distribution: uniform}
"""

PRINTS = """
import os, sys
from tests import warm
given = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
open(os.path.join(os.environ["METTA_SWEEP_RUN_DIR"], "weights.txt"), "w").write(given["seed"])
print("loss:", float(os.environ["FACTOR"]) * float(given["x"]))
"""

BUNDLED = """
rollout_count: 1
sweep:
  parameters:
    trainer.learning_rate: {min: 0.0001, max: 0.01, distribution: log_normal}
  trainer: {total_timesteps: 1024, batch_size: 512}
  sim: {num_envs: 4}
"""


@pytest.fixture
def rerun(sweep, tmp_path_factory):
    """Return what types a rerun in another folder, where no variable says where sweeps lie."""
    elsewhere, environment = tmp_path_factory.mktemp("elsewhere"), sweep.env()
    del environment["DATA_DIR"]

    def typed(*words):
        given = ("rerun", *words, "--data-dir", str(sweep.root / "data"))
        done = warm.run(*given, cwd=elsewhere, env=environment)
        assert list(elsewhere.iterdir()) == []
        return done

    return typed


def kept(sweep, name):
    return sorted((sweep.root / "data" / "rerun" / name / "runs").iterdir())


@pytest.mark.slow
def test_the_best_is_run_again_with_more_seeds_and_another_value_and_the_same_command_is_complete(sweep, rerun):
    assert sweep.run(sweep.write_trial(rollouts=1, seconds=0)).returncode == 0
    done = [rerun("s", "--seeds", "2", "x=0.3") for _ in range(2)]
    assert [each.returncode for each in done] == [0, 0], done[0].stderr
    assert "complete: s.r.0 is done again" in done[1].stdout
    results = [json.loads((run / "result.json").read_text()) for run in kept(sweep, "s.r.0.rerun")]
    assert results == [{"metrics": {"loss": 0.0}, "cost_s": 1.3}] * 2
    other = rerun("s.r.0")
    assert other.returncode == 0, other.stderr
    assert [run.name for run in kept(sweep, "s.r.0.rerun2")] == ["s.r.0.rerun2.r.0"]


@pytest.mark.slow
def test_a_run_whose_numbers_are_read_leaves_its_result_with_the_variables_that_it_had(sweep, rerun):
    (sweep.root / "print_it.py").write_text(PRINTS)
    (sweep.root / "read.yaml").write_text(READ)
    assert sweep.run("++sweep_params=read.yaml").returncode == 0
    done = rerun("s.r.0")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = kept(sweep, "s.r.0.rerun")
    before = json.loads((sweep.root / "data/sweep/s/runs/s.r.0/result.json").read_text())["metrics"]
    assert json.loads((run / "result.json").read_text())["metrics"] == before == {"loss": 5.0}
    assert (run / "weights.txt").read_text() == "0"


@pytest.mark.long
def test_the_bundled_trainer_trains_longer_and_keeps_checkpoints_and_provenance(sweep, rerun):
    (sweep.root / "bundled.yaml").write_text(BUNDLED)
    assert sweep.run("++sweep_params=bundled.yaml").returncode == 0
    refused = rerun("s", "trainer.total_timestep=2048")
    assert (refused.returncode, "trainer.total_timesteps" in refused.stderr) == (2, True)
    assert not (sweep.root / "data" / "rerun").exists()
    done = rerun("s", "trainer.total_timesteps=2048")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = kept(sweep, "s.r.0.rerun")
    assert json.loads((run / "result.json").read_text())["steps"] == 2048
    assert list((run / "checkpoints").glob("*.pt"))
    then, now = (yaml.safe_load((folder / "config.yaml").read_text()) for folder in (run, _of(sweep, "s.r.0")))
    assert (then["seed"], then["trainer"]["learning_rate"]) == (now["seed"], now["trainer"]["learning_rate"])
    state = state_of(SweepPaths(sweep.root / "data", "s.r.0.rerun"))
    assert (state.spec.reruns, state.asked.code is not None) == ("s.r.0", True)


def _of(sweep, run_id):
    return sweep.root / "data" / "sweep" / "s" / "runs" / run_id
