"""Every mistake ends with exit code 2, one message and no traceback, and nothing is lost."""

from __future__ import annotations

import re
import sqlite3

import pytest

HEAD = '# @package _global_\nrollout_count: 1\nsweep:\n  command: ["true"]\n  parameters:\n'
LR = "    lr: {min: 0.1, max: 1.0, distribution: log_normal}\n"


def refused(done):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("error:") == 1
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "    lr: {min: 0.1, max: 1.0, distribution: log_normall}\n", r"line 6.*lr.*log_normal\b"),
        (HEAD + "    lr: {min: 1.0, max: 0.1, distribution: uniform}\n", r"line 6.*lr.*min=1.*max=0.1"),
        (HEAD + "    lr: {min: 0.1, max: 1.0, mean: 3.0, distribution: uniform}\n", r"line 6.*lr.*mean"),
        (HEAD + "    lr: {min: 0.0, max: 1.0, distribution: log_normal}\n", r"line 6.*lr.*0"),
        (HEAD + "    lr: {min: 3, max: 64, distribution: uniform_pow2}\n", r"line 6.*lr.*power"),
        (HEAD + LR + "trainer:\n  total_timesteps: 5\n", r"trainer(.|\n)*sweep:\n"),
        (HEAD + LR + "env:\n  game:\n    max_steps: 5\n", r"env(.|\n)*sweep:\n"),
        (HEAD + LR + "rollout_counts: 3\n", r"rollout_counts.*(\n.*)*rollout_count"),
        (HEAD + LR + "  gaol: minimize\n", r"gaol(.|\n)*goal"),
    ],
    ids=["distribution", "bounds", "mean", "log_bounds", "pow2", "root_trainer", "root_env", "root_key", "sweep_key"],
)
def test_a_wrong_sweep_file_is_refused_with_its_place(sweep, text, said):
    file = sweep.root / "wrong.yaml"
    file.write_text(text)
    message = refused(sweep.run(f"++sweep_params={file}"))
    assert re.search(said, message), message
    assert not (sweep.root / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("++sweep_params=sweep/my_test_swep",), r"my_test_swep(.|\n)*my_test_sweep"),
        (("++sweep_params=sweep/my_test_sweep", "trainer.lerning_rate=1"), r"trainer.lerning_rate(.|\n)*learning_rate"),
        (("++sweep_params=sweep/my_test_sweep", "run=../x"), r"\.\./x"),
        (("++sweep_params=sweep/my_test_sweep", "run="), r"run"),
        (("++sweep_params=sweep/my_test_sweep", "trainer.batch_size=48", "trainer.minibatch_size=36"), r"batch_size"),
        (("++sweep_params=sweep/my_test_sweep", "+hardware=toaster"), r"toaster(.|\n)*macbook"),
        (("++sweep_params=sweep/my_test_sweep", "device=cuda:99"), r"device: need.*got cuda:99"),
        (
            ("++sweep_params=sweep/my_test_sweep", "sweep.metric=heart.gett"),
            r"sweep.metric(.|\n)*heart.get\?",
        ),
        ((), r"sweep_params"),
    ],
    ids=[
        "file",
        "override",
        "path_name",
        "empty_name",
        "divisibility",
        "hardware",
        "device",
        "metric",
        "nothing",
    ],
)
def test_a_wrong_command_line_is_refused(sweep, overrides, said):
    message = refused(sweep.run(*overrides))
    assert re.search(said, message), message
    assert not (sweep.root / "data").exists()


@pytest.mark.slow
def test_a_swept_path_that_the_training_does_not_have_is_refused(sweep):
    file = sweep.root / "wrong.yaml"
    file.write_text(
        "rollout_count: 1\nsweep:\n  parameters:\n"
        "    trainer.lerning_rate: {min: 0.1, max: 1.0, distribution: log_normal}\n"
    )
    assert re.search(
        r"line 4.*trainer.lerning_rate(.|\n)*trainer.learning_rate", refused(sweep.run(f"++sweep_params={file}"))
    )


@pytest.mark.slow
def test_a_metric_that_the_result_lacks_is_named_with_those_it_has_and_the_run_is_kept(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=0.05)
    wrong = sweep.run(asked, "sweep.metric=reward")
    assert wrong.returncode == 1
    assert "no reward in its result; it has loss" in wrong.stdout
    assert sweep.run(asked).returncode == 0
    assert sweep.noted("end") == {"s.r.0": 1, "s.r.1": 1}


