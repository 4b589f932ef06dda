"""Offline runs: written once, sent by ``wandb sync``, attached to their sweep, and never doubled by our own sync."""

from __future__ import annotations

import subprocess
import sys

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import Mode, start_mirror, sync
from tests.track.comparing import assert_mirrored
from tests.track.told import ToldSweep, environment

pytestmark = pytest.mark.slow


def write_offline(sweep):
    mirror = start_mirror(sweep.paths, WandbSettings(mode="offline"), Mode.OFFLINE, environment())
    return mirror.stop(60)


def offline_folders(sweep):
    return sorted((sweep.paths.root / "wandb").glob("offline-run-*"))


def wandb_sync(server, sweep):
    folders = map(str, offline_folders(sweep))
    command = [sys.executable, "-m", "wandb", "sync", *folders]
    usual = {"capture_output": True, "text": True, "timeout": 100, "check": False}
    done = subprocess.run(command, env=environment(server), cwd=sweep.paths.data_dir, **usual)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_offline_runs_of_a_registered_sweep_attach_to_it_by_wandb_sync(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=3).whole_run(1.0)
    assert sync(sweep.paths, environ=environment(server), timeout_s=60).complete
    sweep.whole_run(2.0).whole_run(3.0).close()
    assert write_offline(sweep).startswith("W&B: 2 runs written offline")
    wandb_sync(server, sweep)
    assert len(server.world.sweeps) == 1
    assert sync(sweep.paths, environ=environment(server), timeout_s=60).complete
    assert_mirrored(server, sweep)


def test_a_sweep_that_was_never_online_is_registered_and_attached_later(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0).whole_run(2.0).close()
    write_offline(sweep)
    assert server.requests.total() == 0
    wandb_sync(server, sweep)
    assert sync(sweep.paths, environ=environment(server), timeout_s=60).complete
    assert_mirrored(server, sweep)


def test_a_run_is_written_offline_once(tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0)
    write_offline(sweep)
    first = offline_folders(sweep)
    assert len(first) == 1
    sweep.whole_run(2.0).close()
    assert write_offline(sweep).startswith("W&B: 2 runs written offline")
    assert len(offline_folders(sweep)) == 2
    assert first[0] in offline_folders(sweep)


@pytest.mark.long
def test_an_offline_mirror_killed_half_way_leaves_no_half_run(tmp_path, server):
    sweep = ToldSweep(tmp_path, rollout_count=3)
    for value in (1.0, 2.0, 3.0):
        sweep.whole_run(value, evaluations=30)
    sweep.close()
    mirror = start_mirror(sweep.paths, WandbSettings(mode="offline"), Mode.OFFLINE, environment())
    while not offline_folders(sweep):
        mirror.poll()
    mirror._process.kill()
    mirror._process.wait()
    mirror._release()
    write_offline(sweep)
    assert len(offline_folders(sweep)) == 3
    wandb_sync(server, sweep)
    assert {len(run.history) for run in server.world.runs.values()} == {30}
