"""An optimizer in a process of its own says what it says at home, whatever becomes of the process."""

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
from pathlib import Path

import psutil
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.registry import from_json, kind_of, to_json
from metta_sweep.optimize.worker import OptimizerDiedError, OptimizerProcess, answer_all
from metta_sweep.space import SearchSpace

ROOT = Path(__file__).parents[2]

PARAMETERS = {
    "trainer.learning_rate": {"min": 1e-5, "max": 1e-1, "distribution": "log_normal"},
    "trainer.use_lstm": {"values": [True, False]},
    "trainer.hidden": {"min": 16, "max": 256, "distribution": "uniform_pow2", "when": {"trainer.use_lstm": True}},
    "trainer.half": {"expr": "${trainer.batch} // 2"},
    "trainer.batch": {"min": 32, "max": 128, "distribution": "uniform_pow2"},
}


def task(**settings):
    space = SearchSpace.parse(PARAMETERS, ["trainer.batch >= trainer.least"], {"trainer.least": 64})
    return SearchTask(space=space, goal="minimize", seed=3, settings={"num_random_samples": 2, **settings})


def at_home(name="protein"):
    return kind_of(name).make(task())


def away(name="protein"):
    return OptimizerProcess(name, task())


def teach(optimizer, suggestions):
    """Teach an optimizer a made-up rollout of each suggestion, the second of which failed."""
    for number, suggestion in enumerate(suggestions):
        if number == 1:
            optimizer.observe_failure(suggestion.params)
        else:
            optimizer.observe(suggestion.params, float(number), 1.0 + number, 0.1, [(0.1, 0.5, 0.2)])


def past_the_start(optimizer):
    """Return the optimizer, taught enough that the next suggestion takes a model."""
    fresh = at_home()
    for _ in range(5):
        suggestion = fresh.suggest()
        teach(fresh, [suggestion])
        teach(optimizer, [suggestion])
    return optimizer


@pytest.mark.slow
@pytest.mark.parametrize("name", ["protein", "random", "sobol"])
def test_the_process_suggests_what_its_optimizer_suggests(name):
    here, suggestions = at_home(name), []
    with closing(away(name)) as there:
        for _ in range(6):
            pending = [suggestions[-1].params] if len(suggestions) % 2 else []
            expected = here.suggest(pending)
            assert there.suggest(pending) == expected
            suggestions.append(expected)
            teach(here, suggestions[-1:])
            teach(there, suggestions[-1:])
        assert (there.pid is None) == (name != "protein")
    assert name in {suggestion.origin for suggestion in suggestions}


@pytest.mark.slow
def test_a_process_that_was_killed_is_replaced_by_one_that_knows_the_same():
    here = past_the_start(at_home())
    with closing(past_the_start(away())) as there:
        for _ in range(2):
            expected = here.suggest()
            assert there.suggest() == expected
            assert expected.origin == "protein"
            teach(here, [expected])
            teach(there, [expected])
            os.kill(there.pid, signal.SIGKILL)


def test_a_process_that_dies_again_is_reported_and_not_started_for_ever(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    there = past_the_start(away())
    with closing(there), pytest.raises(OptimizerDiedError, match="status 1 "):
        there.suggest()


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_a_process_is_started_with_the_suggestion_that_precedes_its_need(slots):
    here, pending, started, needed = at_home(), [], [], []
    with closing(away()) as there:
        while not any(needed):
            needed.append(not kind_of("protein").is_quick(here, len(pending), 0))
            pending.append(there.suggest([suggestion.params for suggestion in pending]))
            started.append(there.pid is not None)
            if len(pending) == slots:
                ended = pending.pop(0)
                teach(here, [ended])
                teach(there, [ended])
    assert started.index(True) < needed.index(True)
    assert not started[0]


MODELLED = """
import sys
from tests.optimize.test_worker import at_home, past_the_start
past_the_start(at_home()).suggest()
print(*sys.modules)
"""


@pytest.mark.slow
def test_a_suggestion_loads_no_torch():
    done = subprocess.run([sys.executable, "-c", MODELLED], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "gpytorch"} & set(done.stdout.split())


@pytest.mark.slow
def test_a_point_outside_the_space_is_refused_as_protein_refuses_it():
    with pytest.raises(RequestError) as here:
        past_the_start(at_home()).suggest([{"trainer.nothing": 1}])
    with closing(past_the_start(away())) as process, pytest.raises(RequestError) as there:
        process.suggest([{"trainer.nothing": 1}])
    assert str(there.value) == str(here.value)


def test_closing_ends_the_process_also_in_the_middle_of_a_thought():
    there = past_the_start(away())
    with ThreadPoolExecutor() as threads:
        thought = threads.submit(there.suggest)
        wait_until(lambda: there.pid is not None)
        process = psutil.Process(there.pid)
        there.close()
        assert isinstance(thought.exception(), OptimizerDiedError | None)
    assert not process.is_running()


CONTROLLER = """
import time
from tests.optimize.test_worker import away, past_the_start
there = past_the_start(away())
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


@pytest.mark.parametrize("name", ["protein", "random", "sobol"])
def test_what_makes_an_optimizer_survives_json(name):
    asked = task(max_suggestion_cost=60.0)
    kind, told = from_json(json.loads(json.dumps(to_json(name, asked))))
    assert to_json(kind.name, told) == to_json(name, asked)
    assert kind.make(told).suggest() == kind.make(asked).suggest()


def test_what_is_said_is_one_line_of_json_an_answer():
    questions = [json.dumps(to_json("protein", task()))] + [json.dumps({"lessons": [], "pending": []})] * 2
    answers = io.StringIO()
    answer_all(io.StringIO("\n".join(questions) + "\n"), answers)
    first, second = map(json.loads, answers.getvalue().splitlines())
    assert first == second
    assert first["suggestion"]["origin"] == "center"


@pytest.mark.slow
def test_one_that_has_forgotten_says_what_one_says_that_never_knew():
    def taught(worker, *scores):
        for score in scores:
            worker.observe(worker.suggest().params, score, 1.0)
        return worker

    with closing(OptimizerProcess("protein", task())) as forgetful, closing(OptimizerProcess("protein", task())) as new:
        taught(forgetful, 5.0, -3.0, 2.0, 1.0).suggest()
        forgetful.forget()
        taught(forgetful, 1.0, 2.0, 3.0)
        assert forgetful.suggest() == taught(new, 1.0, 2.0, 3.0).suggest()
