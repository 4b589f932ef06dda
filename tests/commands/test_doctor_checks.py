"""What the doctor sees of a machine and of a sweep's processes."""

from __future__ import annotations

import os
import socket

import pytest

from metta_sweep.commands.doctor import checks
from metta_sweep.commands.doctor.checks import CheckState, machine_checks, wandb_check
from metta_sweep.commands.doctor.checks import sweep_checks as checks_of
from metta_sweep.store.files import take_lock
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths

KEY = {"WANDB_API_KEY": "k" * 40, "HOME": "/nowhere"}


def by_name(checks):
    return {check.name: check for check in checks}


def test_a_sound_machine_is_called_sound_in_every_respect(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    found = by_name(machine_checks(tmp_path / "not" / "there"))
    assert list(found) == ["versions", "disk", "file system", "file locks", "GPU slots", "launchers", "W&B"]
    assert found["file locks"].verdict is CheckState.GOOD
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["nfs4", "lustre"])
def test_a_network_file_system_is_bad_with_what_to_do(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(checks, "_file_system", lambda place: kind)
    found = by_name(machine_checks(tmp_path))["file system"]
    assert found.verdict is CheckState.BAD
    assert "set data_dir to a local disk" in found.detail


def test_gpu_slots_are_those_that_the_user_lets_us_use(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert by_name(machine_checks(tmp_path))["GPU slots"].detail.startswith("2 with launcher.gpus_per_run=1 (3, 5)")


def test_wandb_that_takes_connections_is_reachable_and_one_that_does_not_is_a_note():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = {"WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}
        answered = wandb_check(KEY | address)
    assert (answered.verdict, "can be reached" in answered.detail) == (CheckState.GOOD, True)
    silent = wandb_check(KEY | address)
    assert (silent.verdict, "cannot be reached" in silent.detail) == (CheckState.ODD, True)


def test_wandb_behind_a_proxy_or_offline_is_not_asked(monkeypatch):
    monkeypatch.setattr(checks.socket, "create_connection", pytest.fail)
    assert "proxy" in wandb_check(KEY | {"HTTPS_PROXY": "http://127.0.0.1:1"}).detail
    assert wandb_check(KEY | {"WANDB_MODE": "offline"}).verdict is CheckState.GOOD


def test_a_process_that_the_journal_does_not_count_as_running_is_named(tmp_path):
    paths = SweepPaths(tmp_path, "s")
    SqliteJournal.open(paths, create=True).close()
    attempts = paths.run("s.r.0").attempts
    attempts.mkdir(parents=True)
    held = take_lock(attempts / "s.r.0.a2.lock")
    found = by_name(checks_of(paths))
    assert found["orphans"].verdict is CheckState.BAD
    assert "s.r.0.a2" in found["orphans"].detail
    os.close(held)
    assert by_name(checks_of(paths))["orphans"].verdict is CheckState.GOOD
