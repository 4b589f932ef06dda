"""Every page of the documentation: its commands work as they stand, its pictures and links exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metta_sweep.commands.cli import NAMES, main
from metta_sweep.commands.controller import compose
from metta_sweep.sweep.commands import PLACEHOLDERS
from tests.end_to_end.conftest import ROOT

DOCS = ROOT / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
TASKS = ("first_sweep", "own_trainer", "reading_results", "more_than_one_machine", "wandb", "mistakes/README")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[f"{page}.md"], re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "bash") for line in block.splitlines() if line]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_every_picture_is_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", PAGES[page])
    near = [link for link in links if not link.startswith("https://")]
    assert [link for link in near if not (DOCS / page).parent.joinpath(link).exists()] == []


def test_every_picture_is_shown_and_every_task_has_one():
    shown = {Path(name).name for page in (*PAGES.values(), (ROOT / "README.md").read_text()) for name in pictures(page)}
    assert {path.name for path in (DOCS / "pictures").iterdir()} - shown == set()
    assert [task for task in TASKS if not pictures(PAGES[f"{task}.md"])] == []


def pictures(page: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)


def test_every_subcommand_that_is_named_exists():
    named = {name for text in PAGES.values() for name in re.findall(r"metta-sweep ([a-z]+)\b", text)}
    assert named - set(NAMES) == set()


def typed_on(text: str) -> list[list[str]]:
    """Return the words of every command of ours on a page, in blocks, tables and sentences; options that are optional
    are taken, and of alternatives the first."""
    spans = [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^(?:    |\$ )?(\S.*)$", text, re.MULTILINE)]
    found = []
    for span in spans:
        line = re.match(r"(?:\.venv/bin/|\$ )?metta-sweep ([a-z]+(?: .*)?)$", span.replace("\\|", "|"))
        if line and "…" not in span:
            plain = re.sub(r"[\[\]]|\|\S+| > \S+| {2,}#.*| # .*", "", line[1]).replace(" K", " 3")
            found.append(shlex.split(plain))
    return found


def test_every_command_on_every_page_is_one_that_the_command_line_takes():
    import click

    from metta_sweep.commands.cli import program

    context = click.Context(program, info_name="metta-sweep")
    commands = [words for text in PAGES.values() for words in typed_on(text)]
    assert len(commands) > 60
    wrong = []
    for name, *words in commands:
        command = program.get_command(context, name)
        try:
            if command is not None and words:  # the name of a command alone is no command that is typed
                command.make_context(name, [*words], parent=context)
        except click.ClickException as error:
            wrong.append((name, *words, error.format_message()))
    assert wrong == []


def test_every_command_has_an_example():
    text = PAGES["command_line.md"]
    assert [name for name in NAMES if f"`metta-sweep {name} " not in text and f"`metta-sweep {name}`" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", ["more_than_one_machine", "own_trainer", "case_study"])
def test_every_sweep_command_of_a_page_is_a_request_that_is_accepted(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    words = [shlex.split(line)[1:] for line in commands(page) if line.startswith("./devops/sweep.sh")]
    assert words
    for asked in words:
        compose(asked)


@pytest.mark.slow
def test_what_any_page_says_for_a_file_of_ones_own_is_accepted_for_a_shipped_one(monkeypatch):
    monkeypatch.chdir(ROOT)
    pages = [page.removesuffix(".md") for page in PAGES]
    lines = [line for page in pages for line in commands(page) if re.search(r"metta-sweep +(run|plan) +run=", line)]
    assert any("early_stop" in line for line in lines)
    for line in lines:
        _, _, *words = shlex.split(line, comments=True)
        own = [word for word in words if not word.startswith(("++sweep_params=", "--"))]
        compose([*own, "++sweep_params=sweep/my_test_sweep"])


ENTRIES = {"./devops/sweep.sh": ["run"], "./summarize_sweep.sh": ["summarize"], ".venv/bin/metta-sweep": []}
"""The scripts of a checkout and the subcommands behind them; the README's test types the scripts themselves."""


@pytest.mark.long
def test_the_first_sweep_goes_as_its_page_says(tmp_path, monkeypatch, capsys):
    """The page's own commands, one after the other; only the training is shorter."""
    monkeypatch.chdir(ROOT)
    for name, value in (("DATA_DIR", str(tmp_path)), ("WANDB_MODE", "disabled"), ("OMP_NUM_THREADS", "1")):
        monkeypatch.setenv(name, value)
    said = {}
    for line in commands("first_sweep"):
        shorter = line.replace("--seeds 4", "--seeds 1").replace("=200000", "=4096")
        here = re.sub(r"\b(mine\.yaml|winner\.yaml)|(?<=run_dir=)(winner)", rf"{tmp_path}/\1\2", shorter)
        command, _, file = here.partition(" > ")
        program, *words = shlex.split(command)
        if program == "cp":
            shutil.copy(*words)
        elif program == ".venv/bin/python":
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
        elif "run=my_test" not in words and "watch" not in words:  # the README's test types it; it stays until Ctrl-C
            short = ["rollout_count=2", "trainer.total_timesteps=4096"] if "run=mine" in words else []
            assert main([*ENTRIES[program], *words, *short]) == 0, line
            said[line] = capsys.readouterr().out
        if file:
            Path(file).write_text(said[line])
    assert (tmp_path / "winner" / "result.json").exists()
    (plan,) = (text for line, text in said.items() if "cmd=plan" in line)
    assert "nothing was started and nothing was written" in plan
    assert (tmp_path / "sweep" / "mine" / "report.html").stat().st_size > 1_000_000
    (best,) = (text for line, text in said.items() if line.endswith("best mine"))
    assert "BEST OF mine: mine.r." in best
    assert "fresh seeds gave" in best
    assert next(text for line, text in said.items() if line.endswith("--as hydra")).startswith("# @package _global_\n")


def test_the_own_trainers_page_shows_the_examples_as_they_are():
    from yaml import safe_load

    shown = [safe_load(block) for block in blocks("own_trainer", "yaml")]
    examples = ("tensorboard_ppo", "sklearn_prints", "hydra_groups", "any_script", "config_file")
    assert shown == [safe_load((ROOT / "examples" / name / "sweep.yaml").read_text()) for name in examples]
    listed = re.findall(r"^\| `\{(\w+)\}`", PAGES["own_trainer.md"], re.MULTILINE)
    assert sorted(listed) == sorted([*PLACEHOLDERS, "NAME"])
    (result,) = blocks("own_trainer", "json")
    assert json.loads(result)["metrics"]["loss"] == 0.01


def test_the_case_study_shows_the_sweep_file_that_it_is_of():
    from yaml import safe_load

    (shown,) = [safe_load(block) for block in blocks("case_study", "yaml")]
    file = safe_load((ROOT / "examples" / "cartpole" / "sweep.yaml").read_text())
    assert shown["rollout_count"] == file["rollout_count"]
    assert shown["sweep"].items() <= file["sweep"].items()


def test_the_own_trainers_python_leaves_what_a_sweep_reads(tmp_path):
    for number, program in enumerate(blocks("own_trainer", "python")):
        run = tmp_path / str(number)
        run.mkdir()
        environment = {**os.environ, "METTA_SWEEP_RUN_DIR": str(run), "PYTHONPATH": str(ROOT)}
        whole = program if "import metta_sweep" in program else f"import metta_sweep\n\n{program}"
        subprocess.run([sys.executable, "-c", whole], check=True, env=environment)
        assert json.loads((run / "result.json").read_text())["metrics"] == {"loss": 0.001}
        assert len((run / "metrics.jsonl").read_text().splitlines()) == 10
