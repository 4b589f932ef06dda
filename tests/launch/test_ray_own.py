"""A Ray cluster of our own: shared by who uses it, there for as long as somebody does, gone afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import psutil
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.launch.attempt.processes import birth_of
from metta_sweep.launch.ray import own as ray_own
from metta_sweep.launch.ray.connection import show_token
from metta_sweep.launch.ray.own import OwnCluster, Warden, hold
from tests.contract.conftest import wait_until
from tests.end_to_end.conftest import SweepUnderTest
from tests.launch.ray_cluster import missing


@pytest.fixture
def cluster(tmp_path):
    return OwnCluster(tmp_path / "of_user" / "ray")


def leave_record(cluster, pid, birth):
    cluster.folder.mkdir(parents=True, exist_ok=True)
    cluster.record.write_text(json.dumps({"address": "127.0.0.1:9", "token": "t", "pid": pid, "birth": birth}))


def test_without_a_cluster_nobody_joins_one(cluster):
    assert cluster.join(start=False) is None


@pytest.mark.parametrize("birth", ["another boot 5", None])
def test_the_record_of_a_warden_that_is_gone_is_not_believed(cluster, birth):
    leave_record(cluster, os.getpid(), birth)
    assert cluster.join(start=False) is None


def test_who_joins_is_told_where_it_is_and_shows_the_token(cluster, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "before")
    leave_record(cluster, os.getpid(), birth_of(os.getpid()))
    use = cluster.join(start=False)
    assert use.connect() == "127.0.0.1:9"
    assert (os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"]) == ("token", "t")
    use.end()


def test_the_folder_is_its_users_alone(cluster):
    cluster.folder.mkdir(parents=True)
    cluster.folder.chmod(0o777)
    cluster.join(start=False)
    assert [folder.stat().st_mode & 0o777 for folder in (cluster.folder, cluster.folder.parent)] == [0o700, 0o700]


def test_a_folder_of_somebody_else_is_refused(cluster, monkeypatch):
    monkeypatch.setattr(ray_own.os, "getuid", lambda: 12345)
    with pytest.raises(RequestError, match="belongs to somebody else"):
        cluster.join(start=False)


class StandIn(Warden):
    """A warden of a process that is not a Ray."""

    def _start_ray(self):
        self._cluster.log.write_text("Ray runtime started.")
        self.ray = subprocess.Popen(["sleep", "600"])
        return self.ray


@pytest.fixture
def kept(cluster, monkeypatch):
    """A warden at work in a thread, patient for a moment only, and a user of its cluster."""
    monkeypatch.setattr(ray_own, "LINGER_S", 0.2)
    monkeypatch.setattr(ray_own, "_LOOK_S", 0.02)
    assert cluster.join(start=False) is None
    user, warden = hold(cluster.users), StandIn(cluster)
    thread = threading.Thread(target=warden.keep)
    thread.start()
    wait_until(cluster.record.exists)
    yield warden, thread, user
    warden.ray.kill()
    thread.join()


@pytest.mark.slow
def test_a_cluster_lives_as_long_as_somebody_uses_it_and_not_longer(cluster, kept):
    warden, thread, user = kept
    use = cluster.join(start=True)
    os.close(user)
    thread.join(0.6)
    assert thread.is_alive()
    use.end()
    thread.join(30)
    assert not thread.is_alive()
    assert warden.ray.poll() is not None
    assert cluster.join(start=False) is None


def test_what_ended_by_itself_is_not_offered_any_more(cluster, kept):
    warden, thread, user = kept
    warden.ray.kill()
    thread.join(30)
    assert not cluster.record.exists()
    os.close(user)


def test_who_comes_while_it_ends_waits_and_then_finds_none(cluster):
    cluster.join(start=False)
    ending = os.open(cluster.users, os.O_RDWR)
    fcntl.flock(ending, fcntl.LOCK_EX)
    leave_record(cluster, os.getpid(), birth_of(os.getpid()))
    found = []
    thread = threading.Thread(target=lambda: found.append(cluster.join(start=False)))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    cluster.record.unlink()
    os.close(ending)
    thread.join(30)
    assert found == [None]


SLOW_RAY = """
import sys, time
from pathlib import Path
from metta_sweep.launch.ray import own
folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
own._LOOK_S, own.LINGER_S = 0.05, 1.0


class Warden(own.Warden):
    def _start_ray(self):
        with (folder / "starts").open("a") as file:
            file.write("x")
        says = f"import time; time.sleep({seconds}); print('Ray runtime started.', flush=True); time.sleep(600)"
        if seconds < 0:
            says = "print('no room in /dev/shm'); raise SystemExit(1)"
        return own.subprocess.Popen([sys.executable, "-c", says])


