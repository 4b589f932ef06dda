"""The command line as a whole: what it loads, what it completes, and how it answers what it does not know."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

import metta_sweep
from metta_sweep import commands
from metta_sweep.commands.cli import NAMES, main, module_of, program, sentence
from tests.factories import History, guide_history
from tests.report.disk import kept


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_in_a_sentence_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: metta-sweep {name} ")
    assert sentence(name)
    assert sentence(name) in " ".join(said.split())


def test_every_file_of_a_command_is_in_the_table() -> None:
    files = [module.name for module in pkgutil.iter_modules(commands.__path__) if module.name != "__main__"]
    found = {name for name in files if "def command(" in _source(name)}
    assert {module_of(name).rpartition(".")[2] for name in NAMES} == found


def _source(name: str) -> str:
    file = importlib.util.find_spec(f"metta_sweep.commands.{name}")
    return Path(str(file and file.origin)).read_text(encoding="utf-8")


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert main(["-h"]) == 0
    assert capsys.readouterr().out == alone
    assert [name for name in NAMES if f"  {name} " not in alone] == []


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"metta-sweep {version('metta-sweep')}\n"
    assert metta_sweep.__version__ == version("metta-sweep")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["sumarize", "x"], "No such command 'sumarize'. Did you mean 'summarize'?"),
        (["best", "x", "--ass", "json"], "No such option '--ass'. Did you mean '--as'?"),
        (["best", "x", "--as", "yaml"], "'yaml' is not one of 'text', 'json', 'hydra', 'args'"),
        (["best"], "Missing argument 'NAME'"),
        (["best", "x", "y"], "unexpected extra argument"),
        (["explain", "x", "first"], "'first' is not a valid integer"),
    ],
)
def test_what_is_not_understood_is_a_wrong_request(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr()
    assert (said.out, told in " ".join(said.err.split())) == ("", True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["summarize", "explain", "best", "export", "watch", "stop", "pause", "retry"])
def test_a_command_about_a_sweep_loads_neither_torch_nor_hydra_nor_wandb(name: str) -> None:
    heavy = ("torch", "gpytorch", "wandb", "scipy", "pandas", *(["hydra", "omegaconf"] if name != "stop" else []))
    code = (
        f"import sys; from metta_sweep.commands.cli import main; main([{name!r}, 'x', '--data-dir', '/nowhere'])\n"
        f"print([module for module in {heavy!r} if module in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]"


def test_the_help_of_all_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from metta_sweep.commands.cli import main; main([])\n"
        "print(*(name for name in sys.modules if name.startswith('metta_sweep.commands.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = set(done.stderr.split())
    assert "metta_sweep.commands.cli" in loaded
    assert loaded & {module_of(name) for name in NAMES} == set()


def completed(words: str, at: int) -> list[str]:
    """Return what a shell offers for the word at a position."""
    from click.shell_completion import ShellComplete

    before = words.split()[1 : at + 1]
    incomplete = words.split()[at] if at < len(words.split()) else ""
    shell = ShellComplete(program, {}, "metta-sweep", "_METTA_SWEEP_COMPLETE")
    return [item.value for item in shell.get_completions(before[: at - 1], incomplete)]


def test_a_shell_completes_commands_sweeps_options_and_failed_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    kept(guide_history(), tmp_path)
    kept(History(name="other").suggest().start(0).fail(0), tmp_path)
    assert completed("metta-sweep re", 1) == ["rerun", "report", "replay", "resume", "retry", "rescore", "remove"]
    assert completed("metta-sweep best ", 2) == ["my_test", "other"]
    assert completed("metta-sweep report my_test o", 3) == ["other"]
    assert completed("metta-sweep best my_test --as h", 4) == ["hydra"]
    assert completed("metta-sweep retry other ", 3) == completed("metta-sweep discard other ", 3) == ["other.r.0"]


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    kept(guide_history(), tmp_path)
    line = (
        f"{sys.executable} -m metta_sweep.commands export my_test --data-dir {tmp_path} | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_an_interrupted_command_exits_as_shells_expect(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> click.Command:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(program), "get_command", interrupted)
    assert main(["best", "x"]) == 130
