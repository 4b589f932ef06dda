"""What is said of a sweep whose runs are evidence."""

from __future__ import annotations

import pytest

from metta_sweep.optimize.port import SourceWorth
from metta_sweep.report.sources import describe_worth


def worth(**changed):
    return SourceWorth(
        **{"name": "old", "runs": 5, "used": 5, "parameters": ("lr", "n"), "pairs": 0, "agreed": 0.5, **changed}
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (worth(), "old: 5 rollouts, 2 parameters in common; what it is worth shows"),
        (
            worth(used=4, pairs=1),
            "old: 5 rollouts (4 in this search space), 2 parameters in common; it ranks",
        ),
        (worth(used=0, pairs=3), "old: 5 rollouts, 2 parameters in common; it says nothing: too few"),
        (
            worth(pairs=45, agreed=0.8),
            "it ranks 80% of 45 pairs of rollouts as they came out (chance: 50%): agrees",
        ),
    ],
)
def test_a_source_is_told_by_what_of_it_counts(told, expected):
    assert expected in describe_worth(told)
