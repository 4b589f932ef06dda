"""What is proposed for an option, and for a metric; what is written is a request that is accepted."""

from __future__ import annotations

import re

import pytest
import yaml

from metta_sweep.config.proposal.metrics import Chosen, SeenMetric, choose, pattern_of, spoken_in
from metta_sweep.config.proposal.options import Option
from metta_sweep.config.proposal.proposing import propose
from metta_sweep.config.proposal.ranges import proposals, seed_of
from metta_sweep.results.patterns import twice_in_a_line


def leaf(name, kind="float", default=None):
    found = proposals([Option(name=name, kind=kind, default=default)])
    return found[0].leaf if found else None


@pytest.mark.parametrize(
    ("name", "kind", "default", "expected"),
    [
        ("lr", "float", 0.003, {"min": 0.0003, "max": 0.03, "distribution": "log_normal"}),
        ("optimizer.learning-rate", "float", None, {"min": 1e-5, "max": 0.1, "distribution": "log_normal"}),
        ("lr", "float", 0.5, {"min": 0.05, "max": 1, "distribution": "log_normal"}),
        ("gamma", "float", 0.99, {"min": 0.9, "max": 0.999, "distribution": "logit_normal"}),
        ("gae_lambda", "float", 0.9, {"min": 0.5, "max": 0.99, "distribution": "logit_normal"}),
        ("batch_size", "int", 32, {"min": 8, "max": 128, "distribution": "uniform_pow2"}),
        ("batch_size", "int", 100, {"min": 25, "max": 400, "distribution": "log_normal", "integer": True}),
        ("dropout", "float", 0.0, {"min": 0.0, "max": 0.5, "distribution": "uniform"}),
        ("num-layers", "int", 2, {"min": 1, "max": 4, "distribution": "int_uniform"}),
        ("n_layer", "int", 4, {"min": 2, "max": 8, "distribution": "int_uniform"}),
        ("grad_clip", "float", 1.0, {"min": 0.1, "max": 10.0, "distribution": "log_normal"}),
        ("weight_decay", "float", 0.0, {"min": 1e-6, "max": 0.1, "distribution": "log_normal"}),
    ],
)
def test_the_name_says_the_range(name, kind, default, expected):
    found = leaf(name, kind, default)
    found.pop("mean", None)
    assert found["distribution"] == expected["distribution"]
    assert {
        key: pytest.approx(value) if isinstance(value, float) else value for key, value in expected.items()
    } == found


def test_choices_that_are_numbers_have_an_order_and_names_that_are_known():
    (found,) = proposals([Option(name="batch_size", kind="choice", default=32, choices=(64, 32, 16))])
    assert found.leaf == {"values": [16, 32, 64], "ordered": True, "mean": 32}
    assert found.is_searched


def test_a_search_starts_at_the_programs_own_defaults():
    assert leaf("lr", "float", 0.003)["mean"] == 0.003
    assert "mean" not in leaf("weight_decay", "float", 0.0)
    (act,) = proposals([Option(name="act", kind="choice", choices=("relu", "tanh"), default="tanh")])
    assert act.leaf["values"] == ["tanh", "relu"]


@pytest.mark.parametrize(
    "name",
    [
        "epochs",
        "total-timesteps",
        "num_workers",
        "log_interval",
        "output_dir",
        "seed",
        "save_path",
        "data.root",
        "num_nodes",
        "reload_every_n_epochs",
    ],
)
def test_the_length_of_a_run_and_its_books_are_never_searched(name):
    assert leaf(name, "int", 10) is None


def test_at_most_eight_are_searched_and_the_rest_is_there_to_be_chosen():
    found = proposals([Option(name=f"net{at}.lr", kind="float", default=0.1) for at in range(12)])
    assert [proposal.is_searched for proposal in found] == [True] * 8 + [False] * 4


def test_the_seed_is_found():
    assert seed_of([Option(name="lr"), Option(name="train.random-state")]).name == "train.random-state"


def seen(reader, place, *names, count=3):
    return [SeenMetric(reader=reader, place=place, name=name, count=count) for name in names]


