from __future__ import annotations

import json
import sys

import pytest

from metta_sweep.launch.attempt.attempt import Order
from metta_sweep.launch.attempt.child import THREAD_VARIABLES, run_environment


def order(**changes):
    given = {"attempt_id": "my.r.0.a1", "command": ("true",), "run_dir": "/runs/my.r.0", "cwd": "/"}
    return Order(**{**given, **changes})


@pytest.mark.parametrize(
    ("set_by_user", "cpus", "limit"),
    [(None, 4, "4"), ("1", 4, "1"), ("64", 4, "4"), ("", 2, "2"), ("all", 2, "2"), ("0", 2, "2"), (None, 0, "1")],
)
def test_threads_are_limited_to_the_runs_cores_and_never_above_what_the_user_set(set_by_user, cpus, limit):
    base = {} if set_by_user is None else dict.fromkeys(THREAD_VARIABLES, set_by_user)
    environment = run_environment(order(cpus=cpus), base)
    assert {environment[name] for name in THREAD_VARIABLES} == {limit}


def test_what_the_run_asks_for_wins_over_what_we_would_set():
    environment = run_environment(order(env={"OMP_NUM_THREADS": "7", "OMP_WAIT_POLICY": "ACTIVE"}), {})
    assert (environment["OMP_NUM_THREADS"], environment["OMP_WAIT_POLICY"]) == ("7", "ACTIVE")


def test_what_names_the_run_cannot_be_overridden():
    environment = run_environment(order(env={"METTA_SWEEP_RUN_DIR": "/elsewhere"}), {"METTA_SWEEP_ATTEMPT": "outer"})
    assert environment["METTA_SWEEP_RUN_DIR"] == "/runs/my.r.0"
    assert environment["METTA_SWEEP_ATTEMPT"] == "my.r.0.a1"


def test_leased_gpus_are_all_that_the_run_sees_and_without_a_lease_it_sees_the_users():
    base = {"CUDA_VISIBLE_DEVICES": "0,1,2"}
    assert run_environment(order(gpus=("2", "0")), base)["CUDA_VISIBLE_DEVICES"] == "2,0"
    assert run_environment(order(gpus=()), base)["CUDA_VISIBLE_DEVICES"] == ""
    assert run_environment(order(), base)["CUDA_VISIBLE_DEVICES"] == "0,1,2"
    assert "CUDA_VISIBLE_DEVICES" not in run_environment(order(), {})


def test_the_controllers_wandb_service_is_not_passed_on():
    assert "WANDB_SERVICE" not in run_environment(order(), {"WANDB_SERVICE": "2-1-tcp"})


@pytest.mark.slow
def test_a_fork_behaves_as_python_does(tmp_path):
    """What ``python -m module`` gives, a warm fork gives: arguments, path, exit handlers, threads, generators."""
    from metta_sweep.launch.local.launcher import LocalLauncher
    from metta_sweep.launch.local.server_process import WarmStart
    from metta_sweep.sweep.ports import JobSpec
    from tests.contract.conftest import wait_over

    found = []
    warm_start = WarmStart(module="tests.launch.python_like")
    for number, start in enumerate([warm_start, None, warm_start]):
        launcher = LocalLauncher(tmp_path / "launch", warm=start)
        run_dir = tmp_path / f"my.r.{number}"
        command = (sys.executable, "-m", "tests.launch.python_like", "a b", "--x=1")
        spec = JobSpec(attempt_id=f"my.r.{number}.a1", command=command, run_dir=run_dir)
        assert wait_over(launcher, launcher.submit(spec)).code == 5
        found.append(json.loads((run_dir / "seen.json").read_text()))
        assert (run_dir / "train.log").read_text().splitlines() == [
            "from main",
            "from a thread",
            "from an exit handler",
        ]
        launcher.close()
    warm, cold, other = found
    assert warm["warm"]
    assert warm["argv"] == cold["argv"]
    assert warm["sigint"] == cold["sigint"]
    assert warm["sigpipe"] == cold["sigpipe"]
    assert warm["descriptors"] == cold["descriptors"]
    assert all(mine != others for mine, others in zip(warm["random"], other["random"], strict=True))
    assert warm["threads"] == 1
    assert warm["session"]
    assert cold["session"]
