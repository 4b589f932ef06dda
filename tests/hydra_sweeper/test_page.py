"""The page ``docs/hydra.md``: its commands are typed as they stand, its tables are those of the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from yaml import safe_load

from tests.hydra_sweeper.conftest import PLUGIN, ROOT, environment

assert PLUGIN

from hydra_plugins.hydra_protein_sweeper.protein_sweeper import DEFAULTS  # noqa: E402
from hydra_protein_sweeper.grammar import leaf_of  # noqa: E402
from hydra_protein_sweeper.settings import settings_problems  # noqa: E402

PAGE = (ROOT / "docs" / "hydra.md").read_text(encoding="utf-8")


def rows(title):
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in section.splitlines() if line.startswith("| `")]


def commands():
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def test_every_setting_has_its_row():
    named = {name for row in rows("Settings") for name in row}
    assert named == {name for name in DEFAULTS if not name.startswith("_")}


def test_every_form_of_a_range_is_one():
    written = [text if "=" in text else f"x={text}" for row in rows("What is searched") for text in row]
    assert len(written) == 10
    for text in written:
        override = OverridesParser.create().parse_override(text)
        assert override.is_sweep_override()
        assert "glob" in text or leaf_of(override)


def test_every_name_of_another_sweeper_is_answered():
    settings = {name: value for name, value in DEFAULTS.items() if not name.startswith("_")}
    named = [safe_load(text) for row in rows("Coming from hydra-optuna-sweeper") for text in row if ": " in text]
    answered = [item for item in named if not str(next(iter(item))).startswith(("_target_", "override"))]
    assert len(answered) == 10
    for item in answered:
        (problem,) = settings_problems({**settings, **item})
        assert "is a setting of the Optuna sweeper" in problem.message


@pytest.mark.long
def test_the_page_s_commands_go_as_it_says(tmp_path):
    said = {}
    for line in commands():
        program, *words = shlex.split(line)
        if program == "python":
            words = [str(ROOT / word) if word.endswith(".py") else word for word in words]
        else:
            words = ["-m", "metta_sweep.commands", *words]
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said[line] = done.stdout
    first, second, summary, best, plan = said.values()
    assert "Complete: all 4 rollouts are done" in first
    assert "continuing train: 4 of 4 rollouts finished" in second
    assert "Complete: all 6 rollouts are done" in second
    assert "SWEEP SUMMARY: train" in summary
    assert "BEST OF train: train.r." in best
    assert "nothing was started and nothing was" in plan
    assert "model is polynomial" in " ".join(plan.split())
    assert list(Path(tmp_path).glob("multirun/*/*/optimization_results.yaml"))
