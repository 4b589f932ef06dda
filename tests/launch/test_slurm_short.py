"""The one test of a real SLURM that every run of the suite does: a job is submitted, adopted, and warned in time."""

from __future__ import annotations

import pytest

from metta_sweep.sweep.ports import JobState
from tests.contract.conftest import Site, kill_controller, ledger, slurm, wait_over, wait_until

__all__ = ["slurm"]


@pytest.mark.slow
def test_a_job_outlives_its_controller_and_writes_its_checkpoint_when_slurm_warns_it(slurm, tmp_path):
    site = Site("slurm", tmp_path)
    try:
        spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
        controller, [handle] = site.controller(spec)
        wait_until(lambda: "ready" in ledger(spec))
        kill_controller(controller)
        launcher = site.launcher()
        assert launcher.find(spec)["job_id"] == handle["job_id"]
        slurm.run("scancel", "--batch", "--signal=USR1", handle["job_id"])
        status = wait_over(launcher, handle)
        assert (status.state, status.code, status.reason) == (JobState.EXITED, 143, "")
        assert ledger(spec) == ["started", "ready", "checkpointed"]
    finally:
        site.close()
