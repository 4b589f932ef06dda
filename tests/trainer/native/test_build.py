"""The library is compiled once, and never in the way."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from metta_sweep.trainer.native.build import library


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(tmp_path), **more}


def a_compiler(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_compiler_there_is_none(tmp_path: Path) -> None:
    assert library("DEFAULT", environment(tmp_path, CC="no-such-compiler")) is None


def test_a_compiler_that_fails_is_as_good_as_none(tmp_path: Path) -> None:
    assert library("DEFAULT", environment(tmp_path, CC=a_compiler(tmp_path / "cc", "exit 1"))) is None
    assert not list(tmp_path.rglob("*.so"))


def test_a_cache_that_cannot_be_written_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "metta_sweep").write_text("a file where the folder belongs")
    assert library("DEFAULT", environment(tmp_path)) is None


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_it_is_compiled_once(tmp_path: Path) -> None:
    counting = "nice " + a_compiler(tmp_path / "counting", f'echo x >> {tmp_path}/calls; exec cc "$@"')
    first = library("DEFAULT", environment(tmp_path, CC=counting))
    assert first is not None
    assert first.exists()
    assert library("DEFAULT", environment(tmp_path, CC=counting)) == first
    assert (tmp_path / "calls").read_text() == "x\n"
    assert [path.name for path in first.parent.iterdir()] == [first.name]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_another_processor_has_a_library_of_its_own(tmp_path: Path) -> None:
    assert library("DEFAULT", environment(tmp_path)) != library("AVX2", environment(tmp_path))
