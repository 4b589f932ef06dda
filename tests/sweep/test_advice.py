"""Where the cause of a failure is known, what to change is said beside it."""

from __future__ import annotations

import pytest

from metta_sweep.goal import Goal
from metta_sweep.sweep.advice import advice_on
from metta_sweep.sweep.records import Failure, FailureClass, SweepSpec


def advice(message, command, **leaves):
    words = tuple(command.split())
    asked = SweepSpec(name="s", metric="m", goal=Goal.MAXIMIZE, rollout_count=1, command=words, parameters=leaves)
    return advice_on(Failure(kind=FailureClass.CRASH, message=message), asked)


@pytest.mark.parametrize(
    "message",
    [
        "exit 2: train.py: error: argument --no-bias: ignored explicit argument 'true'",
        "exit 2: train.py: error: unrecognized arguments: true",
        "exit 2: Error: Option '--bias' does not take a value.",
        "exit 2: Error: Got unexpected extra argument (False)",
    ],
)
def test_a_flag_that_was_given_a_value_is_written_another_way(message):
    said = advice(message, "python train.py {args}", lr={"min": 0, "max": 1}, bias={"values": [True, False]})
    assert "as: flag" in said
    assert said.endswith("in the block of bias)")
    assert advice(message, "python train.py {args}", bias={"values": [True, False], "as": "switch"}) == ""


@pytest.mark.parametrize(
    "message",
    [
        "exit 2: Error: Invalid value for '--layers': '[16, 32]' is not a valid integer.",
        "exit 2: t.py: error: argument --layers: invalid int value: '[16, 32]'",
    ],
)
def test_a_list_that_was_refused_is_written_another_way(message):
    said = advice(message, "t {args}", lr={"min": 0, "max": 1}, net={"layers": {"values": [[16, 32], [64]]}})
    assert "as: words" in said
    assert said.endswith("in the block of net.layers)")


def test_a_fraction_where_a_whole_number_is_needed_names_its_range():
    said = advice("exit 2: argument --width: invalid int value: '3.2'", "t {args}", width={"min": 1, "max": 9})
    assert "integer: true" in said
    assert "width" in said


def test_nothing_is_said_of_what_is_not_known():
    assert advice("exit 1: ValueError: true", "t {args}", x={"min": 1, "max": 9}) == ""
