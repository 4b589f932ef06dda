"""A sweep is registered once, and found again whatever happened."""

from __future__ import annotations

import json
import time

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.sweep.events import SweepAsked, SweepRegistered
from metta_sweep.track import Mode, start_mirror, sync
from metta_sweep.track.ranges import identity_of, machine_of, registration, wandb_parameters
from tests.factories import History
from tests.track.comparing import assert_mirrored
from tests.track.server import Fault
from tests.track.server.loopback import KEY
from tests.track.told import ToldSweep, environment

pytestmark = pytest.mark.slow


@pytest.fixture
def sweep(tmp_path):
    return ToldSweep(tmp_path, rollout_count=1).whole_run(1.0)


def synced(server, sweep, settings=None):
    report = sync(sweep.paths, settings, environ=environment(server), timeout_s=240)
    assert report.complete, report.line
    return report


def made_elsewhere(server, sweep, project="metta-sweep"):
    """Register the sweep as an earlier start did whose reply was lost."""
    config = registration(sweep.state.spec, identity_of(sweep.state.created))
    given = {"config": json.dumps(config), "description": config["description"], "projectName": project}
    return server.world.upsert_sweep(given).sweep_id


@pytest.mark.long
def test_a_reply_that_is_lost_makes_no_second_sweep(server, sweep):
    server.faults.order(Fault(on="UpsertSweep", kind="lost", times=1))
    synced(server, sweep)
    assert server.requests["UpsertSweep"] == 1
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_the_ranges_there_are_those_of_the_latest_request(server, sweep):
    synced(server, sweep)
    (remote,) = server.world.sweeps.values()
    wider = {"trainer.learning_rate": {"min": 1e-6, "max": 1.0, "distribution": "log_normal"}}
    sweep.history.asked["parameters"] = wider
    sweep.history.ask()
    sweep.write()
    for _ in range(2):
        synced(server, sweep)
    assert (len(server.world.sweeps), server.requests["UpsertSweep"]) == (1, 2)
    assert remote.config["parameters"] == wandb_parameters(wider)
    assert identity_of(sweep.state.created) in remote.description


@pytest.mark.long
def test_of_several_the_first_is_it_every_time(server, sweep):
    first, _second = made_elsewhere(server, sweep), made_elsewhere(server, sweep)
    for _ in range(2):
        synced(server, sweep)
        (sweep.paths.root / "wandb.json").unlink()
    assert {run.sweep for run in server.world.runs.values() if run.job_type == "train"} == {first}
    assert server.requests["UpsertSweep"] == 0


@pytest.mark.long
def test_a_namesake_is_another_sweep(server, sweep, tmp_path):
    synced(server, sweep)
    namesake = ToldSweep(tmp_path / "other", rollout_count=1, pid=7).whole_run(2.0).close()
    synced(server, namesake)
    assert len(server.world.sweeps) == 2
    assert len({remote.description for remote in server.world.sweeps.values()}) == 2
    trained = [run for run in server.world.runs.values() if run.job_type == "train"]
    assert [len(run.history) for run in trained] == [3, 3]


def test_the_id_that_the_journal_keeps_is_used(server, sweep):
    made_elsewhere(server, sweep)
    kept = made_elsewhere(server, sweep)
    sweep.history.add(SweepRegistered, sweep_id=kept, entity="tester", project="metta-sweep", url="")
    synced(server, sweep.write())
    assert {run.sweep for run in server.world.runs.values() if run.job_type == "train"} == {kept}


@pytest.mark.long
def test_a_sweep_that_was_deleted_there_is_registered_anew(server, sweep):
    synced(server, sweep)
    server.world.sweeps.clear()
    server.world.runs.clear()
    synced(server, sweep)
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_it_can_be_sent_to_another_project(server, sweep):
    synced(server, sweep)
    synced(server, sweep, WandbSettings(project="elsewhere"))
    assert {remote.project for remote in server.world.sweeps.values()} == {"metta-sweep", "elsewhere"}
    assert len([run for run in server.world.runs.values() if run.job_type == "train"]) == 2


@pytest.mark.long
def test_no_key_is_left_in_any_file(server, sweep):
    synced(server, sweep)
    files = [path for path in sweep.paths.root.rglob("*") if path.is_file()]
    assert any(path.name == "mirror.log" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.mark.long
def test_an_earlier_sweep_of_the_name_is_offered_for_import(server, sweep, tmp_path):
    synced(server, sweep)
    again = ToldSweep(tmp_path / "elsewhere", rollout_count=1, pid=7)
    mirror, said = start_mirror(again.paths, WandbSettings(), Mode.ONLINE, environment(server)), []
    deadline = time.monotonic() + 240
    while not any("earlier" in line for line in said):
        said += mirror.poll()
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    mirror.stop(20)
    again.close()
    (offer,) = [line for line in said if "earlier" in line]
    assert " import tester/metta-sweep/sw000000 my_test --data-dir " in offer
    assert str(again.paths.root) in offer
    assert len(server.world.sweeps) == 2


def test_a_shared_sweep_is_the_same_one_on_every_machine_and_another_search_is_another_sweep():
    first, other = (asked(host=host, shared=True) for host in ("one", "two"))
    assert identity_of(first) == identity_of(other)
    assert machine_of(first) != machine_of(other)
    assert identity_of(asked(host="one")) != identity_of(asked(host="two"))
    paths = ("/usr/bin/python", "/opt/env/bin/python")
    here, there = (asked(shared=True, command=(path, "train.py")) for path in paths)
    assert identity_of(here) == identity_of(there)
    assert identity_of(asked(shared=True, num_samples=2)) != identity_of(first)
    assert identity_of(asked(shared=True, rollout_count=99)) == identity_of(first)


def asked(*, host="", shared=False, **changes):
    return SweepAsked(spec=History(asked=changes).spec, versions={}, host=host, pid=1, at=5.0, shared=shared)
