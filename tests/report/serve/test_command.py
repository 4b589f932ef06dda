"""``metta-sweep serve`` as a person types it."""

from __future__ import annotations

import builtins
import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from metta_sweep.commands.cli import main


def test_a_folder_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "none")]) == 2
    assert "none: there is no such folder\n  fix: name the folder that has sweep/ in it" in capsys.readouterr().err


def test_a_port_that_is_taken_is_named(tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", str(tmp_path), "--port", str(taken.getsockname()[1])]) == 2
    assert "cannot listen at 127.0.0.1:" in capsys.readouterr().err


def test_a_missing_extra_says_how_to_install_it(tmp_path, capsys, monkeypatch):
    load = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return load(name, *rest)

    monkeypatch.delitem(sys.modules, "metta_sweep.report.serve.serving", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["serve", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "serve needs starlette and uvicorn\n  fix: " in said
    assert "serve" in said.partition("fix: ")[2] or "starlette" in said.partition("fix: ")[2]


@pytest.mark.slow
def test_it_prints_its_address_and_ends_with_ctrl_c(tmp_path):
    command = [sys.executable, "-m", "metta_sweep.commands", "serve", str(tmp_path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}\n", process.stdout.readline())
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert errors == ""
    assert process.returncode in (0, 130)
