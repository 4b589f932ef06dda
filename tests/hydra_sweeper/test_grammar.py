"""Hydra's sweeps become the parameters that they mean, and what means nothing is refused."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.hydra_sweeper.conftest import PLUGIN  # puts the plugin on the path

assert PLUGIN

from hydra_protein_sweeper.grammar import leaf_of, written  # noqa: E402
from hydra_protein_sweeper.space import read_space  # noqa: E402

CASES = {
    "interval(0,1)": {"distribution": "uniform", "min": 0.0, "max": 1.0},
    "tag(log,interval(1e-5,1e-1))": {"distribution": "log_normal", "min": 1e-5, "max": 0.1},
    "int(interval(1,12))": {"distribution": "int_uniform", "min": 1, "max": 12},
    "tag(int,interval(1,12))": {"distribution": "int_uniform", "min": 1, "max": 12},
    "tag(log,int(interval(1,512)))": {"distribution": "log_normal", "min": 1, "max": 512, "integer": True},
    "tag(pow2,interval(16,256))": {"distribution": "uniform_pow2", "min": 16, "max": 256},
    "tag(logit,interval(0.9,0.99))": {"distribution": "logit_normal", "min": 0.9, "max": 0.99},
    "interval(2,2)": {"values": [2.0]},
    "range(1,8)": {"distribution": "int_uniform", "min": 1, "max": 7},
    "range(8,1,-1)": {"distribution": "int_uniform", "min": 2, "max": 8},
    "range(0,10,3)": {"distribution": "int_uniform", "min": 0, "max": 9, "step": 3},
    "range(-5.5,5.5,step=0.5)": {"distribution": "uniform", "min": -5.5, "max": 5.0, "step": 0.5},
    "range(0,0.3,0.1)": {"distribution": "uniform", "min": 0.0, "max": 0.2, "step": 0.1},
    "tag(log,range(1,4))": {"values": [1, 2, 3], "ordered": True},
    "range(3,4)": {"values": [3]},
    "mlp,cnn": {"values": ["mlp", "cnn"]},
    "choice(32,64,32)": {"values": [32, 64]},
    "tag(ordered,choice(1,2,4))": {"values": [1, 2, 4], "ordered": True},
    "'007','a b'": {"values": ["007", "a b"]},
    "true,null": {"values": [True, None]},
    "[64,64],[128]": {"values": [[64, 64], [128]]},
    "{a:1},{a:2}": {"values": [{"a": 1}, {"a": 2}]},
}


def override(text):
    return OverridesParser.create().parse_override(f"x={text}")


@pytest.mark.parametrize("text", CASES)
def test_a_sweep_of_hydra_s_grammar_is_the_parameter_that_it_means(text):
    leaf = leaf_of(override(text))
    assert leaf == CASES[text]
    assert {key: type(value) for key, value in leaf.items()} == {key: type(value) for key, value in CASES[text].items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("interval(3,1)", "interval(1,3)"),
        ("tag(log,interval(0,1))", "above 0"),
        ("tag(pow2,interval(1.5,8))", "whole bounds"),
        ("tag(lag,interval(1,2))", "did you mean log?"),
        ("tag(log,logit,interval(0.1,0.2))", "one scale"),
        ("range(5,1)", "no values"),
    ],
)
def test_what_is_no_range_is_refused_with_the_reason(text, said):
    with pytest.raises(ValueError, match=r"\w") as refused:
        leaf_of(override(text))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "value", ["mlp", "007", "a b", "it's", "1e-3", "null", "", 3, 1e-05, True, None, [1, "2"], {"a": "true"}]
)
def test_a_value_that_is_written_is_read_back_the_same(value):
    assert override(written(value)).value() == value


def space_of(params, *arguments, loader):
    return read_space(params, arguments, loader)


def test_params_are_flat_nested_mappings_of_ours_or_texts_of_hydra_s(loader):
    params = {
        "optimizer": {"lr": "tag(log,interval(1e-5,1))", "name": "adam,sgd"},
        "optimizer.steps": {"expr": "2 * 3"},
        "label": {"values": ["a", "b"], "when": {"optimizer.name": "sgd"}},
        "seed": 3,
    }
    space = space_of(params, "+extra.x=1", "~model", loader=loader)
    assert list(space.parameters) == ["optimizer.lr", "optimizer.name", "optimizer.steps", "label"]
    assert space.held == {"seed": "seed=3", "+extra.x": "+extra.x=1", "~model": "~model"}
    assert space.problems == []


def test_the_command_line_wins_over_params(loader):
    params = {"optimizer.lr": "interval(0,1)", "label": {"values": ["a", "b"], "when": {"model": "large"}}}
    space = space_of(params, "optimizer.lr=0.5", "label=c,d", loader=loader)
    label = {"when": {"model": "large"}, "values": ["c", "d"]}
    assert space.parameters == {"optimizer.lr": {"values": [0.5]}, "label": label}
    assert space.held == {}
    assert space.notes == ["optimizer.lr is held at 0.5 by the command line and is not searched"]


def test_a_mapping_of_ours_on_the_command_line_is_a_parameter_and_any_other_is_the_app_s(loader):
    width = "model.width={distribution: int_uniform, min: 1, max: 8, when: {model: large}}"
    space = space_of({}, width, "label={expr: 'seed + 1'}", "extra={min: 1, values: [2], of: me}", loader=loader)
    assert space.parameters == {
        "model.width": {"distribution": "int_uniform", "min": 1, "max": 8, "when": {"model": "large"}},
        "label": {"expr": "seed + 1"},
    }
    assert list(space.held) == ["extra"]


def test_a_glob_is_the_options_of_its_group(loader):
    assert space_of({}, "model=glob(*,exclude=broken)", loader=loader).parameters == {
        "model": {"values": ["large", "small"]}
    }


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("seed=1,2,3", "hydra.sweeper.num_samples=3 instead of seed=1,2,3"),
        ("hydra.job.chdir=true,false", "give hydra.job.chdir one value"),
        ("optimizer.lr=[1", ""),
    ],
)
def test_what_cannot_be_searched_is_refused(text, fix, loader):
    (problem,) = space_of({}, text, loader=loader).problems
    assert problem.fix == fix
