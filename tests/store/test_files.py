from __future__ import annotations

import multiprocessing
import os

import pytest

from metta_sweep.store.files import is_locked, read_json, take_lock, write_json, write_whole


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path):
    assert write_whole(tmp_path / "a", "one\n")
    assert write_whole(tmp_path / "a", "two\n")
    assert (tmp_path / "a").read_text() == "two\n"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


def test_an_existing_file_is_kept_where_that_is_asked(tmp_path):
    write_whole(tmp_path / "a", "one\n")
    assert not write_whole(tmp_path / "a", "two\n", keep_existing=True)
    assert (tmp_path / "a").read_text() == "one\n"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "a", "one\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "a", "half\ud800")
    assert (tmp_path / "a").read_text() == "one\n"
    assert os.listdir(tmp_path) == ["a"]  # noqa: PTH208


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "null", "\x00\x00"])
def test_what_is_no_json_object_is_nothing(tmp_path, content):
    (tmp_path / "a").write_text(content)
    assert read_json(tmp_path / "a") is None
    assert read_json(tmp_path / "missing") is None


def test_json_comes_back_as_it_went(tmp_path):
    write_json(tmp_path / "a", {"x": [1, None, "ü"]})
    assert read_json(tmp_path / "a") == {"x": [1, None, "ü"]}


def test_a_lock_is_exclusive_until_it_is_let_go(tmp_path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    held = take_lock(path)
    assert is_locked(path)
    assert take_lock(path, patience_s=0) is None
    os.close(held)
    assert not is_locked(path)
    os.close(take_lock(path))


def test_looking_does_not_take(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    assert not is_locked(path)
    os.close(take_lock(path, patience_s=0))


def test_a_lock_whose_file_was_removed_locks_nobody_out(tmp_path):
    path = tmp_path / "lock"
    old = take_lock(path)
    path.unlink()
    new = take_lock(path, patience_s=0)
    assert new is not None
    assert is_locked(path)
    os.close(old)
    os.close(new)


def _count(path, counter, rounds):
    for _ in range(rounds):
        held = take_lock(path, patience_s=20)
        number = int(counter.read_text())
        counter.write_text(str(number + 1))
        os.close(held)


@pytest.mark.slow
def test_locked_sections_of_several_processes_never_overlap(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_count, args=(tmp_path / "lock", counter, 30)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counter.read_text() == "90"
