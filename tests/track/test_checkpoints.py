"""The last checkpoint of a run is kept as an artifact where that was asked for, and nowhere else."""

from __future__ import annotations

import os

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import sync
from metta_sweep.track.facts import last_checkpoint
from tests.track.comparing import assert_mirrored
from tests.track.told import ToldSweep, environment


@pytest.fixture
def sweep(tmp_path):
    """Two runs; the first has left two checkpoints, the second none."""
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0).whole_run(2.0).close()
    folder = sweep.paths.run("my_test.r.0").checkpoints
    folder.mkdir()
    for age, name in enumerate(("step-20.pt", "step-10.pt", ".half-written")):
        (folder / name).write_bytes(b"weights of " + name.encode())
        os.utime(folder / name, ns=(10**18 - age, 10**18 - age))
    return sweep


def test_the_last_one_is_the_one_written_last(sweep):
    paths = sweep.paths.run("my_test.r.0")
    assert last_checkpoint(paths).name == "step-20.pt"
    assert last_checkpoint(sweep.paths.run("my_test.r.1")) is None


@pytest.mark.long
def test_checkpoints_are_kept_once_and_only_where_asked_for(server, sweep):
    environ = environment(server)
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    assert server.world.models() == []
    server.world.runs.clear()
    for _ in range(2):
        assert sync(sweep.paths, WandbSettings(checkpoints=True), environ=environ, timeout_s=240).complete
    (kept,) = server.world.models()
    assert (kept.name, kept.committed) == ("my_test.r.0-checkpoint", True)
    assert kept.run_id == server.world.run("my_test.r.0").run_id
    assert list(kept.files.values()) == [b"weights of step-20.pt"]
    assert_mirrored(server, sweep)
