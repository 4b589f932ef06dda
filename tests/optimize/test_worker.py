"""Protein in a process of its own says what Protein says, whatever becomes of the process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import Protein, ProteinSettings
from metta_sweep.optimize.worker import ProteinDiedError, ProteinProcess, answer_all, identity_of, start_twin, twin_of

ROOT = Path(__file__).parents[1]

PARAMETERS = {
    "trainer.learning_rate": {"min": 1e-5, "max": 1e-1, "distribution": "log_normal"},
    "trainer.use_lstm": {"values": [True, False]},
    "trainer.hidden": {"min": 16, "max": 256, "distribution": "uniform_pow2", "when": {"trainer.use_lstm": True}},
    "trainer.half": {"expr": "${trainer.batch} // 2"},
    "trainer.batch": {"min": 32, "max": 128, "distribution": "uniform_pow2"},
}


def new_protein(**settings):
    return Protein(
        PARAMETERS,
        goal="minimize",
        seed=3,
        constraints=["trainer.batch >= trainer.least"],
        fixed={"trainer.least": 64},
        settings=ProteinSettings(num_random_samples=2, **settings),
    )


def teach(optimizer, suggestions):
    """Teach an optimizer a made-up rollout of each suggestion, the second of which failed."""
    for number, suggestion in enumerate(suggestions):
        if number == 1:
            optimizer.observe_failure(suggestion.params)
        else:
            optimizer.observe(suggestion.params, float(number), 1.0 + number, 0.1, [(10, 0.5, 0.2)])


def past_the_start(optimizer):
    """Return the optimizer, taught enough that the next suggestion takes a model."""
    fresh = new_protein()
    for _ in range(5):
        suggestion = fresh.suggest()
        teach(fresh, [suggestion])
        teach(optimizer, [suggestion])
    return optimizer


def test_the_process_suggests_what_protein_suggests():
    here, suggestions = new_protein(), []
    with closing(ProteinProcess(new_protein())) as there:
        for _ in range(6):
            pending = [suggestions[-1].params] if len(suggestions) % 2 else []
            expected = here.suggest(pending)
            assert there.suggest(pending) == expected
            suggestions.append(expected)
            teach(here, suggestions[-1:])
            teach(there, suggestions[-1:])
    assert {suggestion.origin for suggestion in suggestions} >= {"center", "sobol", "protein"}


@pytest.mark.slow
def test_a_process_that_was_killed_is_replaced_by_one_that_knows_the_same():
    here = past_the_start(new_protein())
    with closing(past_the_start(ProteinProcess(new_protein()))) as there:
        for _ in range(2):
            expected = here.suggest()
            assert_same_but_for_rounding(there.suggest(), expected)
            assert expected.origin == "protein"
            teach(here, [expected])
            teach(there, [expected])
            os.kill(there.pid, signal.SIGKILL)


def test_a_process_that_dies_again_is_reported_and_not_started_for_ever(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    there = past_the_start(ProteinProcess(new_protein()))
    with closing(there), pytest.raises(ProteinDiedError, match="status 1 "):
        there.suggest()


@pytest.mark.parametrize("slots", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_a_process_is_started_with_the_suggestion_that_precedes_its_need(slots):
    here, pending, started, needed = new_protein(), [], [], []
    with closing(ProteinProcess(new_protein())) as there:
        while not any(needed):
            needed.append(here.needs_model(len(pending)))
            pending.append(there.suggest([suggestion.params for suggestion in pending]))
            started.append(there.pid is not None)
            if len(pending) == slots:
                ended = pending.pop(0)
                teach(here, [ended])
                teach(there, [ended])
    assert started.index(True) < needed.index(True)
    assert not started[0]


@pytest.mark.slow
def test_an_answer_that_is_waited_for_is_the_same_point_with_the_same_prediction():
    with closing(past_the_start(ProteinProcess(new_protein()))) as there:
        assert_same_but_for_rounding(there.suggest(), past_the_start(new_protein()).suggest())
    assert "torch" not in loaded_after_a_suggestion(at_once=True)
    assert "torch" in loaded_after_a_suggestion(at_once=False)


def assert_same_but_for_rounding(suggestion, expected):
    assert replace(suggestion, predicted=None) == replace(expected, predicted=None)
    assert asdict(suggestion.predicted) == pytest.approx(asdict(expected.predicted), rel=1e-7)


FIRST_OF_THE_MODEL = """
import sys
from tests.optimize.test_worker import new_protein, teach
protein = new_protein()
while not protein.needs_model(0):
    teach(protein, [protein.suggest()])
