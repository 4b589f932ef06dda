"""What W&B is to show follows from the journal and the run's directory alone."""

from __future__ import annotations

import json
import math
import os

import pytest

from metta_sweep.goal import Goal
from metta_sweep.secrecy import REDACTED, Redaction
from metta_sweep.track.facts import (
    FILE_SIZE_LIMIT,
    OWN_KEY,
    Times,
    history,
    last_checkpoint,
    nested,
    run_facts,
    run_files,
)
from metta_sweep.track.labels import Labels
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
        facts(sweep, labels=Labels(tags=("x",))).seal(rows, files),
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
    assert (found.summary[OWN_KEY]["origin"], found.summary[OWN_KEY]["reason"]) == ("sobol", "start design")
    assert history(sweep.paths.run("my_test.r.0")) == []
    assert run_files(sweep.paths.run("my_test.r.0"), NO_SECRETS) == {}


def test_the_config_holds_the_swept_parameters_as_trained_and_nothing_else(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    params = sweep.state.rollouts[0].suggestion.params
    assert set(facts(sweep).config) == {"trainer"}
    assert facts(sweep).config["trainer"] == {name.partition(".")[2]: value for name, value in params.items()}


@pytest.mark.parametrize(
    ("params", "tree"),
    [
        ({"a.b": 1, "a.c.d": 2, "e": 3}, {"a": {"b": 1, "c": {"d": 2}}, "e": 3}),
        ({"model": "mlp", "model.width": 3}, {"model": "mlp", "model.width": 3}),
        ({"model.width": 3, "model": "mlp"}, {"model": "mlp", "model.width": 3}),
    ],
)
def test_parameters_become_a_tree(params, tree):
    assert nested(params) == tree


def test_files_and_config_are_sent_without_secrets(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0, env={"api_key": "hush"})
    assert REDACTED in json.dumps(run_files(sweep.paths.run("my_test.r.0"), Redaction()))
    assert "hush" not in json.dumps(run_files(sweep.paths.run("my_test.r.0"), Redaction()))


def test_a_file_that_is_too_large_is_not_sent(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    paths = sweep.paths.run("my_test.r.0")
    paths.result.write_bytes(b" " * (FILE_SIZE_LIMIT + 1))
    assert run_files(paths, NO_SECRETS).keys() == {"run/config.yaml"}
    paths.filled("base.yaml").parent.mkdir()
    paths.filled("base.yaml").write_text("lr: 0.1")
    assert run_files(paths, NO_SECRETS)["run/filled/base.yaml"] == "lr: 0.1"


def test_a_run_that_confirms_is_told_from_those_of_the_search(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    sweep.history.choose(0).again(0, 1.5)
    assert (facts(sweep, 0).job_type, facts(sweep, 1).job_type) == ("train", "confirm")
    assert "confirmation" in facts(sweep, 1).tags
    assert "confirmation" not in facts(sweep, 0).tags
    assert facts(sweep, 1).group == facts(sweep, 0).group
    assert facts(sweep, 1).summary[OWN_KEY]["confirms"] is True


def test_tags_are_those_of_the_sweep_and_the_users_and_fit(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    assert facts(sweep, labels=Labels(tags=("mine", "", "protein", "x" * 99))).tags == (
        "my_test",
        "protein",
        "mine",
        "x" * 64,
    )


def test_names_of_the_user_are_filled_in_and_no_two_runs_have_the_same(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0).whole_run(2.0)
    given = Labels(name="lr of {sweep} {number}", group="{rollout}", job_type="tune", notes="seed {seed}")
    found = facts(sweep, 1, labels=given)
    assert (found.name, found.group, found.job_type, found.notes) == ("lr of my_test 1", "1", "tune", "seed 1")
    assert [facts(sweep, k, labels=Labels(name="plain")).name for k in (0, 1)] == ["plain.r.0", "plain.r.1"]
    assert facts(sweep).name == "my_test.r.0"


def test_times_are_those_of_the_training(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    sweep.run_dir(0)
    paths = sweep.paths.run("my_test.r.0")
    lines = [{"step": k, "time_s": time_s, "metrics": {"reward": 1.0}} for k, time_s in enumerate((1.0, 3.0, 0.5))]
    paths.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sweep.finish(0, 1.0)
    times = Times(starts=(1000.0, 2000.0), end=2010.0)
    assert [row["_timestamp"] for row in history(paths, times)] == [1001.0, 1003.0, 2000.5]
    wall_s = sweep.state.runs["my_test.r.0"].wall_s
    assert facts(sweep, times=times).times == {
        "_runtime": wall_s,
        "_wandb": {"runtime": int(wall_s)},
        "_timestamp": 2010.0,
    }
    assert facts(sweep, times=times).summary[OWN_KEY]["started_at"] == 1000.0


def test_what_only_the_journal_knows_is_told_without_guessing_the_best_value(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0).finish(0, 0.29)
    assert facts(sweep).summary["score"] == 0.29
    assert "best" not in {**facts(sweep).summary, **facts(sweep).summary[OWN_KEY]}


def test_what_a_run_leaves_is_not_waited_for(tmp_path):
    sweep = ToldSweep(tmp_path).whole_run(1.0)
    paths = sweep.paths.run("my_test.r.0")
    paths.result.unlink()
    os.mkfifo(paths.result)
    paths.suggestion.unlink()
    paths.suggestion.mkdir()
    assert run_files(paths, NO_SECRETS).keys() == {"run/config.yaml"}
    (paths.checkpoints / "step-1").mkdir(parents=True)
    os.mkfifo(paths.checkpoints / "step-1" / "weights")
    assert last_checkpoint(paths) is None