Warden(own.OwnCluster(folder)).keep()
"""
"""A warden, as the real one is started, of a Ray that takes its time."""


@pytest.fixture
def slow_ray(cluster, tmp_path, monkeypatch):
    """Have wardens start a Ray that takes so many seconds; the list of their starts is in ``starts``."""
    script, began, popen = tmp_path / "warden.py", [], subprocess.Popen
    script.write_text(SLOW_RAY)
    seconds = [1.0]

    def start(command, **options):
        process = popen([sys.executable, str(script), str(cluster.folder), str(seconds[0])], **options)
        began.append(process.pid)
        return process

    monkeypatch.setattr(ray_own.subprocess, "Popen", start)
    yield seconds
    for pid in began:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(pid).children(), psutil.Process(pid)]:
                process.kill()


def starts(cluster):
    return len((cluster.folder / "starts").read_text())


@pytest.mark.slow
def test_a_start_that_a_killed_controller_began_is_waited_for_by_the_next(cluster, slow_ray, monkeypatch):
    slow_ray[0] = 3.0
    monkeypatch.setattr(ray_own, "START_PATIENCE_S", 0.5)
    with pytest.raises(RequestError, match="give the same command again to wait for it"):
        cluster.join(start=True)
    monkeypatch.setattr(ray_own, "START_PATIENCE_S", 60.0)
    first, second = cluster.join(start=True), cluster.join(start=True)
    assert (first.address, starts(cluster)) == (second.address, 1)
    first.end()
    second.end()
    wait_until(lambda: not cluster.record.exists(), "the end of what nobody uses")


def test_a_ray_that_cannot_start_is_told_in_its_own_words_and_started_once(cluster, slow_ray):
    slow_ray[0] = -1.0
    with pytest.raises(RequestError, match="no room in /dev/shm"):
        cluster.join(start=True)
    assert starts(cluster) == 1


@pytest.mark.slow
def test_the_ray_of_a_warden_that_was_killed_is_ended_before_another_is_started(cluster, slow_ray):
    use = cluster.join(start=True)
    found = json.loads(cluster.record.read_text())
    os.kill(found["pid"], signal.SIGKILL)
    wait_until(lambda: birth_of(found["pid"]) is None)
    use.end()
    again = cluster.join(start=True)
    assert again.address != use.address
    wait_until(lambda: birth_of(found["ray"]["pid"]) is None)
    again.end()


def test_the_users_token_is_shown_where_there_is_one_and_nothing_else_was_said(tmp_path):
    token, environ = tmp_path / "token", {"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    show_token(environ)
    assert "RAY_AUTH_MODE" not in environ
    token.write_text("t")
    show_token(environ)
    assert environ["RAY_AUTH_MODE"] == "token"
    decided = {"RAY_AUTH_TOKEN": "t", "RAY_AUTH_MODE": "disabled"}
    show_token(decided)
    assert decided["RAY_AUTH_MODE"] == "disabled"


# ---------------------------------------------------------------- with Ray itself


@pytest.fixture
def sweeps(tmp_path):
    """Two sweeps on a machine on which nobody has started Ray."""
    if missing():
        pytest.skip(missing())
    folder = Path(tempfile.mkdtemp(prefix="o", dir="/tmp"))
    alone = {"RAY_TMPDIR": str(folder), "RAY_ADDRESS": "", "OMP_NUM_THREADS": "1"}
    both = []
    for name in "ab":
        root = tmp_path / name
        root.mkdir()
        both.append(SweepUnderTest(root, environment=alone))
    yield folder, both
    for process in [*of_ray(folder), *both[0].processes(), *both[1].processes()]:
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def of_ray(folder):
    """Return the processes of the cluster in a folder."""
    return [p for p in psutil.process_iter() if str(folder) in " ".join(words(p)) and "pytest" not in words(p)]


def words(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def done_once(sweep, count):
    return sweep.noted("start") == sweep.noted("end") == Counter({f"s.r.{k}": 1 for k in range(count)})


@pytest.mark.long
def test_two_sweeps_without_a_cluster_share_one_that_outlives_a_killed_controller_and_then_ends(sweeps):
    folder, (first, second) = sweeps
    asked = [sweep.write_trial(rollouts=3, seconds=2.0) for sweep in (first, second)]
    options = ("launcher=ray", "launcher.max_parallel=1")
    killed, other = first.start(asked[0], *options), second.start(asked[1], *options)
    first.wait_for("start", 1, timeout=200)
    killed.kill()
    killed.communicate()
    first.wait_for("end", 1)
    output, _ = other.communicate(timeout=200)
    assert other.returncode == 0, output
    again = first.run(asked[0], *options, timeout=200)
    assert again.returncode == 0, again.stdout + again.stderr
    assert done_once(first, 3)
    assert done_once(second, 3)
    wait_until(lambda: not of_ray(folder), "the end of the cluster", 60)


@pytest.mark.long
def test_a_cluster_ends_when_its_last_attempt_does_though_no_controller_comes_back(sweeps):
    folder, (sweep, _) = sweeps
    asked = sweep.write_trial(rollouts=1, seconds=4.0)
    controller = sweep.start(asked, "launcher=ray")
    sweep.wait_for("start", 1, timeout=200)
    controller.kill()
    controller.communicate()
    sweep.wait_for("end", 1)
    wait_until(lambda: not of_ray(folder), "the end of the cluster", 60)
