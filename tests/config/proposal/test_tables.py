"""Metrics that are columns of a table are found, and what is written for them takes their cells."""

from __future__ import annotations

import re

import pytest

from metta_sweep.config.proposal.metrics import choose
from metta_sweep.config.proposal.tables import tabulated_in

SKORCH = """\
  epoch    train_loss    valid_acc    valid_loss     dur
-------  ------------  -----------  ------------  ------
      1        \x1b[36m0.6905\x1b[0m       \x1b[32m0.6150\x1b[0m        \x1b[35m0.6749\x1b[0m  0.0380
Checkpoint! Saving model to model.pt.
      2        0.6404       0.6500        0.6249  0.0290
"""
FASTAI = """\
epoch     train_loss  valid_loss  accuracy  time
0         0.833247    0.566143    0.750000  00:05
Epoch 2/2 : |----------| 10% [1/10]
1         0.633247    0.466143    0.800000  00:05
"""
SKLEARN = """\
      Iter       Train Loss   Remaining Time
         1           0.7110            0.20s
         2           0.6910            0.19s
"""
MARKED = """\
| epoch | loss | val acc |
|-------|------|---------|
| 1     | 0.50 | 0.1     |
| 2     | nan  | 0.3     |
"""


@pytest.mark.parametrize(
    ("log", "metric", "goal", "values", "steps"),
    [
        (SKORCH, "valid_acc", "maximize", ["0.6150", "0.6500"], ["1", "2"]),
        (FASTAI, "valid_loss", "minimize", ["0.566143", "0.466143"], ["0", "1"]),
        (SKLEARN, "Train_Loss", "minimize", ["0.7110", "0.6910"], ["1", "2"]),
        (MARKED, "val_acc", "maximize", ["0.1", "0.3"], ["1", "2"]),
    ],
    ids=["skorch", "fastai", "scikit-learn", "a marked table"],
)
def test_a_column_is_read_with_its_steps(log, metric, goal, values, steps):
    chosen = choose(tabulated_in(log))
    assert chosen is not None
    assert (chosen.metric, chosen.goal) == (metric, goal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()
    for pattern, expected in ((chosen.results["metrics"][metric], values), (chosen.results["step"], steps)):
        assert re.compile(pattern).groups == 1
        assert [found for line in lines for found in re.findall(pattern, line)] == expected


@pytest.mark.parametrize(
    "log",
    ["", "epoch  loss", "epoch  loss\n1 2 3\n", "epoch  loss\n1  high\n", "name  size\n1  2\n", "1  2\n3  4\n"],
)
def test_what_is_no_table_of_metrics_is_left_alone(log):
    assert tabulated_in(log) == []
