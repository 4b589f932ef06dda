"""A name that nothing has is an error wherever it is met, with the name that was meant."""

from __future__ import annotations

import pytest

from metta_sweep.config.job import read_confirm
from metta_sweep.errors import RequestError
from tests.config.conftest import LEARNING_RATE, Desk

SWEEP = f"sweep:{LEARNING_RATE}"
MEANT = {
    "max_paralel": "max_parallel",
    "walltime": "wall_time",
    "wall_time_s": "wall_time",
    "topk": "top_k",
    "projct": "project",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("+launcher.max_paralel=2", "launcher.max_paralel"),
        ("++launcher.max_paralel=2", "launcher.max_paralel"),
        ("+sweep.limits.walltime=2h", "sweep.limits.walltime"),
        ("+sweep.limits.wall_time_s=2", "sweep.limits.wall_time_s"),
        ("+sweep.confirm.topk=2", "sweep.confirm.topk"),
        ("+wandb.projct=mine", "wandb.projct"),
    ],
)
def test_on_the_command_line(desk: Desk, word: str, key: str) -> None:
    message = desk.message(SWEEP, word)
    assert f"{key}: is not known\n  fix: did you mean {MEANT[key.rpartition('.')[2]]}?" in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("configs/launcher/mine.yaml", "kind: local\nmax_paralel: 2\n", "line 2: launcher.max_paralel: is not known"),
        ("configs/wandb/mine.yaml", "mode: 'off'\nprojct: x\n", "line 2: wandb.projct: is not known"),
    ],
)
def test_in_a_group_file(desk: Desk, file: str, content: str, told: str) -> None:
    desk.write(content, file)
    message = desk.message(SWEEP, f"{file.split('/')[1]}=mine")
    assert told in message
    assert "did you mean" in message


@pytest.mark.slow
def test_in_the_sweep_file(desk: Desk) -> None:
    assert "sweep.confirm.only: is not known" in desk.message(SWEEP + "    confirm: {top_k: 2, only: true}\n")
    assert "did you mean patience?" in desk.message(SWEEP + "    limits: {patiense: 2}\n")


@pytest.mark.slow
def test_a_setting_of_another_launcher_is_told_with_its_launcher(desk: Desk) -> None:
    message = desk.message(SWEEP, "+launcher.sbatch.partition=gpu")
    assert (
        "launcher.sbatch: is not known\n  fix: it is a setting of launcher=slurm, and this is launcher=local" in message
    )
    assert desk.ask(SWEEP, "launcher=slurm", "+launcher.sbatch.partition=gpu").launcher.sbatch == {"partition": "gpu"}


@pytest.mark.slow
def test_a_launcher_that_is_not_there_is_told_with_those_that_are(desk: Desk) -> None:
    message = desk.message(SWEEP, "launcher.kind=slrum")
    assert "launcher.kind: need one of local, ray, slurm, got the text 'slrum'\n  fix: did you mean slurm?" in message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"top_k": 0}, "--top-k: need at least 1, got 0"),
        ({"seeds": 5000}, "--seeds: need at most 1000, got 5000"),
    ],
)
def test_of_the_confirm_command(given: dict[str, int], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_confirm(given)
