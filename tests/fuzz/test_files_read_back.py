"""Every file that the product reads back, with anything in it: a value or the documented error, soon, in bounds.

What hypothesis draws is bounded (``settings``), so this takes the same few seconds on every machine.
"""

from __future__ import annotations

import json
import math
import os
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from metta_sweep.errors import MettaSweepError, RequestError
from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.result import ResultError, RunPaths, newest_evaluation, read_evaluations, read_result
from metta_sweep.result.bounded import LONGEST_LINE, WINDOW_BYTES
from metta_sweep.result.values import MOST_COST_S
from metta_sweep.store.files import read_json
from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.journal import SqliteJournal, read_events
from metta_sweep.store.lock import Holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.runs import RunDirectories
from metta_sweep.store.salvage import salvage
from metta_sweep.sweep.events import EVENT_TYPES, from_json, to_json
from metta_sweep.sweep.ports import Instruction
from metta_sweep.sweep.state import SweepState
from tests.factories import guide_history

FUZZ = settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # nobody waits for a smaller example
    suppress_health_check=list(HealthCheck),
)

NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 2**63, 1e300, 1e-320, -0.0])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NESTED = st.sampled_from(['{"metrics":' * 1500, "[" * 3000, '{"metrics": {"a": ' + "[" * 3000, "9" * 5000])


def objects(**fields):
    """Return objects with these fields, each of its own kind or of any other, and further ones."""
    likely = st.fixed_dictionaries({}, optional={name: kind | JSON for name, kind in fields.items()})
    return st.builds(
        lambda one, other: {**other, **one}, likely, st.dictionaries(st.text(max_size=5), JSON, max_size=3)
    )


def texts(content):
    """Return the content as JSON, torn somewhere, or bytes that are none at all."""
    whole = content.map(lambda value: json.dumps(value).encode())
    torn = st.builds(lambda text, share: text[: int(len(text) * share)], whole, st.floats(0, 1))
    return whole | torn | st.binary(max_size=200) | NESTED.map(str.encode)


METRICS = st.dictionaries(st.text(max_size=8), JSON, max_size=5)
RESULTS = texts(objects(metrics=METRICS, cost_s=NUMBERS, steps=NUMBERS))
EVALUATIONS = st.lists(texts(objects(step=NUMBERS, time_s=NUMBERS, metrics=METRICS)), max_size=5).map(b"\n".join)


@pytest.mark.slow
@FUZZ
@given(RESULTS)
def test_a_result_is_read_as_numbers_or_refused(tmp_path, content):
    run = RunPaths(tmp_path)
    run.result.write_bytes(content)
    try:
        result = read_result(run)
    except ResultError:
        return
    assert all(isinstance(value, float) for value in result.metrics.values())
    assert result.cost_s is None or 0.0 <= result.cost_s <= MOST_COST_S
    assert result.steps is None or isinstance(result.steps, int)
    assert all(len(note) < 1000 for note in result.notes)


@pytest.mark.slow
@FUZZ
@given(EVALUATIONS)
def test_evaluations_are_numbers_whatever_lines_there_are(tmp_path, content):
    run = RunPaths(tmp_path)
    run.metrics.write_bytes(content)
    found = list(read_evaluations(run))
    assert all(isinstance(seen.step, int) and isinstance(seen.time_s, float) for seen in found)
    assert all(isinstance(value, float) for seen in found for value in seen.metrics.values())
    newest = newest_evaluation(run, "loss")
    assert (newest is None) == (not found)
    assert newest is None or repr(newest.step) == repr(found[-1].step)


@pytest.mark.slow
@FUZZ
@given(texts(objects(instruction=st.sampled_from(list(Instruction)).map(str))), st.binary(max_size=300))
def test_an_instruction_is_one_that_is_known_and_a_log_is_text(tmp_path, content, log):
    paths = SweepPaths(tmp_path, "my")
    run = paths.run("my.r.0")
    run.root.mkdir(parents=True, exist_ok=True)
    paths.instruction.write_bytes(content)
    run.log.write_bytes(log)
    assert InstructionFile(paths).read() in set(Instruction)
    assert isinstance(RunDirectories(paths).log_tail("my.r.0"), str)


KEEPER = objects(pid=st.integers(2**22, 2**40), birth=st.text(max_size=3))
MARKS = texts(
    objects(code=NUMBERS, signal=NUMBERS, reason=st.text(max_size=9), wall_s=NUMBERS, result_s=NUMBERS)
    | objects(grace_s=NUMBERS)
    | objects(host=st.text(max_size=5), since_s=NUMBERS, pid=NUMBERS)
)


@pytest.mark.slow
@FUZZ
@given(MARKS, MARKS, texts(objects(keeper=KEEPER, time_limit_s=NUMBERS, exit_grace_s=NUMBERS, gpus=JSON)))
def test_the_marks_of_an_attempt_give_a_status_whatever_is_in_them(tmp_path, exited, wish, started):
    files = AttemptFiles(RunPaths(tmp_path), "my.r.0.a1")
    files.run.attempts.mkdir(exist_ok=True)
    for path, content in ((files.exit, exited), (files.cancel, wish), (files.start, started)):
        path.write_bytes(content)
    status = files.status(may_start=False)
    assert status.wall_s is None or 0.0 <= status.wall_s <= MOST_COST_S
    grace_s = files.wished_grace_s()
    assert grace_s is None or math.isfinite(grace_s)
    str(Holder.parse(read_json(files.exit)))


STORED = [json.loads(json.dumps(to_json(event))) for event in guide_history().events]