@pytest.mark.slow
def test_another_search_under_the_same_name_is_refused(sweep):
    sweep.run(sweep.write_trial(rollouts=1, seconds=0.05))
    file = sweep.root / "trial.yaml"
    file.write_text(file.read_text().replace('"0.05"', '"0.06"'))
    message = refused(sweep.run(f"++sweep_params={file}", "rollout_count=2"))
    assert re.search(r"sweep.command.*0.05.*0.06", message)
    assert sum(sweep.noted("start").values()) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("truncated", marks=pytest.mark.long),
        pytest.param("emptied", marks=pytest.mark.long),
        "foreign",
        pytest.param("removed", marks=pytest.mark.long),
        pytest.param("other_table", marks=pytest.mark.long),
    ],
)
def test_a_damaged_journal_is_refused_and_left_as_it_is(sweep, damage):
    asked = sweep.write_trial(rollouts=2, seconds=0.05)
    sweep.run(asked)
    (journal,) = (sweep.root / "data").rglob("sweep.db")
    whole = journal.read_bytes()
    if damage == "truncated":
        journal.write_bytes(whole[: len(whole) // 2])
    elif damage == "emptied":
        journal.write_bytes(b"")
    elif damage == "foreign":
        journal.write_bytes(b"this is a note to myself" * 300)
    elif damage == "removed":
        journal.unlink()
    else:
        journal.unlink()
        with sqlite3.connect(journal) as connection:
            connection.execute("create table notes (text)")
        connection.close()
    after = journal.read_bytes() if journal.exists() else None
    message = refused(sweep.run(asked, "rollout_count=5"))
    assert "sweep.db" in message
    assert "fix:" in message
    assert (journal.read_bytes() if journal.exists() else None) == after
    assert sum(sweep.noted("start").values()) == 2
    assert refused(sweep.summarize())


@pytest.mark.slow
def test_an_unknown_sweep_is_answered_with_those_that_exist(sweep):
    sweep.run(sweep.write_trial(rollouts=1, seconds=0.05))
    sweep.name = "ss"
    message = refused(sweep.summarize())
    assert "there is 1 sweep: s" in message
    assert "did you mean s?" in message


@pytest.mark.slow
def test_a_command_that_does_not_exist_stops_the_sweep_with_one_cause(sweep):
    file = sweep.root / "wrong.yaml"
    file.write_text((HEAD + LR).replace('["true"]', '["no_such_program_at_all"]').replace("count: 1", "count: 9"))
    done = sweep.run(f"++sweep_params={file}")
    assert done.returncode == 1
    assert "no_such_program_at_all" in done.stdout
    assert "3 times in a row" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_exit_0_without_a_result_is_named(sweep):
    file = sweep.root / "wrong.yaml"
    file.write_text(HEAD + LR)
    done = sweep.run(f"++sweep_params={file}")
    assert "no_result" in done.stdout
    assert "result.json" in done.stdout


def content_of(folder):
    """Return everything that lies in a folder: names, contents and kinds."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.slow
def test_a_refused_request_changes_nothing_on_disk_byte_for_byte(sweep):
    words, file = sweep.write_trial(rollouts=1), sweep.root / "trial.yaml"
    assert sweep.run(words).returncode == 0
    before, good = content_of(sweep.root / "data"), file.read_text()
    for wrong, more in (
        (good.replace("metric: loss", "metric: los"), ("change=metric",)),
        (good.replace("metric: loss", "metric: los"), ()),
        (good.replace("goal: minimize", "goal: maximize"), ()),
        (good.replace('"{args}"', '"--x={x}"'), ()),
        (good, ("wandb.share=true",)),
        (good, ("launcher=slurm", "rollout_count=2")),
    ):
        file.write_text(wrong)
        sweep.environment = {"PATH": "/without/slurm"} if "launcher=slurm" in more else {}
        refused(sweep.run(words, *more))
        assert content_of(sweep.root / "data") == before
    file.write_text(good)
    sweep.environment = {}
    assert sweep.facts()["goal"] == "minimize"


@pytest.mark.slow
def test_a_refused_first_request_leaves_no_folder(sweep):
    words = sweep.write_trial(rollouts=1)
    sweep.environment = {"PATH": "/without/slurm"}
    refused(sweep.run(words, "launcher=slurm"))
    assert not (sweep.root / "data").exists()


@pytest.mark.slow
def test_a_goal_that_is_said_to_change_is_told_and_judged_anew(sweep):
    words, file = sweep.write_trial(rollouts=2), sweep.root / "trial.yaml"
    assert sweep.run(words).returncode == 0
    file.write_text(file.read_text().replace("goal: minimize", "goal: maximize"))
    done = sweep.run(words, "change=goal", "rollout_count=3")
    assert done.returncode == 0, done.stderr
    assert "changed: goal: minimize -> maximize" in done.stdout.replace("\n", " ")
    facts = sweep.facts()
    assert (facts["goal"], facts["decided"]) == ("maximize", 3)
