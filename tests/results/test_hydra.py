"""The return value of an unmodified Hydra app, by a callback of the client that is handed over as an override."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from metta_sweep.results.environment import command_words, run_environment
from metta_sweep.results.hydra import HydraReader
from tests.results.conftest import values_of

APP = """
import hydra
@hydra.main(version_base=None, config_path=None)
def main(cfg):
    return {returned}
main()
"""


def returned(here, run, text, **env):
    reader = HydraReader(here)
    (here.cwd / "app.py").write_text(APP.format(returned=text))
    ours = run_environment(["hydra"], sweep="my", base=os.environ)
    words = [sys.executable, "-W", "error", "app.py", *command_words(["hydra"])]
    environment = {**os.environ, **ours, "METTA_SWEEP_RUN_DIR": str(run.root), **env}
    subprocess.run(words, cwd=here.cwd, env=environment, check="raise" not in text, capture_output=True, timeout=120)
    return list(reader.read(final=True))


@pytest.mark.slow
def test_a_number_is_called_return(source, run):
    points = returned(source(wanted={"loss": "return"}), run, "__import__('numpy').float32(0.25)")
    assert values_of(points) == [(None, 0.25)]


@pytest.mark.slow
def test_a_mapping_goes_by_its_keys(source, run):
    points = returned(source(), run, "{'loss': 0.5, 'eval': {'f1%': 1}, 'name': 'x', 'both': (1, 2)}")
    assert {point.name: point.value for point in points} == {
        "loss": 0.5,
        "eval/f1%": 1.0,
        "both[0]": 1.0,
        "both[1]": 2.0,
    }


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_only_the_first_of_several_processes_returns(source, run, rank):
    assert len(returned(source(wanted={"loss": "return"}), run, "1.0", LOCAL_RANK=rank)) == 1 - int(rank)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"type": "NoneType"}, "returned NoneType: have it return a number"),
        ({"value": {}}, "have it return a number"),
        (None, "the callback metta_sweep_client.hydra.ReturnValue did not run"),
    ],
)
def test_what_was_not_returned_is_said(source, run, content, said):
    here = source()
    reader = HydraReader(here)
    if content is not None:
        (run.root / "returned.json").write_text(json.dumps(content))
    assert list(reader.read(final=True)) == []
    assert said in " ".join(here.notes.news())


def test_what_an_earlier_attempt_returned_does_not_count(source, run):
    (run.root / "returned.json").write_text('{"value": 9.0}')
    assert list(HydraReader(source()).read(final=True)) == []
