"""The command of a run: what is filled in arrives as it was meant, and no shell is involved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.result import WANDB_VALUES_VARIABLE, RunPaths
from metta_sweep.sweep.commands import (
    check_command,
    common_folders,
    environment_of,
    files_of,
    hydra_overrides,
    long_options,
    options_of,
    render_command,
    run_config,
    searched_for,
    unseen,
)
from metta_sweep.sweep.records import SweepSpec

PATHS = RunPaths(Path("/data/it's a dir"))
SCALARS = st.one_of(
    st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False), st.none()
)


@given(st.one_of(SCALARS, st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=20)))
def test_hydra_reads_back_every_value_that_is_written(value):
    (written,) = hydra_overrides({"trainer.x": value})
    read = OverridesParser.create().parse_override(written).value()
    text = read.text if hasattr(read, "text") else read
    # Hydra lets "${" through to OmegaConf, which is the one reading that quoting cannot change.
    assert text == value
    assert type(text) is type(value)


def test_overrides_and_args_become_one_argument_a_parameter():
    params = {"trainer.lr": 0.001, "name": "a b"}
    command = render_command(("prog", "{overrides}", "--", "{args}"), paths=PATHS, params=params, seed=3)
    assert command == ["prog", "trainer.lr=0.001", "name='a b'", "--", "--trainer.lr=0.001", "--name=a b"]


def test_blanks_inside_an_argument_are_filled_in():
    command = render_command(
        ("prog", "--out={run_dir}/x", "{config}", "--seed={seed}", "{args_json}"), paths=PATHS, params={"a": 1}, seed=3
    )
    assert command == ["prog", "--out=/data/it's a dir/x", "/data/it's a dir/config.yaml", "--seed=3", '{"a": 1}']


def test_hostile_values_stay_one_argument():
    value = "x; rm -rf ~ $(touch /tmp/never) `id` --flag"
    (option,) = long_options({"name": value})
    assert option == f"--name={value}"


def test_an_unknown_placeholder_is_refused_with_those_that_exist():
    with pytest.raises(RequestError, match=r"unknown placeholder \{rundir\}(.|\n)*\{run_dir\}"):
        check_command(("prog", "{rundir}"))


def test_without_a_command_the_bundled_trainer_gets_the_config():
    command = render_command((), paths=PATHS, params={"a": 1}, seed=3)
    assert command[1:] == ["-m", "metta_sweep.train", "config=/data/it's a dir/config.yaml", "run_dir=/data/it's a dir"]


def test_the_config_of_a_run_is_the_base_with_the_suggestion_over_it_and_the_base_stays_as_it_was():
    base = {"trainer": {"lr": 0.1, "gamma": 0.9}, "seed": 0}
    before = json.dumps(base)
    config = run_config(base, {"trainer.lr": 0.5, "env.game.size": 3}, run_id="s.r.0", seed=7)
    assert config == {
        "trainer": {"lr": 0.5, "gamma": 0.9},
        "env": {"game": {"size": 3}},
        "seed": 7,
        "run": "s.r.0",
    }
    assert json.dumps(base) == before


def rendered(*template, params=None, fixed=None, styles=None):
    return render_command(template, paths=PATHS, params=params or {}, seed=3, fixed=fixed, styles=styles)


def test_every_placeholder_carries_what_is_held_as_well_as_what_is_swept():
    command = rendered(
        "{args}", "{overrides}", "{args_json}", params={"lr": 0.1}, fixed={"epochs": 3, "opt.name": "adam"}
    )
    assert command == [
        *("--lr=0.1", "--epochs=3", "--opt.name=adam"),
        *("lr=0.1", "epochs=3", "opt.name=adam"),
        '{"lr": 0.1, "epochs": 3, "opt.name": "adam"}',
    ]


def test_one_value_is_filled_in_by_its_name_anywhere():
    command = rendered("-k", "n_steps:{n_steps},lr:{opt.lr}", params={"n_steps": 16, "opt.lr": 0.01})
    assert command == ["-k", "n_steps:16,lr:0.01"]


def test_braces_and_dollars_stand_for_themselves():
    assert rendered("{{lr}}", "${HOME}", "$x", params={"lr": 1}) == ["{lr}", "${HOME}", "$x"]
    assert rendered('--opts={"a":{"b":1}}', params={"lr": 1}) == ['--opts={"a":{"b":1}}']


def test_flags_are_there_or_not_and_switches_say_no():
    values = {"amp": True, "debug": False, "lr": 0.1}
    assert rendered("{flags}", params=values) == ["--amp", "--lr=0.1"]
    assert rendered("{args}", params=values) == ["--amp=true", "--debug=false", "--lr=0.1"]
    assert rendered("{args}", params=values, styles={"amp": "flag", "debug": "switch"}) == [
        "--amp",
        "--no-debug",
        "--lr=0.1",
    ]


def test_a_list_arrives_as_the_style_says():
    values = {"sizes": [64, 32]}
    assert rendered("{args}", params=values) == ["--sizes=[64, 32]"]
    assert rendered("{args}", params=values, styles={"sizes": "repeat"}) == ["--sizes=64", "--sizes=32"]
    assert rendered("{args}", params=values, styles={"sizes": "words"}) == ["--sizes", "64", "32"]
    assert rendered("{args}", params=values, styles={"sizes": "dash"}) == ["-sizes", "64", "32"]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("train --output_dir out {args}", {"--output_dir": "out"}),
        ("train --save-dir=/scratch/me", {"--save-dir": "/scratch/me"}),
        ("train trainer.default_root_dir=logs", {"trainer.default_root_dir": "logs"}),
        ("train hydra.run.dir=one", {"hydra.run.dir": "one"}),
        ("train --out out", {"--out": "out"}),
        ("train --output_dir={run_dir}/out", {}),
        ("train --num-output 10 --output --lr=1", {}),
        ("train --data-dir data --checkpoint_path old.pt", {}),
    ],
)
def test_a_folder_that_every_run_writes_to_is_found(command, found):
    assert common_folders(tuple(command.split()), {}) == found
    assert common_folders(("train", "{args}"), {"work_dir": "here", "epochs": 3}) == {"work_dir": "here"}


def test_a_single_value_is_a_word_of_its_own_where_the_program_wants_it_so():
    values = {"lr": 0.1, "amp": True, "slow": False}
    styles = {"lr": "words", "amp": "dash", "slow": "dash"}
    assert rendered("{args}", params=values, styles=styles) == ["--lr", "0.1", "-amp"]
    assert rendered("{args}", params={"lr": 0.1}, styles={"lr": "dash"}) == ["-lr", "0.1"]


@pytest.mark.slow
@given(
    st.recursive(
        SCALARS | st.text("ab ,:[]{}'\\\\=", max_size=6), lambda inner: st.lists(inner, max_size=3), max_leaves=6
    )
)
def test_hydra_reads_back_lists_too(value):
    (written,) = hydra_overrides({"trainer.x": value})
    read = OverridesParser.create().parse_override(written).value()

    def plain(part):
        return [plain(each) for each in part] if isinstance(part, list) else getattr(part, "text", part)

    assert plain(read) == value


def test_a_placeholder_of_a_conditional_parameter_asks_for_a_value_where_it_does_not_count():
    check_command(("prog", "{lr}"), names=["lr"])
    with pytest.raises(RequestError, match="has no value at points where hidden does not count"):
        check_command(("prog", "{hidden}"), names=["lr"], conditional=["hidden"])
    with pytest.raises(RequestError, match=r"write \{lr\}"):
        check_command(("prog", "{lrr}"), names=["lr"])


def variables(env, beside=None, **training):
    spec = SweepSpec(name="s", metric="m", goal=Goal.MAXIMIZE, rollout_count=1, env=env, training=training)
    return environment_of(spec, PATHS, {"lr": 0.1, "amp": True}, 3, beside or {})


def test_a_variable_has_the_placeholders_of_the_command():
    given = variables({"A": "{lr}/{seed}", "B": "{run_dir}/x", "C": "{flags}", "D": "{{x}}"}, epochs=2)
    assert given == {"A": "0.1/3", "B": "/data/it's a dir/x", "C": "--lr=0.1 --amp --epochs=2", "D": "{x}"}


def test_a_run_finds_what_its_sweep_searches_for():
    spec = SweepSpec(name="s", metric="loss", goal=Goal.MINIMIZE, rollout_count=1)
    assert searched_for(spec) == {"METTA_SWEEP_METRIC": "loss", "METTA_SWEEP_GOAL": "minimize"}


def test_the_sweep_files_variables_win_over_the_sweeps_own_and_search_paths_are_joined():
    beside = {"WANDB_MODE": "offline", "PYTHONPATH": "/client"}
    assert variables({"WANDB_MODE": "online", "PYTHONPATH": "src"}, beside) == {
        "WANDB_MODE": "online",
        "PYTHONPATH": "src:/client",
    }


@pytest.mark.parametrize(
    ("command", "env", "expected"),
    [
        (("train.py",), {}, ["lr", "depth"]),
        (("train.py", "--lr={lr}"), {}, ["depth"]),
        (("train.py", "--lr={lr}"), {"DEPTH": "{depth}"}, []),
        (("train.py", "{args}"), {}, []),
        (("train.py",), {"ARGS": "{args_json}"}, []),
        (("train.py", "{config:base.yaml}"), {}, []),
        ((), {}, []),
    ],
)
def test_values_that_a_command_hands_over_nowhere_are_known(command, env, expected):
    assert unseen(command, env, ["lr", "depth"]) == expected


def test_a_config_file_that_is_filled_in_is_the_runs_own(tmp_path):
    words = render_command(("train.py", "--config={config:a/base.yaml}"), paths=RunPaths(tmp_path), params={}, seed=3)
    assert words == ["train.py", f"--config={tmp_path}/filled/base.yaml"]
    with pytest.raises(RequestError, match="unknown placeholder"):
        check_command(("{config:base.yaml}",), key="sweep.env.CONFIG")


def test_what_wandb_config_gets_is_every_value_and_the_seed_as_its_agent_writes_it():
    training = {"epochs": 3, "opt": {"name": "adam"}, "seed": 9}
    spec = replace(
        SweepSpec(name="s", metric="m", goal=Goal.MAXIMIZE, rollout_count=1), command=("t.py",), training=training
    )
    params = {"lr": 1e-05, "opt.wd": 0.1, "weight-decay": 0.5}
    (text,) = files_of(spec, params, 4, {WANDB_VALUES_VARIABLE: "x"}).values()
    assert yaml.safe_load(text) == {
        "lr": {"value": 1e-05},
        "opt": {"value": {"wd": 0.1, "name": "adam"}},
        "epochs": {"value": 3},
        "seed": {"value": 4},
    }
    assert files_of(spec, params, 4, {}) == {}


@pytest.mark.parametrize(
    ("command", "told"), [("train {args}", ["-lr", "0.1", "--amp=true"]), ("train {flags}", ["-lr", "0.1", "--amp"])]
)
def test_a_point_is_told_as_its_runs_were_told(command, told):
    parameters = {
        "lr": {"min": 0.01, "max": 1.0, "distribution": "log_normal", "as": "dash"},
        "amp": {"values": [True]},
    }
    asked = SweepSpec(
        name="s", metric="m", goal=Goal.MAXIMIZE, rollout_count=1, parameters=parameters, command=tuple(command.split())
    )
    assert options_of(asked, {"lr": 0.1, "amp": True}) == told
