import os
import shlex
import sys
from pathlib import Path

import pytest

from metta_sweep.report import Place
from tests.factories import Directories

PLACE = Place(paths=Directories(), cwd=Path("/lab"))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("train_dir/sweep/x", "train_dir/sweep/x"),
        ("/lab/train_dir/sweep/x", "train_dir/sweep/x"),
        ("/lab/../lab/./a", "a"),
        ("/data/sweep/x", "/data/sweep/x"),
        ("../other/x", "../other/x"),
    ],
)
def test_a_path_below_the_reader_is_shown_from_where_they_stand(path: str, shown: str) -> None:
    assert PLACE.show(Path(path)) == shown


def test_a_path_in_a_command_is_one_word() -> None:
    assert shlex.split(PLACE.quoted(Path("my data/$x/it's"))) == ["my data/$x/it's"]


def test_the_interpreter_is_named_as_the_reader_would_type_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert Place.here(Directories()).python == ".venv/bin/python"
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}/usr/bin")
    assert Place.here(Directories()).python == "python"


def test_an_interpreter_that_is_a_link_stays_that_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = tmp_path / "bin" / "python"
    link.parent.mkdir()
    link.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(link))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin")
    assert Place.here(Directories()).python == "bin/python"


def test_the_tool_beside_the_interpreter_is_named_where_it_is_not_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "metta-sweep").write_text("")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert Place.here(Directories()).program == "bin/metta-sweep"
    (folder / "metta-sweep").unlink()
    assert Place.here(Directories()).program == "bin/python -m metta_sweep.commands"
