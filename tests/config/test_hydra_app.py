"""Hydra's flags: what they show is what a sweep uses, and what they choose is what a sweep composes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from metta_sweep.config.ask import ask
from metta_sweep.config.hydra_app import answer_question
from metta_sweep.errors import RequestError
from metta_sweep.trainer.schema import schema

SWEEP = """
defaults: [override /env: pong]
rollout_count: 2
sweep:
  parameters:
    trainer.learning_rate: {distribution: log_normal, min: 0.0001, max: 0.01}
  trainer: {total_timesteps: 4096}
"""


class Shown:
    """A working directory with a sweep file, in which Hydra is asked about the config."""

    def __init__(self, cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.cwd = cwd
        self.capsys = capsys
        (cwd / "mine.yaml").write_text(SWEEP)

    def __call__(self, *words: str) -> str:
        assert answer_question(words, training=schema, cwd=self.cwd)
        return self.capsys.readouterr().out


@pytest.fixture
def shown(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shown:
    monkeypatch.chdir(tmp_path)
    return Shown(tmp_path, capsys)


FILE = "++sweep_params=mine.yaml"


@pytest.mark.slow
def test_the_shown_config_is_the_one_that_the_sweep_trains(shown: Shown) -> None:
    words = ["run=x", FILE, "trainer.gamma=0.5", "++trainer.num_steps=64"]
    job = yaml.safe_load(shown(*words, "--cfg", "job", "--resolve"))
    asked = ask(words, training=schema, cwd=shown.cwd)
    assert {key: job[key] for key in asked.training} == asked.training
    assert (job["env"]["name"], job["trainer"]["total_timesteps"]) == ("pong", 4096)
    assert (job["rollout_count"], job["sweep"]["metric"]) == (asked.rollout_count, asked.metric)


@pytest.mark.slow
def test_a_part_is_shown_by_its_path(shown: Shown) -> None:
    assert shown(FILE, "-c", "job", "-p", "trainer.total_timesteps") == "4096\n"
    assert shown("--cfg", "job", "--package", "env").startswith("# @package env\nname: altar\n")


def test_interpolations_are_resolved_where_asked(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_DIR", "/there")
    assert shown("--cfg=job", "--package=data_dir", "--resolve") == "/there\n"
    assert "data_dir: ${oc.env:DATA_DIR,./train_dir}" in shown("--cfg", "job")


def test_all_and_hydra_show_hydras_own_settings_with_the_words_as_typed(shown: Shown) -> None:
    for which in ("all", "hydra"):
        tree = yaml.safe_load(shown("run=x", FILE, "--cfg", which))
        assert tree["hydra"]["overrides"]["task"] == ["run=x", FILE]
        assert ("trainer" in tree) == (which == "all")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("defaults", "env/pong"),
        ("defaults", "mine.yaml"),
        ("defaults-tree", "env: pong"),
        ("searchpath", "/configs"),
        ("config", "total_timesteps: 4096"),
        ("plugins", "BashCompletion"),
        ("all", "Config search path"),
    ],
)
def test_info_says_how_it_is_composed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, info: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(SWEEP)
    assert answer_question(["run=x", FILE, "--info", info], training=schema, cwd=tmp_path)
    assert words in capfd.readouterr().out


@pytest.mark.parametrize("flag", [["--config-dir", "more"], ["hydra.searchpath=[file://more]"]])
def test_one_more_folder_of_configs_serves_the_sweep_and_what_is_shown(shown: Shown, flag: list[str]) -> None:
    (shown.cwd / "more" / "env").mkdir(parents=True)
    (shown.cwd / "more" / "sweep").mkdir()
    (shown.cwd / "more" / "env" / "short.yaml").write_text("name: altar\nmax_steps: 7\n")
    (shown.cwd / "more" / "sweep" / "ours.yaml").write_text(SWEEP.replace("pong", "short"))
    words = ["run=x", "++sweep_params=sweep/ours", *flag]
    assert shown(*words, "--cfg", "job", "-p", "env.max_steps") == "7\n"


def test_a_package_of_configs_is_searched(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown.cwd / "our_configs" / "agent").mkdir(parents=True)
    (shown.cwd / "our_configs" / "__init__.py").touch()
    (shown.cwd / "our_configs" / "agent" / "ours.yaml").write_text("hidden_size: 24\n")
    monkeypatch.syspath_prepend(str(shown.cwd))
    words = ["hydra.searchpath=[pkg://our_configs]", "agent=ours"]
    assert shown(*words, "--cfg", "job", "-p", "agent.hidden_size") == "24\n"


def test_other_defaults_are_chosen_by_folder_and_name(shown: Shown) -> None:
    (shown.cwd / "jobs").mkdir()
    (shown.cwd / "jobs" / "quick.yaml").write_text("defaults: [_self_]\nseed: 5\n")
    words = ["--config-path", "jobs", "--config-name", "quick"]
    assert shown(*words, "--cfg", "job").startswith("seed: 5\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("sweep.sh run=x trainer.gam", ["trainer.gamma="]),
        ("sweep.sh run=x env=p", ["env=pong"]),
        ("sweep.sh run=x ++sweep_params=sweep/my_t", ["++sweep_params=sweep/my_test_sweep"]),
        ("sweep.sh run=x sweep_p", ["sweep_params="]),
        ("sweep.sh run=x env=pong env.nam", ["env.name="]),
    ],
)
def test_a_shell_completes_overrides_groups_and_sweep_files(
    shown: Shown, monkeypatch: pytest.MonkeyPatch, line: str, choices: list[str]
) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    assert shown("-sc", "query=bash").split() == choices


def test_completion_is_installed_for_the_script(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["sweep_init.py"])
    assert shown("--shell-completion", "install=bash").rstrip().endswith("-F hydra_bash_completion sweep.sh")


@pytest.mark.slow
def test_hydras_help_is_hydras(shown: Shown) -> None:
    assert shown("--hydra-help").startswith("Hydra (")


def test_overrides_alone_ask_nothing(tmp_path: Path) -> None:
    assert not answer_question(["run=x", FILE, "~env.name"], training=schema, cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--resolve"], "need one of --cfg, --info"),
        (["--cfg", "job", "--info", "config"], "got --cfg and --info"),
        (["--cfg", "job", "trainr.gamma=1"], "trainr.gamma: there is no such setting"),
        (["--cfg", "job", "++sweep_params=sweep/nothing"], "there is no sweep file"),
        (["--cfg", "job", "--config-dir", "nowhere"], "--config-dir: there is no folder 'nowhere'"),
        (["--cfg", "job", "--multirun"], "--multirun: "),
        (["--shell-completion", "install=elvish"], "No completion plugin for 'elvish'"),
    ],
)
def test_a_wrong_question_is_one_message(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        answer_question(words, training=schema, cwd=tmp_path)


@pytest.mark.slow
def test_asking_changes_no_later_composition(shown: Shown) -> None:
    before = ask(["run=x", FILE], training=schema, cwd=shown.cwd).training
    shown("env=altar", "--cfg", "all")
    assert ask(["run=x", FILE], training=schema, cwd=shown.cwd).training == before
