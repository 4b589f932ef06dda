"""Protein suggests what it suggested when its constants were tuned: whoever changes one sees it here."""

from __future__ import annotations

import json
import platform
import sys

import pytest

from tests.optimize.recorded import CASES, FILE, Case

RECORDED = json.loads(FILE.read_text())
pytestmark = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="recorded with one linear algebra library: another one's rounding may decide between equal points otherwise",
)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_suggestion_is_the_one_that_was_recorded(case: Case) -> None:
    found, expected = case.suggestion(), RECORDED[case.name]
    assert found["origin"] == expected["origin"]
    assert found["params"] == {name: near(value, 1e-6) for name, value in expected["params"].items()}
    assert list(found["predicted"].pop("others")) == expected["predicted"].pop("others") == []
    assert found["predicted"] == {name: near(value, 1e-4) for name, value in expected["predicted"].items()}


def near(value, rel):
    return pytest.approx(value, rel=rel) if isinstance(value, float) else value


def test_every_case_is_recorded_once() -> None:
    assert sorted(RECORDED) == sorted(case.name for case in CASES)