@pytest.mark.slow
@FUZZ
@given(
    st.integers(0, len(STORED) - 1),
    st.sampled_from(sorted({name for stored in STORED for name in stored})),
    JSON | st.sampled_from(sorted(EVENT_TYPES)),
)
def test_a_stored_event_of_another_form_is_folded_or_named(place, field, value):
    events = [dict(stored) for stored in STORED]
    events[place] = {**events[place], field: value}
    try:
        state = SweepState.fold(map(from_json, events))
    except MettaSweepError:
        return
    assert math.isfinite(state.total_cost_s)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Return a sound journal."""
    paths = SweepPaths(tmp_path_factory.mktemp("kept"), "my")
    journal = SqliteJournal.open(paths, create=True)
    journal.append(STORED)
    journal.close()
    return paths.journal


CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40)), max_size=4)


@pytest.mark.slow
@settings(FUZZ, max_examples=40)
@given(CHANGES, st.just(1.0) | st.floats(0.2, 1))
def test_a_journal_of_any_bytes_is_read_or_refused_and_salvaged(tmp_path_factory, kept, changes, share):
    paths = SweepPaths(tmp_path_factory.mktemp("fuzz"), "my")
    paths.root.mkdir(parents=True)
    content = bytearray(kept.read_bytes())
    for place, new in changes:
        start = int(place * len(content))
        content[start : start + len(new)] = new[: len(content) - start]
    paths.journal.write_bytes(content[: int(len(content) * share)])
    try:
        events = read_events(paths)
    except RequestError:
        events = salvage(paths).events
    assert list(events) == STORED[: len(events)]


# ---------------------------------------------------------------- what cannot be drawn: kinds of files, sizes, time


def read_all(run):
    """Read everything that a run leaves, as a controller does at its end."""
    try:
        result = read_result(run)
    except ResultError:
        result = None
    paths = SweepPaths(run.root.parents[3], "my")
    return (
        result,
        list(RunDirectories(paths).evaluations("my.r.0")),
        newest_evaluation(run, "loss"),
        read_json(run.result),
    )


@pytest.fixture
def run(tmp_path):
    paths = SweepPaths(tmp_path, "my").run("my.r.0")
    paths.attempts.mkdir(parents=True)
    return paths


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop", "device", "gone", "dangling"])
def test_a_name_that_stands_for_no_regular_file_neither_blocks_nor_breaks(run, kind):
    for path in (run.result, run.metrics, run.log):
        make = {
            "directory": path.mkdir,
            "fifo": lambda path=path: os.mkfifo(path),
            "loop": lambda path=path: path.symlink_to(path.name),
            "device": lambda path=path: path.symlink_to("/dev/zero"),
            "gone": lambda: None,
            "dangling": lambda path=path: path.symlink_to("nowhere"),
        }
        make[kind]()
    assert read_all(run) == (None, [], None, None)
    assert RunDirectories(SweepPaths(run.root.parents[3], "my")).log_tail("my.r.0") == ""


def line_of(step):
    return json.dumps({"step": step, "time_s": float(step), "metrics": {"loss": 1.0 / (step + 1)}}).encode() + b"\n"


def test_a_gigabyte_of_evaluations_is_read_from_beginning_to_end_in_bounded_time_and_memory(run):
    with run.metrics.open("wb") as file:
        block = b"".join(map(line_of, range(1000)))
        file.write(block)
        file.seek(1 << 30)  # sparse: a gigabyte without a line break, as bad as it gets
        file.write(b"\n" + b"".join(map(line_of, range(1000, 2000))))
    tracemalloc.start()
    began_s = time.process_time()
    _, evaluations, newest, _ = read_all(run)
    spent_s, (_, peak) = time.process_time() - began_s, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent_s < 5.0
    assert peak < 32 << 20
    assert evaluations[0].step == 0
    assert evaluations[-1].step == newest.step == 1999


@pytest.mark.slow
@pytest.mark.parametrize("lines", [10, 100_000])
def test_evaluations_are_thinned_evenly_only_where_there_are_too_many(run, lines):
    run.metrics.write_bytes(b"".join(map(line_of, range(lines))))
    steps = [seen.step for seen in read_evaluations(run, 1 << 20)]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, lines - 1)
    if lines == 10:
        assert len(steps) == 10
    else:
        gaps = [later - earlier for earlier, later in pairwise(steps)]
        assert max(gaps) < lines // (((1 << 20) // WINDOW_BYTES) - 2)


def test_a_line_without_end_is_passed_over_and_those_around_it_are_read(run):
    run.metrics.write_bytes(line_of(1) + b"x" * (3 * LONGEST_LINE) + b"\n" + line_of(2) + b'{"step": 3')
    assert [seen.step for seen in read_evaluations(run)] == [1, 2]


def test_a_result_of_many_megabytes_is_refused_without_reading_it(run):
    with run.result.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(ResultError, match="longer than 16 MiB"):
        read_result(run)


@pytest.mark.slow
@settings(FUZZ, max_examples=40)
@example(content=b"[" * 50_000)
@example(content=b"sweep: {parameters: " + b"{a: " * 3000)
@example(content=b"a: &a [*a]\n")
@example(content=b"\x00")
@given(
    st.binary(max_size=120) | st.text(st.sampled_from("sweep:{}[]&*!|>-# \n\tparameters"), max_size=80).map(str.encode)
)
def test_a_sweep_file_of_any_bytes_is_read_or_refused(tmp_path_factory, content):
    from metta_sweep.config.yaml_source import read_yaml

    path = Path(tmp_path_factory.mktemp("sweep")) / "odd.yaml"
    path.write_bytes(content)
    try:
        read_yaml(path, shown="odd.yaml")
    except RequestError:
        return
