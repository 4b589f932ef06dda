"""The mode is decided here, in one line, without the client and without asking."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.extras import how_to_install
from metta_sweep.track import Mode, resolve_mode


def mode(asked="auto", **environ):
    return resolve_mode(WandbSettings(mode=asked), {"HOME": "/nonexistent", **environ})


def netrc(tmp_path, host):
    path = tmp_path / "netrc"
    path.write_text(f"machine {host}\n  login user\n  password {'a' * 40}\n")
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("asked", "environ", "expected"),
    [
        ("auto", {"WANDB_API_KEY": "a" * 40}, Mode.ONLINE),
        ("auto", {}, Mode.OFFLINE),
        ("online", {}, Mode.OFFLINE),
        ("online", {"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "offline"}, Mode.ONLINE),
        ("offline", {"WANDB_API_KEY": "a" * 40}, Mode.OFFLINE),
        ("off", {"WANDB_API_KEY": "a" * 40}, Mode.OFF),
        ("auto", {"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "offline"}, Mode.OFFLINE),
        ("auto", {"WANDB_API_KEY": "a" * 40, "WANDB_MODE": "disabled"}, Mode.OFF),
        ("auto", {"WANDB_IDENTITY_TOKEN_FILE": "/token"}, Mode.ONLINE),
    ],
)
def test_the_request_then_the_environment_then_the_key_decide(asked, environ, expected):
    found, line = mode(asked, **environ)
    assert found is expected
    assert str(expected) in line
    assert "\n" not in line


def test_no_key_is_said_with_what_to_do():
    assert "no key (set WANDB_API_KEY or run `wandb login`)" in mode()[1]
    assert "online was asked for, but there is no key" in mode("online")[1]


def test_the_key_itself_is_never_said():
    assert "a" * 40 not in mode(WANDB_API_KEY="a" * 40)[1]


@pytest.mark.parametrize(
    ("host", "base", "expected"),
    [
        ("api.wandb.ai", "", Mode.ONLINE),
        ("wandb.example.com", "https://wandb.example.com", Mode.ONLINE),
        ("api.wandb.ai", "https://wandb.example.com", Mode.OFFLINE),
        ("github.com", "", Mode.OFFLINE),
    ],
)
def test_a_netrc_key_counts_for_its_own_server_only(tmp_path, host, base, expected):
    assert mode(NETRC=netrc(tmp_path, host), WANDB_BASE_URL=base)[0] is expected


def test_the_server_of_the_clients_settings_file_is_known(tmp_path):
    (tmp_path / "settings").write_text("[default]\nbase_url = https://wandb.example.com\n")
    environ = {"NETRC": netrc(tmp_path, "wandb.example.com"), "WANDB_CONFIG_DIR": str(tmp_path)}
    assert mode(**environ)[0] is Mode.ONLINE


@pytest.mark.parametrize("content", ["machine", "\x00\xff", ""])
def test_a_broken_netrc_is_no_key(tmp_path, content):
    (tmp_path / "netrc").write_text(content)
    assert mode(NETRC=str(tmp_path / "netrc"))[0] is Mode.OFFLINE


def test_without_the_client_it_is_off_and_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found, line = mode(WANDB_API_KEY="a" * 40)
    assert found is Mode.OFF
    assert how_to_install("wandb") in line


@pytest.mark.slow
def test_the_controllers_side_imports_nothing_of_wandb():
    heavy = ("wandb", "requests", "torch", "hydra", "omegaconf")
    code = f"import sys, metta_sweep.track; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
