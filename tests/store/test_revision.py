"""The revision of a real git repository: named, and whole again from the commit and the diff that is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metta_sweep.store import revision
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.revision import keep_revision, trainers_folder
from metta_sweep.sweep.records import CodeRevision


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *settings, "-C", str(folder), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    git(folder, "init", "-q")
    (folder / "train.py").write_text("one = 1\ntwo = 2\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "model with blank.py").write_bytes(b"crlf = 1\r\nlast line without end")
    (folder / "weights.bin").write_bytes(bytes(range(256)))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


@pytest.fixture
def repository(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "repository"))


def sweep(data_dir: Path) -> SweepPaths:
    paths = SweepPaths(data_dir, "s")
    paths.root.mkdir(parents=True, exist_ok=True)
    return paths


def kept(folder: Path, paths: SweepPaths) -> str:
    found = keep_revision(folder, paths)
    return (paths.root / found.diff).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ((), "here"),
        (("python", "-m", "train", "--data", "rows.csv"), "here"),
        (("python", "-u", "{there}/train.py", "{args}"), "there"),
        (("{there}/bin/python", "train.py"), "here"),
        (("torchrun", "--nproc", "2", "{there}/train.py"), "there"),
        (("{there}/start", "{args}"), "there"),
        (("python", "../there/train.py"), "there"),
        (("node", "{cwd}/../there/train.mjs"), "there"),
        (("python", "gone.py"), "here"),
        (("bash", "-c", "echo " + "x" * 5000 + "\0"), "here"),
    ],
)
def test_the_trainers_folder_is_that_of_the_first_program_of_a_command(tmp_path, command, expected):
    here, there = tmp_path / "here", tmp_path / "there"
    for path in (
        here / "rows.csv",
        here / "train.py",
        there / "train.py",
        there / "train.mjs",
        there / "bin" / "python",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in (there / "start", there / "bin" / "python"):
        path.touch(mode=0o755)
        path.chmod(0o755)
    words = [word.replace("{there}", str(there)) for word in command]
    assert trainers_folder(words, here).resolve() == tmp_path / expected


def test_a_repository_elsewhere_is_named_by_its_top(repository, tmp_path):
    found = keep_revision(repository / "sub", sweep(tmp_path / "data"), here=tmp_path)
    assert found.folder == str(repository)
    assert not keep_revision(repository / "sub", sweep(tmp_path / "data"), here=repository).folder


def test_a_clean_repository_is_its_commit_and_nothing_is_kept(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    found = keep_revision(repository, paths)
    assert found == CodeRevision(commit=git(repository, "rev-parse", "HEAD"))
    assert not found.is_dirty
    assert not paths.code.exists()


def restored(repository: Path, template: Path, diff: Path, target: Path) -> None:
    shutil.copytree(template, target)
    git(target, "apply", str(diff))


def test_the_commit_and_the_kept_diff_give_the_very_files(repository, template, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("one = 1\ntwo = 22\n# diff --git a/x b/x\n")
    (repository / "sub" / "model with blank.py").write_bytes(b"crlf = 2\r\nand more\r\n")
    (repository / "new.py").write_text("added = True\n")
    git(repository, "add", "new.py")
    found = keep_revision(repository, paths)
    assert set(found.changed) == {"train.py", "sub/model with blank.py", "new.py"}
    restored(repository, template, paths.root / found.diff, tmp_path / "again")
    for name in found.changed:
        assert (tmp_path / "again" / name).read_bytes() == (repository / name).read_bytes()


@pytest.mark.slow
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), max_size=5))
def test_whatever_text_a_file_has_comes_back(repository, template, tmp_path_factory, lines):
    place = tmp_path_factory.mktemp("any")
    paths = sweep(place / "data")
    (repository / "train.py").write_text("\n".join([*lines, "end"]), encoding="utf-8")
    found = keep_revision(repository, paths)
    restored(repository, template, paths.root / found.diff, place / "again")
    assert (place / "again" / "train.py").read_bytes() == (repository / "train.py").read_bytes()


def test_untracked_files_are_named_and_ignored_ones_are_not(repository, tmp_path):
    (repository / ".gitignore").write_text("*.log\n")
    (repository / "noise.log").write_text("x")
    (repository / "mine").mkdir()
    (repository / "mine" / "a.py").write_text("x")
    found = keep_revision(repository, sweep(tmp_path / "data"))
    assert found.untracked == (".gitignore", "mine/")
    assert (found.changed, found.diff, found.is_dirty) == ((), "", True)


def test_the_sweeps_own_files_are_no_change_of_the_code(repository):
    paths = sweep(repository / "train_dir")
    (paths.root / "sweep.db").write_text("x")
    assert not keep_revision(repository, paths).is_dirty
    git(repository, "add", "-f", "train_dir")
    assert not keep_revision(repository, paths).is_dirty


def test_every_folder_of_a_repository_gives_the_same(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("changed\n")
    (repository / "new.py").write_text("x")
    assert keep_revision(repository / "sub", paths) == keep_revision(repository, paths)


def test_a_setting_of_git_changes_nothing(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("changed\n")
    plain = kept(repository, paths)
    for name, value in (
        ("diff.noprefix", "true"),
        ("diff.mnemonicPrefix", "true"),
        ("color.ui", "always"),
        ("diff.external", "false"),
        ("diff.relative", "true"),
        ("status.showUntrackedFiles", "no"),
    ):
        git(repository, "config", name, value)
    assert kept(repository / "sub", paths) == plain


def test_starts_with_the_same_changes_share_a_file_and_others_have_their_own(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("first\n")
    once, again = keep_revision(repository, paths), keep_revision(repository, paths)
    (repository / "train.py").write_text("second\n")
    other = keep_revision(repository, paths)
    assert once == again
    assert once.diff != other.diff
    assert len(list(paths.code.iterdir())) == 2


def test_a_binary_file_and_another_encoding_are_named_and_the_rest_still_applies(repository, template, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "weights.bin").write_bytes(bytes(reversed(range(256))))
    (repository / "sub" / "model with blank.py").write_bytes("latin = 'é'\n".encode("latin-1"))
    (repository / "train.py").write_text("changed\n")
    found = keep_revision(repository, paths)
    assert set(found.unkept) == {"weights.bin", "sub/model with blank.py"}
    assert set(found.changed) == {"train.py", *found.unkept}
    restored(repository, template, paths.root / found.diff, tmp_path / "again")
    assert (tmp_path / "again" / "train.py").read_text() == "changed\n"


def test_what_is_too_large_is_named_and_the_rest_is_kept(repository, tmp_path, monkeypatch):
    paths = sweep(tmp_path / "data")
    monkeypatch.setattr(revision, "DIFF_LIMIT", 2000)
    (repository / "sub" / "model with blank.py").write_text("x = 1\n" * 1000)
    (repository / "train.py").write_text("small\n")
    found = keep_revision(repository, paths)
    assert found.unkept == ("sub/model with blank.py",)
    assert (paths.root / found.diff).stat().st_size < 3000
    assert "+small" in (paths.root / found.diff).read_text()


def test_names_are_bounded_and_the_rest_is_counted(repository, tmp_path, monkeypatch):
    monkeypatch.setattr(revision, "NAMES_LIMIT", 2)
    for number in range(5):
        (repository / f"new{number}.py").write_text("x")
    found = keep_revision(repository, sweep(tmp_path / "data"))
    assert (len(found.untracked), found.unlisted) == (2, 3)


def test_secrets_are_taken_out_before_anything_is_written(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("password = 'hunter2222'\n")
    found = keep_revision(repository, paths, clean=lambda text: text.replace("hunter2222", "[redacted]"))
    assert "hunter2222" not in (paths.root / found.diff).read_text()
    assert "[redacted]" in (paths.root / found.diff).read_text()


def test_outside_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert keep_revision(tmp_path, sweep(tmp_path / "data")).unknown == "the trainer is in no git repository"


def test_a_repository_without_a_commit_says_so(tmp_path):
    git(tmp_path, "init", "-q")
    assert keep_revision(tmp_path, sweep(tmp_path / "data")).unknown == "the git repository has no commit yet"


def test_without_git_it_says_so(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert keep_revision(repository, sweep(tmp_path / "data")).unknown == "git is not installed"


def test_a_git_that_does_not_answer_is_not_waited_for(repository, tmp_path, monkeypatch):
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(revision, "PATIENCE_S", 0.2)
    assert "took longer than" in keep_revision(repository, sweep(tmp_path / "data")).unknown


def test_a_file_that_was_only_touched_is_no_change(repository, tmp_path):
    paths = sweep(tmp_path / "data")
    (repository / "train.py").write_text("changed\n")
    os.utime(repository / "sub" / "model with blank.py", (1, 1))
    assert "model" not in kept(repository, paths)


def test_the_repository_is_not_touched(repository, tmp_path):
    os.utime(repository / "train.py", (1, 1))
    (repository / "weights.bin").unlink()
    before = (repository / ".git" / "index").read_bytes()
    found = keep_revision(repository, sweep(tmp_path / "data"))
    assert found.changed == ("weights.bin",)
    assert (repository / ".git" / "index").read_bytes() == before
    assert not (repository / ".git" / "index.lock").exists()
