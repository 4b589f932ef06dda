"""What the Ray launcher does beyond the contract, on a real cluster of two nodes on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from metta_sweep.extras import how_to_install
from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.launch.ray.launcher import RayLauncher
from metta_sweep.sweep.ports import JobState, Resources
from tests.contract.conftest import Site, is_alive, ledger, pids_of, ray, wait_over, wait_until
from tests.launch.ray_cluster import missing

__all__ = ["ray"]

WITHOUT_A_CLUSTER = """
import sys
from metta_sweep.errors import RequestError
from metta_sweep.launch.ray.launcher import RayLauncher
if sys.argv[1] == "not installed":
    sys.modules["ray"] = None
try:
    RayLauncher()
except RequestError as error:
    print(error)
"""


@pytest.fixture
def site(ray, tmp_path):
    site = Site("ray", tmp_path)
    yield site
    site.close()


def said(how, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_TMPDIR"] = str(tmp_path)
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_CLUSTER, how], capture_output=True, text=True, check=True, env=environment
    )
    return found.stdout


def test_without_the_package_one_message_says_what_to_install(tmp_path):
    assert how_to_install("ray") in said("not installed", tmp_path)


@pytest.mark.slow
def test_without_a_cluster_one_message_says_what_to_start(tmp_path):
    if missing():
        pytest.skip(missing())
    told = said("no cluster", tmp_path)
    assert told.startswith("launcher: no Ray cluster is named, and none was started on this machine")
    assert "ray start --head" in told


@pytest.mark.slow
def test_connecting_leaves_the_handlers_of_signals_as_they_were(site):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    site.launcher()
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.slow
def test_runs_are_given_gpus_or_shares_of_one(site):
    launcher = site.launcher()
    actions = ("environment=CUDA_VISIBLE_DEVICES", "note=ready", f"wait_for={site.folder / 'go'}")
    whole = [site.spec(*actions, run=run, resources=Resources(gpus=share)) for run, share in enumerate((1, 0.5, 0.5))]
    handles = [launcher.submit(spec) for spec in whole]
    wait_until(lambda: all("ready" in ledger(spec) for spec in whole))
    seen = [json.loads((spec.run_dir / "environment.json").read_text())["CUDA_VISIBLE_DEVICES"] for spec in whole]
    assert sorted(set(seen)) == ["0", "1"]
    assert seen[1] == seen[2] != seen[0]
    (site.folder / "go").touch()
    for handle in handles:
        wait_over(launcher, handle)


@pytest.mark.slow
def test_what_finds_no_room_is_queued_and_can_be_cancelled_before_it_starts(site):
    launcher = RayLauncher(resources={"nowhere": 1})
    site.launchers.append(launcher)
    spec = site.spec("exit=0")
    handle = launcher.submit(spec)
    wait_until(lambda: launcher.poll([handle])[0].state is JobState.QUEUED)
    assert site.launcher().find(spec) == handle
    launcher.cancel(handle, grace_s=1)
    status = wait_over(launcher, handle)
    assert (status.state, status.signal, status.reason) == (JobState.EXITED, signal.SIGTERM, "cancelled")
    assert ledger(spec) == []


@pytest.mark.slow
def test_an_actor_that_is_killed_ends_its_run_with_the_whole_tree(site):
    import ray as library

    launcher = site.launcher()
    spec = site.spec("child=session", "checkpoint_on_sigterm", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    library.kill(library.get_actor(AttemptFiles.of(spec).name, namespace="metta_sweep"))
    status = wait_over(launcher, handle)
    assert (status.code, status.reason) == (143, "")
    assert ledger(spec)[-1] == "checkpointed"
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))


def on_second_node(site, ray):
    """Start a node and a run on it; return the node, the launcher, the run's handle and its spec."""
    second = ray.join('--resources={"second": 1}')
    launcher = RayLauncher(resources={"second": 0.1})
    site.launchers.append(launcher)
    spec = site.spec("child=session", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    return second, launcher, handle, spec


@pytest.mark.slow
def test_a_run_on_a_machine_that_dies_is_lost_and_runs_elsewhere(site, ray, monkeypatch):
    """Ray, keeper and run are killed: nothing is left that could write an exit record."""
    monkeypatch.setattr("metta_sweep.launch.ray.launcher.RECORD_PATIENCE_S", 0.5)
    second, launcher, handle, spec = on_second_node(site, ray)
    start = json.loads(AttemptFiles.of(spec).start.read_text())
    for pid in {start["keeper"]["pid"], *pids_of(spec)}:
        os.kill(pid, signal.SIGKILL)
    ray.end_node(second)
    status = wait_over(launcher, handle, patience_s=60)
    assert (status.state, status.reason) == (JobState.LOST, "node_lost")
    anywhere = site.launcher()
    again = site.spec("exit=4", attempt=2)
    assert wait_over(anywhere, anywhere.submit(again)).code == 4


@pytest.mark.slow
def test_a_run_on_a_node_whose_ray_dies_is_ended_with_its_whole_tree(site, ray):
    second, launcher, handle, spec = on_second_node(site, ray)
    ray.end_node(second)
    status = wait_over(launcher, handle, patience_s=60)
    assert (status.signal, status.reason) == (signal.SIGTERM, "")
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))
