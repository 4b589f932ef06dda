"""The page on several goals, as a person follows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT

PAGE = (ROOT / "docs" / "several_goals.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```(?:python|yaml) (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def tell(cwd: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "metta_sweep.commands", *words], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("bound", "latency <= 12"), ("weights", "reward - 0.05*latency")])
def test_every_file_of_the_page_is_a_plan(name: str, shown: str, tmp_path: Path) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    assert shown in tell(tmp_path, "plan", f"run={name}", f"++sweep_params={name}.yaml", "wandb=off")
    assert not (tmp_path / "train_dir").exists()


@pytest.mark.slow
def test_a_front_is_found_chosen_from_and_bounded_afterwards(tmp_path: Path) -> None:
    for file, text in FILES.items():
        (tmp_path / file).write_text(text.replace("python train.py", f"{sys.executable} train.py"), encoding="utf-8")
    asked = ("run", "run=front", "++sweep_params=front.yaml", "wandb=off", "rollout_count=5")
    assert "on the front" in tell(tmp_path, *asked)
    assert "PARETO FRONT" in tell(tmp_path, "summarize", "front")
    assert "no one best" in tell(tmp_path, "best", "front", code=2)
    for line in re.findall(r"^\$ metta-sweep (.*)$", PAGE, re.MULTILINE):
        assert "BEST OF front" in tell(tmp_path, *line.split())
    assert "no one best to confirm" in tell(tmp_path, "confirm", "front", code=2)
    again = tell(tmp_path, *asked, "sweep.bounds=['latency <= 1']")
    assert "changed: bounds: none -> latency <= 1" in again
    assert "no rollout keeps latency <= 1" in tell(tmp_path, "summarize", "front")