def test_held_out_numbers_win_over_those_of_the_training_and_books_do_not_count():
    found = choose(seen("csv", "logs/v_1/m.csv", "epoch", "train/acc", "val/acc", "val/loss", "lr", "time_s"))
    assert (found.metric, found.goal, found.is_sure) == ("val/acc", "maximize", True)
    assert found.results == {"from": "csv", "path": "logs/*/m.csv"}
    assert "val/loss" in found.others
    assert not {"lr", "epoch", "time_s"} & set(found.others)


def test_a_file_wins_over_what_is_printed_and_noisy_returns_are_averaged():
    tags = seen("tensorboard", "runs/x__1__17 (process 9202)", "charts/episodic_return", count=90)
    found = choose([*seen("stdout", "train.log", "charts/episodic_return"), *tags])
    assert found.results == {"from": "tensorboard", "path": "runs/*/*tfevents*", "reduce": "mean:20"}


def test_what_a_hydra_main_returns_is_a_guess_and_what_a_run_leaves_itself_needs_no_reader():
    hydra = choose(seen("hydra", "the return value of main", "return", count=1))
    assert (hydra.metric, hydra.is_sure, hydra.results) == ("return", False, {"from": "hydra"})
    own = choose(seen("stdout", "train.log", "loss"), own=["accuracy"])
    assert (own.metric, own.results) == ("accuracy", {})
    assert choose(seen("stdout", "train.log", "epoch", "lr")) is None


@pytest.mark.parametrize(
    ("place", "reader", "expected"),
    [
        ("metrics.csv", "csv", "metrics.csv"),
        ("logs/version_3/metrics.csv", "csv", "logs/*/metrics.csv"),
        ("out/log_2024-01-02.csv", "csv", "out/*.csv"),
        ("{run_dir}/eval/evaluations.npz", "npz", "{run_dir}/eval/evaluations.npz"),
        ("runs/validation (process 7)", "tensorboard", "runs/validation/*tfevents*"),
    ],
)
def test_the_pattern_fits_the_files_of_other_runs(place, reader, expected):
    assert pattern_of(place, reader=reader) == expected


def test_what_is_written_is_accepted_and_says_what_it_left_alone(desk):
    options = [
        Option(name="lr", kind="float", default=0.1),
        Option(name="act", kind="choice", choices=("relu", "tanh")),
        Option(name="amp", kind="bool", default=False, style="flag"),
        Option(name="hidden", kind="int", default=64),
        Option(name="api-key", kind="text"),
        Option(name="epochs", kind="int", default=3),
        Option(name="seed", kind="int", default=0),
    ]
    chosen = Chosen(metric="val/acc@5", goal="maximize", is_sure=False, results={"from": "stdout"}, others=("loss",))
    words = ["python3", "my train.py", "--hidden=32", "--note={x}"]
    text, searched = propose(words, options, chosen, is_hydra=False, looked_at="made of\x1b this", start="go")
    assert set(searched) == {"lr", "act"}
    assert "api-key" not in text
    assert "\x1b" not in text
    assert "# amp: {values: [true, false], as: flag}" in text
    asked = desk.ask(text)
    assert asked.command == ("python3", "my train.py", "--hidden=32", "--note={{x}}", "{args}", "--seed={seed}")
    assert asked.metric == "val/acc@5"
    assert yaml.safe_load(text)["sweep"]["results"] == {"from": "stdout"}


def test_a_program_without_options_has_no_proposal():
    chosen = Chosen(metric="loss", goal="minimize", is_sure=True, results={"from": "stdout"})
    assert propose(["x"], [], chosen, is_hydra=False, looked_at="", start="") is None


