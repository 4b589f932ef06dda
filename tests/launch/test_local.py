"""What the local launcher does beyond the contract: servers and keepers that die, GPUs, output without end."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.launch.attempt.attempt import VANISHED, AttemptFiles
from metta_sweep.launch.attempt.orphans import Orphans, tell_keeper
from metta_sweep.launch.attempt.processes import birth_of, processes_of, signal_exactly
from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.local.server_process import BUNDLED, WarmStart
from metta_sweep.result import RunPaths
from metta_sweep.store.files import is_locked
from metta_sweep.store.lock import SweepLock, holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import JobState, LaunchError, Resources
from tests.contract.conftest import Site, is_alive, ledger, pids_of, wait_over, wait_running, wait_until


@pytest.fixture
def site(tmp_path):
    site = Site("local", tmp_path)
    yield site
    site.close()


def server_of(site):
    """Return the process of the server that was started last for this folder, once it can be told by its command."""
    until_s = time.monotonic() + 30
    while not (servers := list(_servers())):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return max(servers, key=lambda process: process.create_time())


def _servers():
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "metta_sweep.launch.local.fork_server" in process.cmdline():
                yield process


def keeper_of(spec):
    start = json.loads(AttemptFiles(RunPaths(spec.run_dir), spec.attempt_id).start.read_text())
    return start["keeper"]["pid"]


@pytest.mark.slow
def test_a_killed_server_disturbs_no_run_and_the_next_submission_starts_another(site):
    launcher = site.launcher()
    spec = site.spec(f"wait_for={site.folder / 'go'}", "exit=4", run=0)
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    server_of(site).kill()
    next_handle = launcher.submit(site.spec("exit=5", run=1))
    assert wait_over(launcher, next_handle).code == 5
    assert launcher.poll([handle])[0].state is JobState.RUNNING
    (site.folder / "go").touch()
    assert wait_over(launcher, handle).code == 4


@pytest.mark.slow
def test_a_time_limit_holds_without_the_server(site):
    launcher = site.launcher()
    spec = site.spec("ignore_sigterm", "child=session", "sleep=60", time_limit_s=1.0)
    launcher = LocalLauncher(site.folder / "launch", grace_s=0.2)
    site.launchers.append(launcher)
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    server_of(site).kill()
    status = wait_over(launcher, handle)
    assert (status.signal, status.reason) == (signal.SIGKILL, "timeout")
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))


def kill_before_it_starts(site, launcher, handle):
    server = server_of(site)
    server.suspend()
    assert launcher.poll([handle])[0].state is JobState.QUEUED
    server.kill()


@pytest.mark.slow
def test_what_a_killed_server_had_not_started_is_started_by_the_next_once(site):
    launcher = site.launcher()
    server_of(site).suspend()
    spec = site.spec("exit=7")
    handle = launcher.submit(spec)
    kill_before_it_starts(site, launcher, handle)
    assert wait_over(launcher, handle).code == 7
    assert ledger(spec) == ["started"]


def test_what_every_server_is_killed_over_is_lost_in_the_end(site, monkeypatch):
    monkeypatch.setattr("metta_sweep.launch.local.launcher._TELL_TIMES", 1)
    launcher = site.launcher()
    server_of(site).suspend()
    spec = site.spec("exit=0")
    handle = launcher.submit(spec)
    kill_before_it_starts(site, launcher, handle)
    assert wait_over(launcher, handle).state is JobState.LOST
    assert ledger(spec) == []


def test_what_a_dead_controllers_server_had_not_started_is_lost(site):
    first = site.launcher()
    server = server_of(site)
    server.suspend()
    spec = site.spec("exit=0")
    handle = first.submit(spec)
    server.kill()
    second = site.launcher()
    assert wait_over(second, handle).state is JobState.LOST
    assert second.find(spec) is None
    assert ledger(spec) == []


def test_what_is_cancelled_before_it_starts_never_starts(site):
    launcher = site.launcher()
    server = server_of(site)
    server.suspend()
    spec = site.spec(command=("touch", str(site.folder / "started")))
    handle = launcher.submit(spec)
    launcher.cancel(handle, grace_s=5)
    server.resume()
    status = wait_over(launcher, handle)
    assert (status.state, status.signal, status.reason) == (JobState.EXITED, signal.SIGTERM, "cancelled")
    assert not (site.folder / "started").exists()


@pytest.mark.slow
def test_a_run_whose_keeper_was_killed_goes_on_and_ends_as_lost(site):
    launcher = site.launcher()
    spec = site.spec(f"wait_for={site.folder / 'go'}", "note=went on")
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    os.kill(keeper_of(spec), signal.SIGKILL)
    time.sleep(0.2)
    assert launcher.poll([handle])[0].state is JobState.RUNNING
    (site.folder / "go").touch()
    assert wait_over(launcher, handle).state is JobState.LOST
    assert ledger(spec) == ["started", "went on"]


@pytest.mark.slow
def test_a_run_whose_keeper_was_killed_can_be_cancelled_with_its_whole_tree(site):
    launcher = site.launcher()
    spec = site.spec("ignore_sigterm", "child=same", "child=session", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    os.kill(keeper_of(spec), signal.SIGKILL)
    launcher.cancel(handle, grace_s=0.3)
    assert wait_over(launcher, handle).state is JobState.LOST
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))


@pytest.mark.slow
def test_a_run_whose_keeper_was_killed_keeps_its_time_limit(site):
    launcher = LocalLauncher(site.folder / "launch", grace_s=0.2)
    site.launchers.append(launcher)
    spec = site.spec("ignore_sigterm", "sleep=60", time_limit_s=1.0)
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    os.kill(keeper_of(spec), signal.SIGKILL)
    status = wait_over(launcher, handle, patience_s=15)
    assert (status.state, status.reason) == (JobState.LOST, "timeout")
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))


def test_a_keeper_that_is_asked_to_end_ends_its_run_and_records_it(site):
    launcher = site.launcher()
    spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    os.kill(keeper_of(spec), signal.SIGTERM)
    status = wait_over(launcher, handle)
    assert (status.code, status.reason) == (143, "")
    assert ledger(spec)[-1] == "checkpointed"


def test_a_module_that_cannot_be_loaded_is_run_cold_and_complains_in_the_runs_log(site):
    launcher = LocalLauncher(site.folder / "launch", warm=WarmStart(module="no.such.module", preload=("json",)))
    site.launchers.append(launcher)
    spec = site.spec(command=(sys.executable, "-m", "no.such.module"))
    assert wait_over(launcher, launcher.submit(spec)).code == 1
    assert "No module named" in (spec.run_dir / "train.log").read_text()
    assert "without preloading" in (site.folder / "launch" / "server.log").read_text()


@pytest.mark.slow
def test_a_module_that_kills_the_server_while_it_loads_is_run_cold(site, monkeypatch):
    (site.folder / "deadly.py").write_text(
        "import os, sys\nif 'fork_server' in ' '.join(sys.orig_argv): os._exit(9)\ndef main(arguments): return 0\n"
        "if __name__ == '__main__': sys.exit(6)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{site.folder}:{os.environ.get('PYTHONPATH', '')}")
    launcher = LocalLauncher(site.folder / "launch", warm=WarmStart(module="deadly"))
    site.launchers.append(launcher)
    server = server_of(site)
    psutil.wait_procs([server], timeout=20)
    spec = site.spec(command=(sys.executable, "-m", "deadly"))
    assert wait_over(launcher, launcher.submit(spec)).code == 6


def test_locks_of_servers_that_are_gone_are_removed_and_those_of_living_ones_kept(site):
    first = site.launcher()
    (site.folder / "launch" / "server-gone.lock").touch()
    site.launcher()
    locks = list((site.folder / "launch").glob("server-*.lock"))
    assert len(locks) == 2
    assert all(map(is_locked, locks))
    assert wait_over(first, first.submit(site.spec("exit=4"))).code == 4


def test_a_server_that_cannot_be_started_is_the_launchers_failure(site):
    (site.folder / "launch").write_text("in the way")
    with pytest.raises(LaunchError, match="could not be started"):
        LocalLauncher(site.folder / "launch")


def test_fewer_than_one_slot_is_refused(site):
    with pytest.raises(RequestError, match=r"launcher\.max_parallel: need at least 1, got 0"):
        LocalLauncher(site.folder / "launch", max_parallel=0)


def test_no_run_holds_the_sweeps_lock(site):
    paths = SweepPaths(site.folder, "my")
    lock = SweepLock.acquire(paths)
    launcher = site.launcher()
    spec = site.spec("child=session", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    lock.release()
    assert holder(paths) is None
    launcher.cancel(handle, 0.1)
    wait_over(launcher, handle)


@pytest.mark.slow
def test_nothing_is_left_after_many_runs(site):
    launcher = site.launcher()
    handles = [launcher.submit(site.spec("child=session", "exit=0", run=run)) for run in range(6)]
    assert [wait_over(launcher, handle).code for handle in handles] == [0] * 6
    server = server_of(site)
    wait_until(lambda: not server.children(), "the end of the keepers")
    launcher.close()
    psutil.wait_procs([server], timeout=10)
    assert not server.is_running()
    assert [file.name for file in (site.folder / "launch").iterdir()] == ["server.log"]
    assert not any(is_alive(pid) for spec in site.specs for pid in pids_of(spec))


def test_a_launcher_that_was_told_nothing_closes_at_once(site):
    launcher = LocalLauncher(site.folder / "launch", warm=BUNDLED)
    server = server_of(site)
    began_s = time.monotonic()
    launcher.close()
    launcher.close()
    assert time.monotonic() - began_s < 10
    assert not is_alive(server.pid)


@pytest.mark.slow
def test_100_megabytes_of_output_are_cut_down_while_they_come(site):
    launcher = LocalLauncher(site.folder / "launch", log_limit=1 << 20)
    site.launchers.append(launcher)
    program = (
        "import sys, time\nprint('the beginning')\n"
        "for n in range(100):\n    sys.stdout.write(('x' * 1023 + '\\n') * 1024)\n    time.sleep(0.01)\n"
        "print('the end')"
    )
    spec = site.spec(command=(sys.executable, "-c", program))
    handle, largest = launcher.submit(spec), 0
    while not launcher.poll([handle])[0].is_over:
        log = spec.run_dir / "train.log"
        largest = max(largest, log.stat().st_size if log.exists() else 0)
        time.sleep(0.002)
    text = (spec.run_dir / "train.log").read_text()
    assert text.startswith("the beginning\n")
    assert text.endswith("the end\n")
    assert len(text) <= 1 << 20
    assert largest < 50 << 20


@pytest.mark.slow
def test_leased_gpus_are_what_runs_see_and_come_back(site, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-abc")
    launcher = LocalLauncher(site.folder / "launch", max_parallel=8, gpus_per_run=1)
    site.launchers.append(launcher)
    assert launcher.capacity() == 2
    actions = ("environment=CUDA_VISIBLE_DEVICES", "note=ready", f"wait_for={site.folder / 'go'}")
    specs = [site.spec(*actions, run=run, resources=Resources(gpus=1)) for run in range(3)]
    handles = [launcher.submit(spec) for spec in specs[:2]]
    with pytest.raises(LaunchError, match="taken"):
        launcher.submit(specs[2])
    wait_until(lambda: all("ready" in ledger(spec) for spec in specs[:2]))
    assert {seen_gpus(spec) for spec in specs[:2]} == {"5", "GPU-abc"}
    (site.folder / "go").touch()
    for handle in handles:
        wait_over(launcher, handle)
    wait_over(launcher, launcher.submit(specs[2]))
    assert seen_gpus(specs[2]) == "5"


@pytest.mark.slow
def test_gpus_of_adopted_runs_are_not_given_away_again(site, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    first = LocalLauncher(site.folder / "launch", max_parallel=2, gpus_per_run=1)
    running = [site.spec(f"wait_for={site.folder / f'go{run}'}", run=run) for run in range(2)]
    handles = [first.submit(spec) for spec in running]
    wait_until(lambda: all(ledger(spec) for spec in running))
    first.close()
    second = LocalLauncher(site.folder / "launch", max_parallel=2, gpus_per_run=1)
    site.launchers.append(second)
    assert second.poll(handles[:1])[0].state is JobState.RUNNING
    assert second.find(running[1])["gpus"] == handles[1]["gpus"]
    waiting = site.spec("environment=CUDA_VISIBLE_DEVICES", run=2)
    with pytest.raises(LaunchError, match="taken"):
        second.submit(waiting)
    (site.folder / "go1").touch()
    wait_over(second, handles[1])
    wait_over(second, second.submit(waiting))
    assert [seen_gpus(waiting)] == handles[1]["gpus"]
    (site.folder / "go0").touch()


def seen_gpus(spec):
    return json.loads((spec.run_dir / "environment.json").read_text())["CUDA_VISIBLE_DEVICES"]


def test_a_number_that_is_used_again_is_not_mistaken_for_the_process(site):
    me = os.getpid()
    assert birth_of(me) is not None
    assert signal_exactly(me, birth_of(me), signal.Signals.SIGCONT)
    assert not signal_exactly(me, "another boot 1234", signal.SIGKILL)
    assert birth_of(2**22 + 1) is None


@pytest.mark.slow
def test_the_bundled_trainers_server_has_one_thread_and_starts_runs_without_loading_again(site):
    launcher = LocalLauncher(site.folder / "launch", warm=BUNDLED)
    site.launchers.append(launcher)
    command = (sys.executable, "-m", "metta_sweep.train")
    wait_over(launcher, launcher.submit(site.spec(command=command, run=0)), patience_s=60)
    assert server_of(site).num_threads() == 1
    took_s = []
    for run in range(1, 6):
        began_s = time.perf_counter()
        status = wait_over(launcher, launcher.submit(site.spec(command=command, run=run)))
        took_s.append(time.perf_counter() - began_s)
        assert status.code == 2
    assert min(took_s) < 1.0  # to load torch again would take longer


@pytest.mark.slow
def test_an_attempt_that_two_servers_were_told_of_is_started_by_one_of_them(site):
    first = site.launcher()
    late = server_of(site)
    late.suspend()
    spec = site.spec("exit=3")
    first.submit(spec)
    second = site.launcher()
    assert second.find(spec) is None
    assert wait_over(second, second.submit(spec)).code == 3
    late.resume()
    other = first.submit(site.spec("exit=4", run=1))
    assert wait_over(first, other).code == 4
    assert ledger(spec) == ["started"]


# ---------------------------------------------------------------- directories that vanish, keepers that are stopped


@pytest.mark.slow
def test_a_run_whose_directory_is_removed_is_ended_and_lost_within_seconds_and_its_slot_is_free(site):
    launcher = site.launcher()
    spec = site.spec("ignore_sigterm", "child=session", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    pids, keeper = pids_of(spec), keeper_of(spec)
    shutil.rmtree(spec.run_dir)
    began_s = time.monotonic()
    status = wait_over(launcher, handle)
    assert (status.state, status.reason) == (JobState.LOST, VANISHED)
    assert time.monotonic() - began_s < 10
    assert not any(map(is_alive, pids))
    wait_until(lambda: not is_alive(keeper))
    assert not spec.run_dir.exists()


def test_a_directory_that_is_removed_before_the_run_starts_is_lost_too(site):
    launcher = site.launcher()
    server = server_of(site)
    server.suspend()
    spec = site.spec("exit=0")
    handle = launcher.submit(spec)
    shutil.rmtree(spec.run_dir)
    assert launcher.poll([handle])[0].reason == VANISHED
    server.resume()


def test_a_folder_of_runs_that_is_away_is_not_taken_for_removed_runs(tmp_path):
    files = AttemptFiles(RunPaths(tmp_path / "runs" / "s.r.0"), "s.r.0.a1")
    assert not files.have_vanished
    (tmp_path / "runs").mkdir()
    assert files.have_vanished
    files.make_folder()
    assert not files.have_vanished


@pytest.mark.slow
def test_a_keeper_that_is_stopped_is_let_go_on_and_keeps_the_time_limit(site):
    launcher = LocalLauncher(site.folder / "launch", grace_s=0.2)
    site.launchers.append(launcher)
    spec = site.spec("ignore_sigterm", "sleep=60", time_limit_s=2.0)
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    os.kill(keeper_of(spec), signal.SIGSTOP)
    status = wait_over(launcher, handle)
    assert (status.state, status.reason) == (JobState.EXITED, "timeout")
    assert status.wall_s < 20


@pytest.mark.slow
def test_processes_of_another_sweep_of_the_same_name_are_not_taken_for_ours(site, tmp_path):
    launcher = site.launcher()
    spec = site.spec("sleep=30")
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    [mine, other] = [AttemptFiles(RunPaths(place), spec.attempt_id) for place in (spec.run_dir, tmp_path / "other")]
    assert processes_of(mine)
    assert processes_of(other) == []
    launcher.cancel(handle, grace_s=0.0)
    wait_over(launcher, handle)


def test_a_process_that_has_a_keepers_number_by_now_is_neither_asked_nor_hit(tmp_path):
    """The start record outlives its keeper, and the kernel gives numbers again."""
    files = AttemptFiles(RunPaths(tmp_path / "runs" / "s.r.0"), "s.r.0.a1")
    files.make_folder()
    innocent = subprocess.Popen(["sleep", "30"])
    try:
        of_another = {"pid": innocent.pid, "birth": f"{birth_of(innocent.pid)}9"}
        files.start.write_text(json.dumps({"keeper": of_another, "child": of_another, "time_limit_s": 0.0}))
        files.ask_to_end(0.0)
        assert not tell_keeper(files)
        orphans = Orphans(grace_s=0.0)
        for _ in range(3):
            orphans.mind(files)
        orphans.end_now(files)
        orphans.close()
        with pytest.raises(subprocess.TimeoutExpired):
            innocent.wait(0.3)
    finally:
        innocent.kill()
        innocent.wait()
