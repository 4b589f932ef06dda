"""A program's own config file gets a run's values, and nothing else of it changes."""

from __future__ import annotations

import configparser
import json
import tomllib

import pytest
import tomlkit
import yaml
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.config.config_files import ConfigFileError, check_config_files, filled_in, named_in, values_of
from metta_sweep.errors import RequestError
from metta_sweep.trees import leaves, nested, with_values

CONFIG = """\
# by hand
seed: 3          # of numpy
optim: &o
  lr: 1e-4   # rate
  name: adam
  betas: [0.9, 0.999]
  wd:
net:
  layers:
  - 64
  - 64
  # not more
  act: 'relu'
other: {a: 1, b: {c: &x 2}}
again: *x
copy: *o
"quoted: key": 1
tag: !mine 3
"""


def written(tmp_path, text=CONFIG, name="base.yaml"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def test_only_the_values_change(tmp_path):
    values = {
        "optim.lr": 1e-5,
        "optim.name": "sgd: #1",
        "optim.betas": [0.8, 0.9],
        "optim.wd": 0.001,
        "net.layers": [32, 16],
        "net.act": None,
        "other.b.c": 7,
        "again": 8,
        "quoted: key": "é",
        "of.nobody": 1,
    }
    assert (
        filled_in(written(tmp_path), values, seed=9)
        == """\
# by hand
seed: 9          # of numpy
optim: &o
  lr: 1.0e-05   # rate
  name: "sgd: #1"
  betas: [0.8, 0.9]
  wd: 0.001
net:
  layers: [32, 16]
  # not more
  act: null
other: {a: 1, b: {c: &x 7}}
again: 8
copy: *o
"quoted: key": "é"
tag: !mine 3
"""
    )


def test_a_file_of_which_nothing_is_asked_stays_as_it_is_but_for_its_seed(tmp_path):
    assert filled_in(written(tmp_path), {}, seed=3) == CONFIG
    assert filled_in(written(tmp_path, "model:\n  random_state:   # any\n"), {}, seed=5) == (
        "model:\n  random_state: 5   # any\n"
    )
    assert filled_in(written(tmp_path, "seed: [1, 2]\n"), {}, seed=5) == "seed: [1, 2]\n"
    assert filled_in(written(tmp_path, "seed: 1\n"), {"seed": 2}, seed=5) == "seed: 2\n"


def test_what_an_alias_stands_for_is_another_keys(tmp_path):
    assert "copy.lr" not in values_of(written(tmp_path))
    assert values_of(written(tmp_path))["optim.lr"] == 0.0001
    assert values_of(written(tmp_path, "lr: '1e-4'\n"))["lr"] == "1e-4"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=8),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
READ_AS_OTHERS = ("seed", "y", "n", "no", "on")
KEYS = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda key: key not in READ_AS_OTHERS)
TREES = st.recursive(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    lambda below: st.dictionaries(KEYS, st.one_of(VALUES, below), min_size=1, max_size=4),
    max_leaves=8,
)


@given(tree=TREES, flow=st.sampled_from([None, False, True]), indent=st.integers(2, 4), data=st.data())
def test_a_loader_reads_the_values_and_everything_else_as_before(tmp_path_factory, tree, flow, indent, data):
    folder = tmp_path_factory.mktemp("files")
    for name, text in (
        ("base.yaml", yaml.safe_dump(tree, default_flow_style=flow, indent=indent, allow_unicode=True)),
        ("base.json", json.dumps(tree, indent=data.draw(st.sampled_from([None, 2, "\t"])))),
    ):
        file = written(folder, text, name)
        held = values_of(file)
        changed = data.draw(st.dictionaries(st.sampled_from(sorted(held)), VALUES, max_size=4))
        after = filled_in(file, changed, seed=0)
        read = json.loads(after) if name.endswith("json") else yaml.safe_load(after)
        assert read == with_values(tree, changed)


TOML = """\
# by hand
seed = 9  # of numpy
"quoted key" = 'literal'

[optim]
lr = 1_0e-4  # rate
betas = [0.8, 0.9]
warmup.steps = 0x10

[[layers]]
width = 3

[optim.decay]
wd = 0.01
when = 2026-11-30
"""


def test_of_toml_the_values_change_and_all_else_stays(tmp_path):
    file = written(tmp_path, TOML, "base.toml")
    assert values_of(file)["optim.warmup.steps"] == 16
    asked = {"optim.lr": 3e-5, "optim.betas": [0.7, 0.99], "optim.decay.wd": None, "quoted key": 'a "b"'}
    expected = TOML.replace("1_0e-4", "3e-05").replace("[0.8, 0.9]", "[0.7, 0.99]").replace("wd = 0.01\n", "")
    expected = expected.replace("'literal'", '"a \\"b\\""').replace("seed = 9", "seed = 4")
    assert filled_in(file, asked, seed=4) == expected
    assert filled_in(file, {}, seed=9) == TOML
    with pytest.raises(ConfigFileError, match=r"cannot hold optim\.betas"):
        filled_in(file, {"optim.betas": [None]}, seed=0)


def has_nothing(value):
    return value is None or (isinstance(value, list) and None in value)


