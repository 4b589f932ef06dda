"""What W&B is to show follows from the journal and the run's directory alone."""

from __future__ import annotations

import json
import math

import pytest

from metta_sweep.goal import Goal
from metta_sweep.secrecy import REDACTED, Redaction
from metta_sweep.track.facts import FILE_SIZE_LIMIT, OWN_KEY, history, run_facts, run_files
from tests.track.told import NO_SECRETS, ToldSweep


def facts(sweep, number=0, **more):
    state = sweep.state
    run = state.runs[sweep.history.run(number)]
    return run_facts(state, run, sweep.paths.run(run.run_id), identity="cafe", redaction=NO_SECRETS, **more)


def test_the_same_facts_give_the_same_seal_and_any_other_fact_another(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0).whole_run(2.0)
    rows, files = [{"reward": 1.0, "step": 1}], {"run/config.yaml": "a: 1"}
    seal = facts(sweep).seal(rows, files)
    assert facts(sweep).seal(rows, files) == seal
    others = [
        facts(sweep, 1).seal(rows, files),
        facts(sweep, tags=("x",)).seal(rows, files),
        facts(sweep).seal([{"reward": 1.1, "step": 1}], files),
        facts(sweep).seal([], files),
        facts(sweep).seal(rows, {"run/config.yaml": "a: 2"}),
        facts(sweep).seal(rows, {}),
    ]
    assert len({seal, *others}) == 7


@pytest.mark.parametrize(("goal", "best", "score"), [(Goal.MAXIMIZE, 3.0, 2.0), (Goal.MINIMIZE, 1.0, -2.0)])
def test_the_best_value_and_the_score_know_the_goal(tmp_path, goal, best, score):
    sweep = ToldSweep(tmp_path)
    sweep.history.goal = goal
    sweep.history.ask()
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    sweep.report(0, 1.0, 3.0).finish(0, 2.0)
    own = facts(sweep).summary[OWN_KEY]
    assert (own["best"], own["score"], own["metric"]) == (best, score, 2.0)


def test_a_failure_has_class_and_message_and_no_score(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0).fail(0, "diverged", "reward is nan")
    found = facts(sweep)
    assert found.exit_code == 1
    assert found.summary[OWN_KEY]["failure_class"] == "diverged"
    assert found.summary[OWN_KEY]["failure_message"] == "reward is nan"
    assert not {"score", "reward"} & {*found.summary, *found.summary[OWN_KEY]}


def test_metrics_that_are_no_numbers_are_left_out_of_the_summary(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0).finish(0, 1.0, entropy=math.nan, loss=math.inf)
    assert facts(sweep).summary.keys() >= {"reward"}
    assert not {"entropy", "loss"} & facts(sweep).summary.keys()


def test_a_metric_of_the_users_own_named_score_is_shown_as_reported(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0).finish(0, 1.0, score=7.0)
    assert facts(sweep).summary["score"] == 7.0
    assert facts(sweep).summary[OWN_KEY]["score"] == 1.0


def test_each_evaluation_is_a_row_with_its_step_in_the_order_reported(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    sweep.report(0, 1.0, 2.0).report(0, 2.5, first_step=1024)
    rows = history(sweep.paths.run("my_test.r.0"))
    assert [(row["step"], row["reward"]) for row in rows] == [(512, 1.0), (1024, 2.0), (1024, 2.5)]
    assert all(row["time_s"] >= 0 and row["heart.get"] == row["reward"] / 2 for row in rows)


def test_a_run_without_a_directory_has_its_suggestion_all_the_same(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest(origin="sobol", reason="start design")
    found = facts(sweep)
    assert (found.config[OWN_KEY]["origin"], found.config[OWN_KEY]["reason"]) == ("sobol", "start design")
    assert history(sweep.paths.run("my_test.r.0")) == []
    assert run_files(sweep.paths.run("my_test.r.0"), NO_SECRETS) == {}


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [\n", "\x00", "text"])
def test_a_config_that_cannot_be_read_is_no_obstacle(tmp_path, text):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    sweep.paths.run("my_test.r.0").config.write_text(text)
    assert facts(sweep).config.keys() == {OWN_KEY}


def test_files_and_config_are_sent_without_secrets(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0, env={"api_key": "hush"})
    assert facts(sweep).config["env"] == {"api_key": REDACTED}
    assert "hush" not in json.dumps(run_files(sweep.paths.run("my_test.r.0"), Redaction()))


def test_a_file_that_is_too_large_is_not_sent(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    paths = sweep.paths.run("my_test.r.0")
    paths.result.write_bytes(b" " * (FILE_SIZE_LIMIT + 1))
    assert run_files(paths, NO_SECRETS).keys() == {"run/config.yaml", "run/protein_suggestion.yaml"}


def test_a_run_that_confirms_is_told_from_those_of_the_search(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    sweep.history.choose(0).again(0, 1.5)
    assert (facts(sweep, 0).job_type, facts(sweep, 1).job_type) == ("train", "confirm")
    assert "confirmation" in facts(sweep, 1).tags
    assert "confirmation" not in facts(sweep, 0).tags
    assert facts(sweep, 1).group == facts(sweep, 0).group
    assert facts(sweep, 1).config[OWN_KEY]["confirms"] is True


def test_tags_are_those_of_the_sweep_and_the_users_and_fit(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    assert facts(sweep, tags=("mine", "", "protein", "x" * 99)).tags == ("my_test", "protein", "mine", "x" * 64)
