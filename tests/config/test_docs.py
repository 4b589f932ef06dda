"""What the documentation says about configuration is what happens."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from metta_sweep.config.ask import ask
from metta_sweep.config.sweep_file import ROOT_KEYS, SWEEP_KEYS
from metta_sweep.envs.config import ENV_NAMES
from metta_sweep.envs.tasks import TASKS
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.schema import schema

DOCS = Path(__file__).parents[2] / "docs"
TRAINER = (DOCS / "trainer.md").read_text(encoding="utf-8")
PAGES = sorted(path.stem for path in (DOCS / "mistakes").glob("*.md") if path.stem != "README")


def blocks(page: str, kind: str) -> list[str]:
    text = (DOCS / "mistakes" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[tuple[list[str], str]]:
    """Return the words and the output of each sweep command that a page shows as going wrong."""
    found = re.findall(
        r"^```console\n\$ \./devops/sweep\.sh (.*?)\nerror: (.*?)\n```$", text_of(page), re.DOTALL | re.MULTILINE
    )
    return [(words.split(), told) for words, told in found]


def text_of(page: str) -> str:
    return (DOCS / "mistakes" / f"{page}.md").read_text(encoding="utf-8")


def put(cwd: Path, sweep: str) -> None:
    (cwd / "configs" / "sweep").mkdir(parents=True, exist_ok=True)
    (cwd / "configs" / "sweep" / "mine.yaml").write_text(sweep, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_message_that_a_person_sees(page: str, tmp_path: Path) -> None:
    for sweep in blocks(page, "yaml wrong"):
        put(tmp_path, sweep)
    for words, told in commands(page):
        with pytest.raises(RequestError) as caught:
            ask(words, training=schema, cwd=tmp_path, optimizer=read_optimizer)
        pattern = ".*".join(map(re.escape, told.split("…")))  # a page leaves out what grows
        assert re.fullmatch(pattern, str(caught.value), re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml right")])
def test_what_a_page_proposes_works(page: str, tmp_path: Path) -> None:
    put(tmp_path, blocks(page, "yaml right")[0])
    more = [line.split("sweep/mine", 1)[1].split() for line in blocks(page, "console right")]
    for words in more or [[]]:
        ask(["run=mine", "++sweep_params=sweep/mine", *words], training=schema, cwd=tmp_path)


def examples() -> list[tuple[str, dict[str, Any]]]:
    """Return every sweep file, and every part of one, that a page shows; with its page."""
    found = []
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            data = yaml.safe_load(block)
            whole = data if "sweep" in data else {"sweep": data}
            if {*whole} <= {*ROOT_KEYS} and ("sweep" in data or {*data} <= {*SWEEP_KEYS}):
                found.append((page.stem, whole))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("page", "example"), examples(), ids=[page for page, _ in examples()])
def test_the_examples_of_a_page_are_accepted(page: str, example: dict[str, Any], tmp_path: Path) -> None:
    share = {"min": 1e-6, "max": 0.9999, "distribution": "uniform"}
    batch = {"min": 32, "max": 4096, "distribution": "uniform_pow2"}
    usual = {
        "metric": "reward",
        "parameters": {"trainer": {"learning_rate": share, "gamma": share, "batch_size": batch}},
    }
    put(tmp_path, yaml.safe_dump({**example, "sweep": {**usual, **example["sweep"]}}))
    words = ["run=mine", "++sweep_params=sweep/mine", "cmd=plan"]
    assert ask(words, training=schema, cwd=tmp_path, optimizer=read_optimizer).space.parameters


def test_the_pages_have_examples() -> None:
    pages = [page for page, _ in examples()]
    assert len(pages) >= 13
    assert {"configuration", "early_stopping", "own_trainer", "steering", "trainer"} <= {*pages}


@pytest.mark.slow
@pytest.mark.parametrize("env", ["altar", "pong"])
def test_the_statistics_that_the_trainer_page_names_are_reported(env: str, tmp_path: Path) -> None:
    _, _, section = TRAINER.partition(f"### {env}\n")
    _, _, told = section.partition("###")[0].partition("Statistics")
    put(tmp_path, "sweep: {}")
    words = ["run=mine", "++sweep_params=sweep/mine", "cmd=plan", f"env={env}"]
    reported = schema.metrics(ask(words, training=schema, cwd=tmp_path).training) or ()
    named = re.findall(r"`([\w.]+)`", told)
    assert "reward" in named
    assert set(named) <= set(reported)


def test_the_trainer_page_knows_every_environment_task_and_key() -> None:
    names = (*ENV_NAMES, *TASKS, *TrainerConfig.model_fields)
    assert [name for name in names if f"`{name}`" not in TRAINER.replace(".*`", "`")] == []


def pages_of(navigation: Any) -> list[str]:
    if isinstance(navigation, str):
        return [navigation]
    parts = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for part in parts for page in pages_of(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    named = [page for page in pages_of(navigation) if not page.startswith("project/")]
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_every_page_is_in_the_index() -> None:
    linked = re.findall(r"\((\w+)\.md\)", (DOCS / "mistakes" / "README.md").read_text(encoding="utf-8"))
    assert sorted(linked) == PAGES


@pytest.mark.slow
def test_the_catalogue_is_what_the_files_say() -> None:
    made = runpy.run_path(str(DOCS / "make_sweep_files.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: python docs/make_sweep_files.py"


def test_the_python_page_is_what_the_docstrings_say() -> None:
    made = runpy.run_path(str(DOCS / "make_api.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: python -m docs.make_api"
