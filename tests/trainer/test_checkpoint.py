"""Files that a run can go on from."""

import pickle

import pytest
import torch

from metta_sweep.trainer.checkpoint import CheckpointError, CheckpointFolder, load


def save(folder, *steps, best=False):
    for step in steps:
        folder.save({"step": step, "weights": torch.full((3,), float(step))}, step=step, best=best)


def test_what_is_saved_is_what_is_loaded(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints")
    save(folder, 8)
    content = load(folder.at(8))
    assert content["step"] == 8
    assert torch.equal(content["weights"], torch.full((3,), 8.0))


def test_the_latest_are_kept_and_the_best_whatever_its_age(tmp_path):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1)
    save(folder, 2, best=True)
    save(folder, 3, 4, 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", folder.at(4).name, folder.at(5).name]
    assert load(folder.best)["step"] == 2


@pytest.mark.parametrize("damage", [b"", b"garbage", None], ids=["empty", "garbage", "torn"])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damage):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1, 2)
    content = folder.at(2).read_bytes()
    folder.at(2).write_bytes(content[: len(content) // 2] if damage is None else damage)
    assert folder.latest()["step"] == 1


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert CheckpointFolder(tmp_path / "nowhere").latest() is None


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint was run')",))


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    folder = CheckpointFolder(tmp_path)
    torch.save({"format": 1, "step": Evil()}, folder.at(1))
    with pytest.raises(CheckpointError):
        load(folder.at(1))
    folder.at(2).write_bytes(pickle.dumps(Evil(), protocol=2))
    with pytest.raises(CheckpointError):
        load(folder.at(2))


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    torch.save({"format": 99}, tmp_path / "step-1.pt")
    with pytest.raises(CheckpointError, match="format 1"):
        load(tmp_path / "step-1.pt")


def test_an_unfinished_file_is_no_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path)
    save(folder, 1)
    (tmp_path / f".{folder.at(2).name}.123").write_bytes(b"half")
    assert [path.name for path in folder.all()] == [folder.at(1).name]
