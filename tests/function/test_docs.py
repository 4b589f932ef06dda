"""The examples of the page do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_an_example_runs_as_it_is(place, tmp_path):
    (tmp_path / "example.py").write_text(EXAMPLES[place])
    env = {name: value for name, value in os.environ.items() if name != "DATA_DIR"}
    done = subprocess.run([sys.executable, "example.py"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Complete: all" in done.stdout


def test_there_are_examples():
    assert len(EXAMPLES) == 2
