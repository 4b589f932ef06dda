"""The long form of faults: whole sweeps as commands, and after each fault what ran, what is recorded, what is alive."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from itertools import pairwise

import psutil
import pytest

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from tests.chaos.small_disks import fill, mounted
from tests.chaos.wall_clock import WallClock
from tests.end_to_end.conftest import HELD, TRIAL, sweep
from tests.end_to_end.test_control import control

__all__ = ["sweep"]

pytestmark = pytest.mark.long

MEGABYTE = 1 << 20


def once(runs):
    return Counter({f"s.r.{k}": 1 for k in range(runs)})


def odd_trial(what, number=2):
    """Return a trial of which the run of that number does something else before it would write its result."""
    return TRIAL.replace("time.sleep(seconds)", f"if run_dir.endswith('.r.{number}'):\n    {what}\ntime.sleep(seconds)")


def failures(sweep):
    runs = [run for row in sweep.facts()["rollouts"] for run in row["runs"]]
    return {run["run"]: run["failure"]["class"] for run in runs if run["failure"] is not None}


def check_ended(sweep, runs, repeated=()):
    """Everything ran once but for what is named, everything is recorded, nothing is alive, the journal is sound."""
    assert set(sweep.noted("start")) == {f"s.r.{k}" for k in range(runs)}
    assert {run for run, count in sweep.noted("start").items() if count > 1} <= set(repeated)
    assert sweep.facts()["decided"] == runs
    assert sweep.wait_until_quiet() == []
    said = control(sweep, "doctor", sweep.name).stdout
    assert f"journal: sound: {runs} rollouts, {runs} runs" in said
    assert "orphans: none" in said


def words(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def kill_one(processes, rng):
    """Kill one of the processes, where there is any, and return whether there was."""
    if processes:
        rng.choice(processes).kill()
    return bool(processes)


@pytest.mark.parametrize("seed", range(2))
def test_controllers_runs_and_fork_servers_killed_at_random_lose_nothing(sweep, seed):
    rng = random.Random(seed)
    asked = (sweep.write_trial(rollouts=10, seconds=0.5), "launcher.max_parallel=3", "launcher.max_retries=100")
    for _ in range(12):
        controller = sweep.start(*asked)
        for _ in range(3):
            time.sleep(rng.uniform(0.2, 1.2))
            kind = rng.choice(["trial.py", "metta_sweep.launch.local.fork_server", "metta_sweep.optimize.worker"])
            kill_one([p for p in sweep.processes() if kind in words(p)], rng)
        controller.kill()
        controller.communicate()
    done = sweep.run(*asked, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sweep.noted("end") == once(10)
    check_ended(sweep, 10, repeated=set(once(10)))


def test_keepers_killed_at_random_lose_no_result_and_leave_nothing_alive(sweep):
    rng = random.Random(3)
    asked = (sweep.write_trial(rollouts=8, seconds=0.6), "launcher.max_parallel=2", "launcher.max_retries=100")
    controller = sweep.start(*asked)
    kills = 0
    while controller.poll() is None:
        time.sleep(rng.uniform(0.2, 0.6))
        trials = [p for p in sweep.processes() if "trial.py" in words(p)]
        keepers = [parent for trial in trials if (parent := parent_of(trial)) is not None]
        kills += kills < 5 and kill_one(keepers, rng)
    controller.communicate()
    assert (controller.returncode, kills) == (0, 5)
    check_ended(sweep, 8, repeated=set(once(8)))


def parent_of(process):
    try:
        parent = process.parent()
    except psutil.Error:
        return None
    return parent if parent is not None and "fork_server" in words(parent) else None


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("time.sleep(1000)", "timeout"),
        ("import signal; signal.signal(15, signal.SIG_IGN); time.sleep(1000)", "timeout"),
        ("sys.exit(0)", "no_result"),
        ("x = float('nan')", "diverged"),
        ("x = float('inf')", "diverged"),
        ("x = -1e200", "diverged"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 28, 2 << 28)); bytearray(4 << 30)",
            "oom",
        ),
        ("os._exit(3)", "crash"),
        ("os.abort()", "crash"),
        ("sys.stderr.write('No space left on device'); sys.exit(1)", "infrastructure"),
    ],
)
def test_an_odd_run_is_classified_and_the_others_are_not_touched(sweep, what, kind):
    asked = sweep.write_trial(rollouts=5, seconds=0.1, trial=odd_trial(what))
    limits = ("launcher.run_time_limit=5", "launcher.kill_grace_s=1", "launcher.max_retries=1")
    done = sweep.run(asked, *limits, "launcher.max_parallel=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert failures(sweep) == {"s.r.2": kind}
    assert sweep.facts()["best_run"]["run"] != "s.r.2"
    check_ended(sweep, 5, repeated={"s.r.2"})


def test_a_hundred_megabytes_of_output_leave_a_log_of_bounded_size_and_a_result(sweep):
    shout = "[os.write(1, b'x' * 99 + b'\\n') for _ in range(10 << 20 >> 1)]"
    asked = sweep.write_trial(rollouts=3, seconds=0, trial=odd_trial(shout, number=1))
    assert sweep.run(asked, timeout=280).returncode == 0
    log = SweepPaths(sweep.root / "data", sweep.name).run("s.r.1").log
    assert MEGABYTE < log.stat().st_size < 40 * MEGABYTE
    assert sweep.noted("end") == once(3)
    check_ended(sweep, 3)


def test_a_full_disk_stops_the_sweep_in_one_line_and_with_room_it_goes_on(sweep, tmp_path):
    with mounted(tmp_path / "small", megabytes=8) as disk:
        sweep.environment["DATA_DIR"] = str(disk)
        asked = (sweep.write_trial(rollouts=6, seconds=0.4), "launcher.max_retries=100")
        controller = sweep.start(*asked)
        sweep.wait_for("start", 2)
        filler = fill(disk)
        output, _ = controller.communicate(timeout=120)
        assert controller.returncode == 1, output
        assert "nothing that was recorded is lost" in output
        assert "Traceback" not in output
        filler.unlink()
        again = sweep.run(*asked)
        assert again.returncode == 0, again.stdout + again.stderr
        assert set(sweep.noted("end")) == set(once(6))
        check_ended(sweep, 6, repeated=set(once(6)))


def test_a_file_size_limit_on_the_controller_stops_it_in_one_line_and_without_it_the_sweep_goes_on(sweep):
    asked = sweep.write_trial(rollouts=6, seconds=0.1)
    limited = subprocess.run(
        ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *sweep.command(asked)],
        cwd=sweep.root,
        env=sweep.env(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert limited.returncode == 1, limited.stdout + limited.stderr
    assert "Traceback" not in limited.stderr
    again = sweep.run(asked, "launcher.max_retries=100")
    assert again.returncode == 0, again.stdout + again.stderr
    check_ended(sweep, 6, repeated=set(once(6)))


@pytest.mark.parametrize("jumps", [(3600, 0), (-3600, 0), (3600, -3600)])
def test_jumps_of_the_wall_clock_decide_nothing(sweep, jumps):
    clock = WallClock(sweep.root)
    sweep.environment |= clock.environment
    asked = sweep.write_trial(rollouts=6, seconds=0.8)
    controller = sweep.start(asked, "launcher.run_time_limit=60", "+sweep.limits.wall_time=30m")
    for done, jump in enumerate(jumps):
        sweep.wait_for("end", done + 1)
        sweep.wait_for("start", done + 2)
        clock.jump(jump)
    output, _ = controller.communicate(timeout=120)
    assert controller.returncode == 0, output
    assert sweep.noted("start") == sweep.noted("end") == once(6)
    assert jumped(sweep) >= 3000
    del sweep.environment["LD_PRELOAD"]
    check_ended(sweep, 6)


def jumped(sweep):
    """Return the largest step, in seconds, between the wall times of two events: that the clock did jump."""
    at = [event["at"] for event in read_events(SweepPaths(sweep.root / "data", sweep.name))]
    return max(abs(later - earlier) for earlier, later in pairwise(at))


def test_of_controllers_started_at_once_one_works_and_the_others_name_it(sweep):
    asked = sweep.write_trial(rollouts=4, seconds=1.0)
    controllers = [sweep.start(asked) for _ in range(4)]
    outputs = {controller.pid: controller.communicate(timeout=200)[0] for controller in controllers}
    codes = Counter(controller.returncode for controller in controllers)
    assert codes == Counter({2: 3, 0: 1}), outputs
    [worked] = [controller.pid for controller in controllers if controller.returncode == 0]
    refused = [output for pid, output in outputs.items() if pid != worked]
    assert all(f"pid {worked}" in output for output in refused), outputs
    assert sweep.noted("start") == sweep.noted("end") == once(4)
    check_ended(sweep, 4)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_any_moment_ends_everything_in_seconds(sweep, number):
    rng = random.Random(int(number))
    asked = sweep.write_trial(rollouts=5, seconds=2.0)  # longer than any start here, so that none completes the sweep
    for _ in range(5):
        controller = sweep.start(asked, "launcher.max_parallel=2")
        sweep.wait_for_output(controller, "W&B")
        time.sleep(rng.uniform(0.0, 1.5))
        controller.send_signal(number)
        output, _ = controller.communicate(timeout=30)
        assert controller.returncode in (128 + number, 0), output
        assert sweep.wait_until_quiet(5) == []
    assert sweep.run(asked).returncode == 0
    assert set(sweep.noted("end")) == set(once(5))
    check_ended(sweep, 5, repeated=set(once(5)))


def test_a_run_whose_directory_is_removed_is_done_again_and_its_slot_is_not_lost(sweep):
    asked = sweep.write_trial(rollouts=3, trial=HELD)
    controller = sweep.start(asked)
    sweep.wait_for("start", 1)
    shutil.rmtree(SweepPaths(sweep.root / "data", "s").run("s.r.0").root)
    sweep.wait_for("start", 2)
    sweep.let_go()
    output, _ = controller.communicate(timeout=200)
    assert controller.returncode == 0, output
    assert "the job was lost (directory_gone)" in output
    assert sweep.noted("start") == once(3) + Counter({"s.r.0": 1})
    assert sweep.wait_until_quiet() == []


def test_a_machine_that_stands_still_for_a_while_loses_nothing(sweep):
    asked = sweep.write_trial(rollouts=5, seconds=1.0)
    controller = sweep.start(asked, "launcher.max_parallel=2")
    sweep.wait_for("start", 2)
    stopped = sweep.processes()
    for process in stopped:
        process.suspend()
    time.sleep(5)
    for process in stopped:
        process.resume()
    output, _ = controller.communicate(timeout=200)
    assert controller.returncode == 0, output
    assert sweep.noted("start") == sweep.noted("end") == once(5)
    check_ended(sweep, 5)


def test_a_journal_whose_log_is_removed_is_refused_and_mended_without_losing_a_result(sweep):
    asked = sweep.write_trial(rollouts=4, seconds=0.5)
    controller = sweep.start(asked)
    sweep.wait_for("end", 2)
    sweep.wait_for("start", 3)
    controller.kill()
    controller.communicate()
    journal = SweepPaths(sweep.root / "data", "s").journal
    assert [path.unlink() for path in journal.parent.glob("sweep.db-*")]
    sweep.wait_for("end", 3)
    refused = sweep.run(asked)
    assert (refused.returncode, "metta-sweep doctor s" in refused.stderr) == (2, True)
    assert control(sweep, "doctor", "s", "--repair").returncode == 0
    done = sweep.run(asked, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(sweep.noted("end")) == set(once(4))
    assert sweep.facts()["decided"] == 4
