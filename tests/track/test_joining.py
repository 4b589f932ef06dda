"""A trainer that calls ``wandb.init`` itself, with names of its own, is the sweep's run and not another one."""

from __future__ import annotations

import sys

import pytest

from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.joining import has_joined, joining
from metta_sweep.track.labels import Labels
from metta_sweep.track.ranges import identity_of
from tests.track.test_whole_sweep import ROOT, SweepOnDisk, environ_of, run
from tests.track.told import ToldSweep

TRAINER = """
import sys, wandb
lr = float(sys.argv[1].split("=")[1])
with wandb.init(config={{"lr": lr, "depth": 3}}, settings=wandb.Settings(console="off", silent=True)) as logged:
    for step in range(3):
        logged.log({{"loss": (lr - 0.3) ** 2 + 1 / (step + 1), "epoch": step}})
    logged.summary["note"] = "mine"
sys.path.insert(0, {root!r})
import metta_sweep
metta_sweep.finish(loss=(lr - 0.3) ** 2, steps=3)
"""
FILE = """
# @package _global_
rollout_count: 2
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "{trainer}", "{{args}}"]
  parameters:
    lr: {{min: 0.0, max: 1.0, distribution: uniform}}
"""


def test_the_variables_say_which_run_it_is(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0).close()
    of_run = sweep.state.runs["my_test.r.0"]
    given = joining(sweep.state, of_run, sweep.paths, labels=Labels(name="mine {number}"))
    identity, root = identity_of(sweep.state.created), sweep.paths.run("my_test.r.0").root
    assert given == {
        "WANDB_RUN_ID": f"my_test.r.0-{identity}",
        "WANDB_NAME": "mine 0",
        "WANDB_RUN_GROUP": "my_test.rollout.0",
        "WANDB_JOB_TYPE": "train",
        "WANDB_RESUME": "allow",
        "WANDB_DIR": str(root.resolve()),
    }
    assert not has_joined(sweep.paths.run("my_test.r.0"), given["WANDB_RUN_ID"])
    (root / "wandb" / f"offline-run-20260101_000000-{given['WANDB_RUN_ID']}").mkdir(parents=True)
    assert has_joined(sweep.paths.run("my_test.r.0"), given["WANDB_RUN_ID"])
    assert not has_joined(sweep.paths.run("my_test.r.0"), "another")


@pytest.mark.slow
def test_a_trainer_with_a_run_of_its_own_writes_the_sweeps_run(server, tmp_path, no_process_left):
    trainer, file, root = tmp_path / "train.py", tmp_path / "own.yaml", str(ROOT)
    trainer.write_text(TRAINER.format(root=root))
    file.write_text(FILE.format(python=sys.executable, trainer=trainer))
    line = [sys.executable, "-m", "metta_sweep.commands", "run", "run=own", f"++sweep_params={file}", "wandb=online"]
    said = run(tmp_path, line, environ_of(server, tmp_path))
    assert "W&B: 2 runs, all there" in said
    sweep = SweepOnDisk(SweepPaths(tmp_path / "data", "own"))
    (there,) = server.world.sweeps
    runs = {r.display_name: r for r in server.world.runs.values() if r.job_type == "train"}
    assert runs.keys() == sweep.state.runs.keys() == {"own.r.0", "own.r.1"}
    for run_id, remote in runs.items():
        done = sweep.state.runs[run_id]
        lr = sweep.state.rollouts[done.rollout].suggestion.params["lr"]
        assert (remote.sweep, remote.group, remote.state) == (there, f"own.rollout.{done.rollout}", "finished")
        assert remote.config == {"lr": pytest.approx(lr), "depth": 3}
        assert [row["epoch"] for row in remote.history] == [0, 1, 2]
        assert remote.summary["note"] == "mine"
        assert remote.summary["score"] == -done.metrics["loss"]
        assert remote.summary["metta_sweep"]["run"] == run_id