@pytest.mark.parametrize(
    ("log", "metric", "step"),
    [
        ("step 0: train loss 4.28, val loss 4.27\niter 0: loss 4.2, time 337.90ms\n", "val_loss", "7"),
        ("epoch 7 val_loss 1e-3", "val_loss", "7"),
        ("Epoch: [7][ 10/5005]\tLoss 6.9e+00 (7.0e+00)\tAcc@1 71.2 ( 0.1)", "Acc_1", "7"),
        ("Epoch 7/9 | Train Loss: 3.0 | Val Loss: 2.5 | lr: 0.1", "Val_Loss", "7"),
        ("Mean Episode Reward = 7.5", "Mean_Episode_Reward", None),
        ("W1130 07:00:00 139 train.py:12] Episode 7 reward -12.5", "reward", None),
    ],
)
def test_a_metric_of_several_words_or_without_a_colon_gets_an_expression(log, metric, step):
    chosen = choose(spoken_in(log))
    assert chosen is not None
    assert chosen.metric == metric
    pattern = re.compile(chosen.results["metrics"][metric])
    assert pattern.groups == 1
    assert len(pattern.findall(log)) == 1
    assert ("step" in chosen.results) == (step is not None)


def test_what_a_data_set_has_is_a_metric_and_told_apart_by_its_name():
    log = "[Info] Start training from score 0.01\n" + "[5]\ttraining's l2: 0.2\tvalid_0's l2: 0.4\n" * 3
    chosen = choose(spoken_in(log))
    assert (chosen.metric, chosen.goal) == ("valid_0_l2", "minimize")
    pattern = chosen.results["metrics"]["valid_0_l2"]
    assert re.findall(pattern, log) == ["0.4"] * 3


@pytest.mark.parametrize(("rise", "goal"), [(0.3, "maximize"), (-0.3, "minimize"), (0.0, "minimize")])
def test_a_name_that_says_nothing_is_better_the_way_it_went(rise, goal):
    chosen = choose([SeenMetric(reader="stdout", place="train.log", name="Val", count=5, rise=rise)])
    assert (chosen.goal, chosen.is_sure) == (goal, False)


def test_an_episodes_return_that_is_printed_often_is_a_mean_of_the_last():
    chosen = choose(spoken_in("Episode 7 episodic return 12.5\n" * 30))
    assert chosen is not None
    assert chosen.results["reduce"] == "mean:20"


@pytest.mark.parametrize("log", ["", "wrote 3 files", "the learning rate 0.1 of epoch 3", "loss: 0.3", "accuracy 93x"])
def test_words_that_are_no_metrics_and_numbers_that_are_none_are_left_alone(log):
    assert spoken_in(log) == []


def test_a_name_that_is_twice_in_a_line_says_nothing_alone():
    log = "loss: 0.3 acc: 0.9\nTrain Acc: 0.9 | Test Acc: 0.8\nacc: 1\n"
    assert twice_in_a_line(log) == {"Acc"}
    assert twice_in_a_line("") == set()


def test_the_first_entry_of_a_history_is_no_result():
    history = [SeenMetric(reader="json", place="out/trainer_state.json", name="log_history[0]/eval_accuracy", count=1)]
    printed = SeenMetric(reader="stdout", place="train.log", name="eval_accuracy", count=4)
    epochs = SeenMetric(reader="stdout", place="train.log", name="epoch", count=5)
    chosen = choose([*history, printed, epochs])
    assert (chosen.metric, chosen.results) == ("eval_accuracy", {"from": "stdout", "step": "epoch"})
    assert choose(history).metric == history[0].name


def test_what_is_off_by_default_is_not_searched_but_for_the_learning_rate():
    found = proposals([Option(name=name, kind="float", is_unset=True) for name in ("lr", "noise_alpha", "dropout")])
    assert [each.option.name for each in found if each.is_searched] == ["lr"]
    assert len(found) == 3


@pytest.mark.parametrize("name", ["per_device_eval_batch_size", "val-batch-size", "adam_epsilon"])
def test_what_changes_no_score_is_not_searched(name):
    found = proposals([Option(name="lr", kind="float"), Option(name=name, kind="unknown")])
    assert [each.option.name for each in found if each.is_searched] == ["lr"]


def test_a_line_of_the_source_is_no_metric():
    assert choose([SeenMetric(reader="stdout", place="train.log", name="train.py")]) is None
