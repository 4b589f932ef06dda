"""Faults of the machine under the launcher and the journal: full disks, limits, controllers killed again and again."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest

from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.store.journal import JournalWriteError, SqliteJournal, read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import JobState
from tests.contract.conftest import Site, is_alive, kill_controller, ledger, pids_of, wait_over, wait_until

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def site(tmp_path):
    site = Site("local-warm", tmp_path)
    yield site
    site.close()


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
    return folder / "filler"


def test_a_run_that_fills_the_disk_is_recorded_all_the_same(small_disk, tmp_path):
    launcher = LocalLauncher(tmp_path / "launch")
    site = Site("local", small_disk)
    filling = "import sys\nf = open(sys.argv[1], 'wb', buffering=0)\nwhile True: f.write(b'x' * 65536)"
    spec = site.spec(command=(sys.executable, "-c", filling, str(small_disk / "data")))
    status = wait_over(launcher, launcher.submit(spec))
    launcher.close()
    assert (status.state, status.code, status.reason) == (JobState.EXITED, 1, "disk_full")


@pytest.mark.slow
def test_a_run_that_cannot_start_on_a_full_disk_is_lost_with_the_reason(small_disk, tmp_path):
    launcher = LocalLauncher(tmp_path / "launch")
    site = Site("local", small_disk)
    spec = site.spec("exit=0")
    filler = fill(small_disk)
    status = wait_over(launcher, launcher.submit(spec))
    assert status.state is JobState.LOST
    assert status.reason
    filler.unlink()
    again = site.spec("exit=0", attempt=2)
    assert wait_over(launcher, launcher.submit(again)).code == 0
    launcher.close()


def append_until_refused(journal):
    """Return how many events were acknowledged."""
    for number in range(10_000):
        try:
            journal.append([{"kind": "k", "number": number, "text": "x" * 5000}])
        except JournalWriteError:
            return number
    raise OverflowError


def test_a_journal_on_a_full_disk_keeps_what_it_acknowledged_and_goes_on_when_there_is_room(small_disk):
    paths = SweepPaths(small_disk, "my")
    journal = SqliteJournal.open(paths, create=True)
    done = append_until_refused(journal)
    assert [event["number"] for event in read_events(paths)] == list(range(done))
    journal.close()
    filler = fill(small_disk)
    assert [event["number"] for event in read_events(paths)] == list(range(done))
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    journal = SqliteJournal.open(paths, create=False)
    journal.append([{"kind": "k", "number": done}])
    journal.close()
    assert len(read_events(paths)) == done + 1


def test_a_run_over_its_file_size_limit_ends_and_is_recorded(tmp_path):
    launcher, site = LocalLauncher(tmp_path / "launch"), Site("local", tmp_path)
    spec = site.spec(command=("sh", "-c", f"cd {tmp_path}; ulimit -f 8; head -c {MEGABYTE} /dev/zero > big; echo over"))
    status = wait_over(launcher, launcher.submit(spec))
    launcher.close()
    assert status.state is JobState.EXITED
    assert (spec.run_dir / "train.log").read_text().endswith("over\n")
    assert (tmp_path / "big").stat().st_size < MEGABYTE


def chaos(site, runs, kills, seed):
    """Do runs under controllers that are killed at random; return every attempt's spec and final status.

    The journal here is a dictionary: what a controller was told before it was killed. Each new controller does what a
    sweep does: find what may have been started, submit what was not, wait.
    """
    rng = random.Random(seed)
    specs = [site.spec(f"sleep={rng.uniform(0.0, 0.4):.3f}", f"exit={run}", run=run) for run in range(runs)]
    launcher = None
    for _ in range(kills):
        some = rng.sample(specs, k=min(3, runs))
        controller, _ = site.controller(*some, wait=rng.random() < 0.5)
        time.sleep(rng.uniform(0, 0.3))
        kill_controller(controller)
    launcher = site.launcher()
    handles = [launcher.find(spec) or launcher.submit(spec) for spec in specs]
    return specs, [wait_over(launcher, handle) for handle in handles]


def check_chaos(specs, statuses):
    assert [status.code for status in statuses] == list(range(len(specs)))
    assert [ledger(spec) for spec in specs] == [["started"]] * len(specs)
    wait_until(lambda: not any(is_alive(pid) for spec in specs for pid in pids_of(spec)))


@pytest.mark.slow
def test_controllers_killed_again_and_again_start_every_attempt_once_and_lose_none(site):
    check_chaos(*chaos(site, runs=8, kills=6, seed=5))


@pytest.mark.long
def test_fifty_killed_controllers_start_every_attempt_once_and_lose_none(site):
    check_chaos(*chaos(site, runs=30, kills=50, seed=6))
