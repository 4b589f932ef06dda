"""``sweep.results``: what it accepts, and what is told about the rest."""

from __future__ import annotations

import pytest

from metta_sweep.config.ask import ask
from metta_sweep.errors import RequestError
from metta_sweep.trainer.schema import schema

READERS = ("report", "stdout", "csv", "jsonl", "json", "tensorboard")

FILE = """\
sweep:
  command: python3 train.py {{args}}
  metric: {metric}
  goal: maximize
  results: {results}
  parameters:
    lr: {{min: 0.001, max: 0.1, distribution: log_normal}}
"""


def request(tmp_path, results, metric="acc", *words, text=FILE):
    (tmp_path / "my.yaml").write_text(text.format(results=results, metric=metric))
    everything = ["run=r", "++sweep_params=my.yaml", *words]
    return ask(everything, training=schema, cwd=tmp_path, readers=lambda: READERS)


@pytest.mark.slow
def test_left_out_means_that_runs_write_their_results(tmp_path):
    text = FILE.replace("  results: {results}\n", "")
    assert request(tmp_path, "", text=text).results is None


@pytest.mark.slow
def test_a_block_is_carried_as_it_was_written(tmp_path):
    written = {
        "from": ["tensorboard", "csv"],
        "path": "runs/**",
        "metrics": {"acc": "charts/acc", "eval/success[0]": "x.y"},
        "step": "global_step",
        "reduce": {"acc": "mean:20"},
    }
    results = request(tmp_path, str(written)).results
    assert results.as_written() == written


@pytest.mark.slow
def test_one_reader_may_stand_for_itself_and_nothing_else_is_needed(tmp_path):
    results = request(tmp_path, "{from: stdout}").results
    assert (results.readers, results.metrics, results.reduce) == (("stdout",), {}, "last")


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["metrics/mAP50-95(B)", "recall@5", "f1%", "eval/success[0]", "val.acc"])
def test_a_metric_may_have_any_name(tmp_path, metric):
    results = f"{{from: csv, metrics: {{'{metric}': '{metric}'}}, reduce: {{'{metric}': best}}}}"
    asked = request(tmp_path, results, f"'{metric}'")
    assert asked.metric == metric
    assert dict(asked.results.metrics) == {metric: metric}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("results", "key", "said"),
    [
        ("{from: tensorbored}", "sweep.results.from", "need a reader, got 'tensorbored'"),
        ("{from: tensorbored}", "sweep.results.from", "did you mean tensorboard?"),
        ("{fom: csv}", "sweep.results.fom", "did you mean from?"),
        ("{from: []}", "sweep.results.from", "need at least one word"),
        ("{from: 3}", "sweep.results.from", "need a list"),
        ("csv", "sweep.results", "need a mapping"),
        ("{from: csv, metrics: {accuracy: a}}", "sweep.results.metrics", "need an entry for the metric 'acc'"),
        ("{from: csv, metrics: {acc: [1]}}", "sweep.results.metrics.acc", "need text"),
        ("{from: csv, reduce: lasst}", "sweep.results.reduce", "did you mean last?"),
        ("{from: csv, reduce: 'mean:0'}", "sweep.results.reduce", "need last, first, best"),
        ("{from: csv, reduce: {f1: best}}", "sweep.results.reduce.f1", "write max or min"),
        ("{from: csv, metrics: {acc: a}, reduce: {ac: last}}", "sweep.results.reduce.ac", "did you mean acc?"),
        ("{from: stdout, metrics: {acc: 'acc: ('}}", "sweep.results.metrics.acc", "need a regular expression"),
        ("{from: stdout, metrics: {acc: acc}}", "sweep.results.metrics.acc", "need exactly one group in parentheses"),
        ("{from: stdout, metrics: {acc: acc}}", "sweep.results.metrics.acc", r"write 'acc[:=]\s*(\S+)'"),
        ("{from: stdout, step: '(a)(b)'}", "sweep.results.step", "need exactly one group"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_key(tmp_path, results, key, said):
    with pytest.raises(RequestError) as caught:
        request(tmp_path, results)
    text = str(caught.value)
    assert f"my.yaml, line 5: {key}: " in text
    assert said in text


@pytest.mark.slow
def test_the_bundled_trainer_takes_no_such_block(tmp_path):
    text = FILE.replace("  command: python3 train.py {{args}}\n", "").replace("lr:", "trainer.learning_rate:")
    with pytest.raises(RequestError, match="is for a command of your own"):
        request(tmp_path, "{from: csv}", "reward", text=text)
