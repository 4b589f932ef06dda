from __future__ import annotations

import time

import pytest

from metta_sweep.results.patterns import Pattern
from metta_sweep.results.stdout import StdoutReader
from tests.results.conftest import values_of


def read(source, run, text, **values):
    here = source(**values)
    reader = StdoutReader(here)
    with run.log.open("ab") as log:
        log.write(text.encode())
    return values_of(reader.read(final=True)), here.notes


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("loss: 0.25", 0.25),
        ("epoch 3 | loss=0.25 | acc 0.5", 0.25),
        ("{'loss': 0.25, 'epoch': 1.0}", 0.25),
        ("|    loss     | 2.5e-1 |", 0.25),
        ("\x1b[32mloss: 0.25\x1b[0m", 0.25),
        ("loss: .25, done.", 0.25),
        ("loss: 0.25.", 0.25),
        ("loss: -1", -1.0),
        ("{'loss': '0.25', 'epoch': '3'}", 0.25),
        ("epoch 3 loss 0.25", 0.25),
    ],
)
def test_a_number_after_the_metrics_name_is_found_where_nobody_wrote_an_expression(source, run, line, value):
    assert read(source, run, line + "\n")[0] == [(None, value)]


@pytest.mark.parametrize(
    "line", ["val_loss: 0.25", "train/loss: 0.25", "loss: none", "version loss: 1.2.3", "gloss=1", "loss 3x", "gloss 1"]
)
def test_another_name_or_another_word_is_not_the_metric(source, run, line):
    assert read(source, run, line + "\n")[0] == []


def test_a_number_after_blanks_counts_until_there_is_a_plainer_one(source, run):
    assert read(source, run, "loss 1 of 2\nloss: 0.5\nloss 2 of 2\n")[0] == [(None, 1.0), (None, 0.5)]


def test_the_step_may_stand_after_blanks_too(source, run):
    text = "epoch 1\nval loss 0.5\nepoch 2\nval loss 0.25\n"
    reader = StdoutReader(source(metric="val loss", step="epoch"))
    run.log.write_text(text)
    assert [(point.step, point.value) for point in reader.read(final=True)] == [(1.0, 0.5), (2.0, 0.25)]


def test_an_expression_takes_the_value_and_a_named_group_the_step(source, run):
    text = "step 10 loss 0.5\nstep 20 loss 0.25\n"
    wanted = {"loss": r"step (?P<step>\d+) loss ([\d.]+)"}
    assert read(source, run, text, wanted=wanted, step="step")[0] == [(10.0, 0.5), (20.0, 0.25)]


def test_the_step_may_stand_on_a_line_before(source, run):
    text = "epoch: 1\nloss: 0.5\nepoch: 2\nloss: 0.25\n"
    assert read(source, run, text, step="epoch")[0] == [(1.0, 0.5), (2.0, 0.25)]


def test_steps_may_begin_at_nothing(source, run):
    text = "epoch: 0\nloss: 0.5\nepoch: 1\nloss: 0.25\nepoch: inf\nloss: 0.2\n"
    assert read(source, run, text, step="epoch")[0] == [(0.0, 0.5), (1.0, 0.25), (1.0, 0.2)]


def test_each_refresh_of_a_progress_bar_is_a_line(source, run):
    assert [value for _, value in read(source, run, "10%| loss=0.5\r20%| loss=0.4\r30%| loss=0.3\n")[0]] == [
        0.5,
        0.4,
        0.3,
    ]


def test_an_earlier_attempts_output_and_our_own_lines_are_not_read(source, run):
    run.log.write_text("loss: 9\n")
    text = "[metta_sweep] loss: 8\nloss: 1\n"
    assert read(source, run, text, log_start=run.log.stat().st_size)[0] == [(None, 1.0)]


def test_an_expression_that_fits_twice_in_one_line_is_refused(source, run):
    found, notes = read(source, run, "loss: 0.5 val_loss: 0.9\n", wanted={"loss": r"loss: ([\d.]+)"})
    assert found == []
    assert "fits twice in one line" in notes.fault
    assert "make it fit once" in notes.fault


def test_a_name_that_is_twice_in_one_line_is_asked_for_by_more_of_it(source, run):
    found, notes = read(source, run, "Train Loss: 0.5 | Val Loss: 0.9\n", wanted={"Loss": r"Loss: ([\d.]+)"})
    assert found == []
    assert notes.fault.endswith("ask for one of them by more of its name: Train Loss, Val Loss")


def test_an_expression_that_takes_a_word_says_so(source, run):
    found, notes = read(source, run, "loss: high\n", wanted={"loss": r"loss: (\w+)"})
    assert found == []
    assert "not a number" in " ".join(notes.news())


@pytest.mark.slow
def test_an_expression_that_backtracks_without_end_is_ended(source, run):
    began_s = time.process_time()
    found, notes = read(source, run, "a" * 4000 + "!\n", wanted={"loss": r"^(?:a+)+(\d)$"})
    assert found == []
    assert "more than a second" in notes.fault
    assert time.process_time() - began_s < 5


def test_a_line_of_megabytes_is_looked_at_in_its_beginning_only(source, run):
    began_s = time.process_time()
    found, _ = read(source, run, "loss: 1 " + "x=1 " * 2_000_000 + "\nloss: 2\n")
    assert [value for _, value in found] == [1.0, 2.0]
    assert time.process_time() - began_s < 3


@pytest.mark.parametrize("text", ["loss", "(a)(b)", "(?P<step>a)(b)(c)", "(", "*"])
def test_an_expression_has_exactly_one_group(text):
    with pytest.raises(ValueError, match=r"group|regular expression"):
        Pattern.of(text, step="step")