protein.suggest(at_once={})
print(*sys.modules)
"""


def loaded_after_a_suggestion(*, at_once):
    """Return the names of all modules that an interpreter has loaded after the first suggestion of a model."""
    line = [sys.executable, "-c", FIRST_OF_THE_MODEL.format(at_once)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.slow
def test_a_spare_process_is_used_and_ended_also_where_it_was_not_needed():
    spare = start_twin()
    with closing(past_the_start(ProteinProcess(new_protein(), spare))) as there:
        assert there.suggest().origin == "protein"
        assert there.pid == spare.pid
    assert spare.wait(60) == -signal.SIGKILL
    spare = start_twin()
    ProteinProcess(new_protein(), spare).close()
    assert spare.wait(60) == -signal.SIGKILL
    spare = start_twin()
    with spare.stdin:
        pass
    assert spare.wait(60) == 0
    spare.stdout.close()


@pytest.mark.slow
def test_a_spare_process_that_died_is_replaced():
    spare = start_twin()
    spare.kill()
    with closing(past_the_start(ProteinProcess(new_protein(), spare))) as there:
        assert there.suggest().origin == "protein"
        assert there.pid != spare.pid


@pytest.mark.slow
def test_a_point_outside_the_space_is_refused_as_protein_refuses_it():
    with pytest.raises(RequestError) as here:
        past_the_start(new_protein()).suggest([{"trainer.nothing": 1}])
    with closing(past_the_start(ProteinProcess(new_protein()))) as process, pytest.raises(RequestError) as there:
        process.suggest([{"trainer.nothing": 1}])
    assert str(there.value) == str(here.value)


def test_closing_ends_the_process_also_in_the_middle_of_a_thought():
    there = past_the_start(ProteinProcess(new_protein()))
    with ThreadPoolExecutor() as threads:
        thought = threads.submit(there.suggest)
        wait_until(lambda: there.pid is not None)
        process = psutil.Process(there.pid)
        there.close()
        assert isinstance(thought.exception(), ProteinDiedError | None)
    assert not process.is_running()


CONTROLLER = """
import time
from metta_sweep.optimize.worker import ProteinProcess
from tests.optimize.test_worker import new_protein, past_the_start
there = past_the_start(ProteinProcess(new_protein()))
there.suggest()
print(there.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.slow
def test_the_process_ends_with_its_controller():
    with subprocess.Popen([sys.executable, "-c", CONTROLLER], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        twin = psutil.Process(int(process.stdout.readline()))
        process.kill()
    wait_until(lambda: not twin.is_running() or twin.status() == psutil.STATUS_ZOMBIE)


def wait_until(is_so, timeout_s=60):
    until_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_an_identity_survives_json():
    protein = new_protein(max_suggestion_cost=60.0)
    identity = json.loads(json.dumps(identity_of(protein)))
    assert identity_of(twin_of(identity)) == identity_of(protein)
    assert twin_of(identity).suggest() == protein.suggest()


def test_what_is_said_is_one_line_of_json_an_answer():
    opening = {**identity_of(new_protein()), "is_awaited": True}
    questions = [json.dumps(opening)] + [json.dumps({"lessons": [], "pending": []})] * 2
    answers = io.StringIO()
    answer_all(io.StringIO("\n".join(questions) + "\n"), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first == second
    assert first["suggestion"]["origin"] == "center"
