"""Programs that take their settings as pairs behind one option, and print what they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.config.proposal.metrics import Chosen
from metta_sweep.config.proposal.pairs import pairs_in
from metta_sweep.config.proposal.proposing import propose

HELP = """\
usage: train.py [-h] [--algo {a2c,ppo}] [-params HYPERPARAMS [HYPERPARAMS ...]] [--seed SEED]

options:
  -h, --help            show this help message and exit
  --algo {a2c,ppo}      RL Algorithm
  --tags TAGS [TAGS ...]
                        Tags of the run
  -params HYPERPARAMS [HYPERPARAMS ...], --hyperparams HYPERPARAMS [HYPERPARAMS ...]
                        Overwrite hyperparameter (e.g. learning_rate:0.01
                        train_freq:10)
  --seed SEED           Random generator seed (default: -1)
"""
PRINTED = """\
Seed: 12 {not a mapping}
OrderedDict([('batch_size', 256),
             ('clip_range', 'lin_0.2'),
             ('learning_rate', 'lin_0.001'),
             ('n_timesteps', 100000.0),
             ('normalize', "dict(norm_obs=True)"),
             ('policy', 'MlpPolicy')])
{'gym': 1}
| loss | 0.1 |
"""


def test_printed_settings_are_searched_and_handed_over_behind_the_option():
    pairs, options = pairs_in(HELP, PRINTED)
    assert {each.name: each.default for each in options}["learning_rate"] == 0.001
    chosen = Chosen(metric="loss", goal="minimize", results={"from": "stdout"}, is_sure=True)
    text, searched = propose(["train.py"], options, chosen, is_hydra=False, looked_at="", start="", pairs=pairs)
    assert searched == ["learning_rate", "clip_range", "batch_size"]
    command = next(line for line in text.splitlines() if "command:" in line)
    learning_rate, clip_range = "\"learning_rate:'lin_{learning_rate}'\"", "\"clip_range:'lin_{clip_range}'\""
    assert command.endswith(f"train.py --hyperparams {learning_rate} {clip_range} batch_size:{{batch_size}}")
    assert "{args}" not in text


def test_a_mapping_with_braces_is_read_as_well():
    pairs, options = pairs_in(
        HELP.replace("learning_rate:0.01", "lr=0.01"), "config {'lr': 0.1, 'b': [1, 2], 'c': None}"
    )
    assert pairs.words(["lr"]) == ["--hyperparams", "lr={lr}"]
    assert [(each.name, each.kind) for each in options] == [("lr", "float"), ("b", "list"), ("c", "unknown")]


@pytest.mark.parametrize(
    ("told", "printed"),
    [
        (HELP, "OrderedDict([('lr', 0.1)])"),  # too few to be all of its settings
        (HELP, "nothing of the kind [(1, 2), (3, 4), (5, 6)] {1: 2, 3: 4, 5: 6}"),
        (HELP.replace("(e.g. learning_rate:0.01\n                        train_freq:10)", "of the algorithm"), PRINTED),
        ("", PRINTED),
    ],
)
def test_where_either_is_not_known_there_is_nothing(told, printed):
    assert pairs_in(told, printed) is None


def test_a_log_full_of_brackets_is_given_up_on():
    """Each of a million would be looked for its end through all that follows."""
    assert pairs_in(HELP, "{" * (1 << 20)) is None


@given(st.text(alphabet="[({})]'\", :ab1\n", max_size=200))
def test_no_printed_text_is_too_odd(printed):
    pairs_in(HELP, printed)
