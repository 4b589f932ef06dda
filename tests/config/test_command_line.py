"""What can be typed after the command, and what is told about the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from metta_sweep.config.ask import ask
from metta_sweep.config.command_line import CommandLine, quoted, read_command_line
from metta_sweep.config.job import MAX_NAME, name_problem
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.trainer.schema import schema
from tests.config.conftest import Desk

GROUPS = {"env": ["altar", "pong"], "hardware": ["aws", "macbook"], "launcher": ["local"]}
FILE = "++sweep_params=sweep/my_test_sweep"

WRONG = {
    "nothing": [],
    "no_name": [FILE],
    "no_file": ["run=test"],
    "path_as_a_name": [FILE, "run=../test"],
    "empty_name": [FILE, "run="],
    "hidden_name": [FILE, "run=.test"],
    "name_like_an_option": [FILE, "run=-rf"],
    "long_name": [FILE, f"run={'x' * 300}"],
    "unknown_file": ["run=test", "++sweep_params=sweep/my_tst_sweep"],
    "unknown_path": ["run=test", "++sweep_params=nowhere/mine.yaml"],
    "empty_file_name": ["run=test", "++sweep_params="],
    "job_config_as_a_file": ["run=test", "++sweep_params=sweep_job"],
    "unknown_command": [FILE, "run=test", "cmd=pln"],
    "takeover_neither_true_nor_false": [FILE, "run=test", "takeover=yes"],
    "on_interrupt_unknown": [FILE, "run=test", "launcher.on_interrupt=wait"],
    "unknown_hardware": [FILE, "run=test", "+hardware=macbok"],
    "no_key": [FILE, "run=test", "trainer"],
    "an_option": [FILE, "run=test", "--parallel", "4"],
    "options_for_overrides": ["--run=test", "--sweep_params=sweep/my_test_sweep"],
    "multirun": [FILE, "run=test", "-m", "trainer.gamma=0.9,0.99"],
    "rerun": [FILE, "run=test", "--experimental-rerun", "x.pickle"],
    "a_question": [FILE, "run=test", "--cfg", "job"],
    "config_folder": [FILE, "run=test", "--config-dir", "nowhere", "--config-path=nowhere"],
    "config_name": [FILE, "run=test", "--config-name", "nothing"],
    "search_path": [FILE, "run=test", "hydra.searchpath=[file://nowhere,pkg://no.where,mine]"],
    "search_path_no_list": [FILE, "run=test", "hydra.searchpath=mine"],
    "hydra_setting": [FILE, "run=test", "hydra.run.dir=x", "hydra/launcher=joblib"],
    "group_as_a_mapping": [FILE, "run=test", "env={name: altar}"],
    "group_removed": [FILE, "run=test", "~env"],
    "package": [FILE, "run=test", "env@other=altar"],
    "several_values": [FILE, "run=test", "trainer.gamma=0.9,0.99"],
    "range": [FILE, "run=test", "trainer.num_steps=range(1,5)"],
    "unbalanced": [FILE, "run=test", "trainer.gamma=[0.9"],
    "unknown_values": [FILE, "run=test", "trainer.gama=1", "lanucher.max_parallel=2", "nonsense=1", "sweep.metrc=x"],
    "value_below_a_value": [FILE, "run=test", "trainer.gamma.x=1"],
    "wrong_values": [FILE, "run=test", "rollout_count=-1", "trainer.num_steps=1.5", "launcher.gpus_per_run=many"],
    "sweep_as_a_group": [FILE, "run=test", "sweep=my_sweep"],
    "secret": [FILE, "run=test", "wandb.api_key=abc", "data_dir=${oc.env:AWS_SECRET_ACCESS_KEY}"],
    "removed_but_needed": [FILE, "run=test", "~env.name"],
    "removed_but_not_there": [FILE, "run=test", "~trainer.nothing"],
    "control_characters": [FILE, "run=test", "trainer.gamma=\x1b[31m"],
    "huge": [FILE, "run=test", f"trainer.gamma={'9' * 20_000}"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_command_line_is_told(name: str, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    with pytest.raises(RequestError) as caught:
        ask(WRONG[name], training=schema, cwd=tmp_path, optimizer=read_optimizer)
    told = str(caught.value)
    assert told.isprintable() or "\n" in told
    told = told.replace(str(Path(__file__).parents[2]), "PROJECT")
    assert re.sub(r"there are: sweep/\w+, [\w/, ]+", "there are: SWEEP FILES", told) == snapshot


def read(*overrides: str) -> CommandLine:
    return read_command_line(overrides, groups=GROUPS)


def test_groups_are_told_from_values() -> None:
    line = read("env=pong", "env.name=altar", "+hardware=aws", "launcher=null")
    assert line.choices == {"env": "pong", "hardware": "aws", "launcher": None}
    assert [(given.key, given.value) for given in line.values] == [("env.name", "altar")]


@pytest.mark.parametrize("name", ["007", "1e5", "true", "null", "[a]", "a=b"])
def test_a_name_is_kept_as_it_was_typed(name: str) -> None:
    assert read(f"run={name}").words["run"] == name
    assert read(f"run='{name}'").words["run"] == name


def test_values_are_read_as_hydra_reads_them() -> None:
    line = read("a=1e-5", "b=[1,x]", "c=null", "d='1'", "e={x: 1}", "f=", "g=a b")
    assert [given.value for given in line.values] == [1e-5, [1, "x"], None, "1", {"x": 1}, "", "a b"]
    assert line.problems == []


def test_free_text_needs_no_quotes() -> None:
    line = read("command=python train.py {args}", "data_dir=~/a & b")
    assert [given.value for given in line.values] == ["python train.py {args}", "~/a & b"]


def test_a_given_mapping_gives_what_is_in_it() -> None:
    line = read("trainer.optimizer={beta1: 0.8}", "~sim.episodes")
    assert line.gives("trainer.optimizer.beta1")
    assert line.gives("sim.episodes")
    assert not line.gives("trainer.optimizers")
    assert not line.gives("trainer")


@pytest.mark.slow
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_quoting_keeps_every_text(text: str) -> None:
    value = OverridesParser.create().parse_override(f"a={quoted(text)}").value()
    assert value == text


@pytest.mark.parametrize("name", ["my_test", "a", "A-1.b", "x" * MAX_NAME, "_", "0"])
def test_good_names(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a b", "-a", ".a", "ä", "a\n", "x" * (MAX_NAME + 1), "a\x00", "C:"]
)
def test_bad_names(name: str) -> None:
    assert name_problem(name)


@pytest.mark.slow
def test_all_mistakes_are_told_at_once(desk: Desk) -> None:
    words = ["run=../x", "cmd=pln", "+hardware=mac", "trainer.gama=1", "rollout_count=none"]
    told = desk.message(None, FILE, *words)
    for key in ("run", "cmd", "hardware", "trainer.gama", "rollout_count"):
        assert f"command line: {key}: " in told
