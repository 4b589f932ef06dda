"""Before anything starts the app's own config has taken every choice, key and value."""

from __future__ import annotations

import pytest
from hydra.types import RunMode

from tests.hydra_sweeper.conftest import PLUGIN

assert PLUGIN

from hydra_protein_sweeper.checking import check  # noqa: E402
from hydra_protein_sweeper.space import read_space  # noqa: E402


def checked(loader, *words, **params):
    config = loader.load_configuration("config", [*words], RunMode.MULTIRUN)
    return check(read_space(params, words, loader), config, loader)


def problems(loader, *words, **params):
    return [str(problem) for problem in checked(loader, *words, **params).problems]


@pytest.mark.slow
def test_a_space_that_the_app_takes_is_left_as_it_is_and_starts_where_the_app_stands(loader):
    found = checked(loader, "optimizer.lr=tag(log,interval(1e-5,1))", "optimizer.steps=3,5", "model=large,small")
    assert found.problems == []
    assert found.has_seed
    assert found.parameters["optimizer.lr"] == {"distribution": "log_normal", "min": 1e-5, "max": 1.0}
    assert found.parameters["optimizer.steps"] == {"values": [3, 5], "mean": 5}
    assert found.parameters["model"] == {"values": ["large", "small"], "mean": "small"}


@pytest.mark.slow
def test_a_key_of_some_options_counts_under_those(loader):
    found = checked(loader, "model=small,large", "model.width=int(interval(1,8))", "+model.depth=1,2")
    assert found.problems == []
    assert found.parameters["model.width"]["when"] == {"model": "large"}
    assert found.notes == ["model.width counts where model is large: small has no such key"]
    assert "when" not in found.parameters["+model.depth"]


@pytest.mark.slow
def test_a_condition_that_is_written_is_kept(loader):
    width = {"values": [1, 3], "when": {"model": "large"}}
    found = checked(loader, "model=small,large", **{"model.width": width})
    assert (found.problems, found.notes) == ([], [])
    assert found.parameters["model.width"] == width


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["model=small,lrage"], "the group model has no lrage\n  fix: did you mean large?"),
        (["model=small,broken"], "model=broken: does not compose"),
        (["optimizer.lrr=1,2"], "no such key\n  fix: did you mean lr? (a new key is added with +optimizer.lrr)"),
        (["nothing.at.all=1,2"], "no such key\n  fix: a new key is added with +nothing.at.all"),
        (["model=small,large", "model.widht=1,2"], "did you mean width?"),
        (["optimizer.steps=5,1.5"], "optimizer.steps=1.5: "),
        (["optimizer.steps=interval(0,1)"], "could not be converted to Integer"),
        (["optimizer.lr=a,b"], "could not be converted to Float"),
        (["model.width=1,2"], "no such key"),
    ],
)
def test_what_the_app_does_not_take_is_named(words, said, loader):
    assert said in "\n".join(problems(loader, *words))


def test_all_that_is_wrong_is_said_at_once(loader):
    assert len(problems(loader, "model=small,lrage", "optimizer.lrr=1,2", "optimizer.steps=5,1.5")) == 3