@given(tree=TREES, data=st.data())
def test_toml_reads_the_values_and_everything_else_as_before(tmp_path_factory, tree, data):
    told = {path: value for path, value in leaves(tree) if not has_nothing(value)}
    file = written(tmp_path_factory.mktemp("files"), tomlkit.dumps(nested(told)), "base.toml")
    held = values_of(file)
    some = st.dictionaries(st.sampled_from(sorted(held)), VALUES.filter(lambda one: not has_nothing(one)), max_size=4)
    changed = data.draw(some) if held else {}
    assert tomllib.loads(filled_in(file, changed, seed=0)) == with_values(nested(told), changed)


INI = """\
; by hand
[train]
# rate
lr = 0.1   ; of adam
Batch_Size = 64
name =
seed = 3
layers = [64, 64]
amp = True

[optim.adam]
betas = 0.9 0.999
"""


def test_of_ini_the_values_change_and_all_else_stays(tmp_path):
    file = written(tmp_path, INI, "base.ini")
    held = values_of(file)
    assert (held["train.lr"], held["train.Batch_Size"], held["train.amp"]) == (0.1, 64, True)
    assert (held["train.layers"], held["optim.adam.betas"], held["train.name"]) == ([64, 64], "0.9 0.999", "")
    asked = {
        "train.lr": 3e-5,
        "train.layers": [8, 8],
        "optim.adam.betas": "0.8 0.99",
        "train.amp": False,
        "of.nobody": 1,
    }
    expected = INI.replace("0.1   ; of adam", "3.0e-05").replace("[64, 64]", "[8, 8]").replace("0.9 0.999", "0.8 0.99")
    assert filled_in(file, asked, seed=4) == expected.replace("True", "false").replace("seed = 3", "seed = 4")
    assert filled_in(file, {}, seed=3) == INI


NAMES = st.text("abcXY_9", min_size=1, max_size=6)
TEXTS = st.text("abc =:#;[]%é", max_size=12).map(str.strip)


@given(sections=st.dictionaries(NAMES, st.dictionaries(NAMES, TEXTS, min_size=1), min_size=1), data=st.data())
def test_ini_reads_the_values_and_everything_else_as_before(tmp_path_factory, sections, data):
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items()) for name, keys in sections.items()
    )
    file = written(tmp_path_factory.mktemp("files"), text, "base.cfg")
    paths = [f"{name}.{key}" for name, keys in sections.items() for key in keys]
    changed = data.draw(st.dictionaries(st.sampled_from(paths), TEXTS | st.integers(), max_size=4))
    before, after = parsed(text), parsed(filled_in(file, changed, seed=0))
    assert after == before | {path: str(value) for path, value in changed.items()}


def parsed(text):
    reader = configparser.RawConfigParser(default_section="")
    reader.optionxform = str
    reader.read_string(text)
    return {f"{name}.{key}": value for name in reader.sections() for key, value in reader[name].items()}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("base.conf", "a = 1", "need a file of YAML, JSON, TOML or INI"),
        ("base.ini", "a = 1", "is not INI"),
        ("base.cfg", "[a]\nb = 1\nb = 2\n", "is not INI"),
        ("base.toml", "a: 1", "is not TOML"),
        ("base.yaml", "- 1\n- 2\n", "need a mapping"),
        ("base.yaml", "", "need a mapping"),
        ("base.yaml", "a: [1\nb: 2", "is not YAML"),
        ("base.yaml", "a: 1\n---\nb: 2", "is not YAML"),
        ("base.json", "{'a': 1}", "is not JSON"),
        ("base.json", '{"a": 1,}', "is not JSON"),
    ],
)
def test_what_cannot_be_filled_in_is_one_message(tmp_path, name, text, message):
    file = written(tmp_path, text, name)
    with pytest.raises(ConfigFileError, match=message):
        values_of(file)
    with pytest.raises(RequestError, match=message):
        check_config_files([f"{{config:{file}}}"], [f"config:{file}"], [])
    with pytest.raises(ConfigFileError, match=f"{name} {message}"):
        filled_in(file, {}, seed=0)


def test_a_value_that_no_run_would_see_is_refused(tmp_path):
    file = written(tmp_path)
    command = ["python", "train.py", f"--config={{config:{file}}}"]
    assert named_in(command) == [str(file)]
    check_config_files(command, [f"config:{file}"], ["optim.lr", "other.a", "trainer.seed"])
    check_config_files([*command, "{args}"], [f"config:{file}", "args"], ["depth"])
    check_config_files([*command, "-d={depth}"], [f"config:{file}", "depth"], ["depth"])
    with pytest.raises(RequestError, match=r"(?s)optim\.lrr: no such key in .*did you mean optim.lr\?"):
        check_config_files(command, [f"config:{file}"], ["optim.lrr"])


def test_two_files_of_one_name_are_refused(tmp_path):
    (tmp_path / "b").mkdir()
    both = [written(tmp_path), written(tmp_path / "b")]
    with pytest.raises(RequestError, match="two config files have one name"):
        check_config_files([f"{{config:{file}}}" for file in both], [], [])


def test_a_file_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(RequestError, match=r"none\.yaml: sweep\.command: cannot be read: No such file"):
        check_config_files([f"{{config:{tmp_path}/none.yaml}}"], [], [])
