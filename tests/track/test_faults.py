"""Whatever the server does, nothing is lost, nothing is doubled, and the sweep does not wait."""

from __future__ import annotations

import time

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import Mode, start_mirror, sync
from tests.track.comparing import assert_mirrored
from tests.track.server import Fault
from tests.track.told import ToldSweep, environment

OPERATIONS = ("Viewer", "GetSweeps", "UpsertSweep", "RunsThere", "UpsertBucket", "CreateRunFiles")

OF_A_SWEEP_THAT_IS_THERE = ("Runs", "RunResumeStatus")
"""What is asked only of a sweep that an earlier mirror has begun."""


def two_runs(tmp_path):
    return ToldSweep(tmp_path, rollout_count=2).whole_run(1.0).whole_run(2.0).close()


def synced(server, sweep, tries=4):
    """Sync until it is complete, as a person would."""
    for _ in range(tries):
        report = sync(sweep.paths, environ=environment(server), timeout_s=240)
        if report.complete:
            return report
    raise AssertionError(report.line)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("operation", [*OPERATIONS, *OF_A_SWEEP_THAT_IS_THERE, "file_stream", "storage"])
@pytest.mark.parametrize("fault", [{"status": 500}, {"kind": "lost"}], ids=["500", "lost"])
def test_one_fault_loses_and_doubles_nothing(server, tmp_path, operation, fault):
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0)
    if operation in OF_A_SWEEP_THAT_IS_THERE:
        synced(server, sweep)
    sweep.whole_run(2.0).close()
    server.faults.order(Fault(on=operation, times=2, **fault))
    synced(server, sweep)
    assert server.faults.happened >= 1
    assert_mirrored(server, sweep)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [{"status": 429, "retry_after_s": 1}, {"kind": "drop"}, {"kind": "delay", "delay_s": 2.0}],
    ids=["429", "drop", "delay"],
)
def test_a_bad_patch_loses_and_doubles_nothing(server, tmp_path, fault):
    sweep = two_runs(tmp_path)
    server.faults.order(*(Fault(on=operation, times=1, **fault) for operation in [*OPERATIONS, "file_stream"]))
    synced(server, sweep)
    assert server.faults.happened >= 6
    assert_mirrored(server, sweep)


@pytest.mark.long
@pytest.mark.slow
def test_a_server_that_fails_at_random_gets_everything_once(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=8)
    for k in range(8):
        sweep.whole_run(float(k), evaluations=5)
    sweep.close()
    server.faults.order(
        Fault(kind="lost", chance=0.07), Fault(kind="drop", chance=0.07), Fault(status=500, chance=0.07)
    )
    report = synced(server, sweep, tries=8)
    assert report.mirrored == 8
    assert server.faults.happened > 5
    assert_mirrored(server, sweep)


@pytest.mark.long
@pytest.mark.slow
def test_a_server_that_is_away_for_good_costs_the_end_of_a_sweep_nothing(server, tmp_path):
    sweep = two_runs(tmp_path)
    server.stop()
    mirror = start_mirror(sweep.paths, WandbSettings(), Mode.ONLINE, environment(server))
    said, deadline = [], time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        said += mirror.poll()
        time.sleep(0.05)
    assert len(said) == 1
    assert said[0].startswith("W&B is unreachable (no answer from http://127.0.0.1")
    began_s = time.monotonic()
    line = mirror.stop(30)
    assert time.monotonic() - began_s < 25
    assert "metta-sweep sync my_test" in line
    server.start()
    synced(server, sweep)
    assert_mirrored(server, sweep)


@pytest.mark.slow
def test_a_key_that_is_rejected_is_said_in_one_line(server, tmp_path):
    sweep = two_runs(tmp_path)
    wrong = environment(server, WANDB_API_KEY="f" * 40)
    mirror = start_mirror(sweep.paths, WandbSettings(), Mode.ONLINE, wrong)
    said, deadline = [], time.monotonic() + 60
    while not said and time.monotonic() < deadline:
        said += mirror.poll()
        time.sleep(0.05)
    assert len(said) == 1
    assert said[0].startswith("W&B rejected the credentials (HTTP 401")
    assert "f" * 40 not in said[0]
    assert mirror.stop(10).startswith("W&B rejected the credentials (HTTP 401")
    synced(server, sweep)
    assert_mirrored(server, sweep)
