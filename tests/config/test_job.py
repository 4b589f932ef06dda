"""The settings of the sweep itself: what they accept, and what is told about the rest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from metta_sweep.config.job import JobSettings, job_problems

GOOD: dict[str, Any] = {
    "rollout_count": 3,
    "num_samples": 1,
    "metric": "reward",
    "goal": "maximize",
    "seed": 0,
    "data_dir": "train_dir",
}


def told(**changes: Any) -> list[tuple[str, str, str]]:
    content = {**GOOD, **changes}
    with pytest.raises(ValidationError) as caught:
        JobSettings.model_validate(content)
    return list(job_problems(caught.value, content))


def test_the_defaults_are_a_local_launcher_and_wandb_on_its_own_judgement() -> None:
    job = JobSettings.model_validate(GOOD)
    assert (job.launcher.kind, job.launcher.max_parallel, job.wandb.mode, job.command) == ("local", 1, "auto", None)
    assert job.limits.wall_time_s is None


@pytest.mark.parametrize(
    "metric",
    [
        "reward",
        "heart.get",
        "eval/acc-1",
        "a b",
        "metrics/mAP50-95(B)",
        "recall@5",
        "f1%",
        "eval/success[0]",
        "0_shot",
        "Verlässlichkeit",
    ],
)
def test_metrics_of_any_trainer_can_be_named(metric: str) -> None:
    assert JobSettings.model_validate({**GOOD, "metric": metric}).metric == metric


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"rollout_count": 0}, "rollout_count", "need at least 1, got 0"),
        ({"rollout_count": True}, "rollout_count", "need a whole number, got true"),
        ({"rollout_count": 2.0}, "rollout_count", "need a whole number, got 2.0"),
        ({"rollout_count": None}, "rollout_count", "need a whole number, got nothing"),
        ({"rollout_count": 10**9}, "rollout_count", "need at most 1e+06, got 1000000000"),
        ({"seed": -1}, "seed", "need at least 0, got -1"),
        ({"seed": 2**31}, "seed", "need less than 2.14748e+09, got 2147483648"),
        ({"goal": "up"}, "goal", "need one of maximize, minimize, got the text 'up'"),
        ({"metric": ""}, "metric", "need text, which may not be empty, got the text ''"),
        ({"metric": 3}, "metric", "need text, got 3"),
        ({"constraints": "a > 3"}, "constraints", "need a list, got the text 'a > 3'"),
        ({"constraints": [3]}, "constraints.0", "need text, got 3"),
        ({"launcher": {"kind": "nowhere"}}, "launcher.kind", "need one of local, "),
        ({"launcher": {"gpus_per_run": -1}}, "launcher.gpus_per_run", "need at least 0, got -1"),
        ({"launcher": {"kill_grace_s": float("nan")}}, "launcher.kill_grace_s", "need a finite number, got nan"),
        ({"confirm": {"top_k": 0}}, "confirm.top_k", "need at least 1, got 0"),
        ({"confirm": {"seeds": 2.5}}, "confirm.seeds", "need a whole number, got 2.5"),
        ({"confirm": 3}, "confirm", "need auto, off, or a mapping with top_k and seeds, got 3"),
        ({"launcher": 3}, "launcher", "need a mapping, got 3"),
        ({"wandb": {"mode": True}}, "wandb.mode", "need one of auto, online, offline, off, got the text 'on'"),
        ({"wandb": {"entity": 3}}, "wandb.entity", "need text, got 3"),
        ({"wandb": {"tags": "x"}}, "wandb.tags", "need a list, got the text 'x'"),
        ({"limits": {"target": "1"}}, "limits.target", "need a number, got the text '1'"),
        (
            {"limits": {"run_cost": 0}},
            "limits.run_cost",
            "need a duration above zero, as seconds or like 30m, 2h, 1d, got 0",
        ),
        ({"command": []}, "command", "need at least one word, got the list []"),
        ({"command": ""}, "command", "need at least one word"),
        ({"command": 3}, "command", "need a command line, or a list of its words, got 3"),
        ({"command": ["a", 3]}, "command.1", "need text, got 3"),
        ({"data_dir": "a\x00b"}, "data_dir", "need a name"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(changes: dict[str, Any], key: str, message: str) -> None:
    problems = told(**changes)
    assert [problem[0] for problem in problems] == [key]
    assert problems[0][1].startswith(message)


def test_an_unknown_key_is_told_with_the_nearest() -> None:
    assert told(launcher={"max_paralel": 2}) == [("launcher.max_paralel", "is not known", "did you mean max_parallel?")]
    assert told(limits={"walltime": 2}) == [("limits.walltime", "is not known", "did you mean wall_time?")]


@pytest.mark.parametrize("key", ["api_key", "token", "WANDB_API_KEY", "password"])
def test_a_key_to_an_account_is_never_repeated(key: str) -> None:
    [(_, message, fix)] = told(wandb={key: "s3cr3t"})
    assert "never read from a config" in message
    assert "s3cr3t" not in message + fix


def test_a_number_in_quotes_is_told_without_them() -> None:
    assert told(rollout_count="3")[0][2] == "write it without quotes: rollout_count: 3"
    assert told(rollout_count="three")[0][2] == ""


def test_all_mistakes_come_at_once() -> None:
    problems = told(rollout_count=0, goal="up", limits={"target": "x", "patience": 0}, nonsense=3)
    assert [key for key, _, _ in problems] == ["rollout_count", "goal", "limits.target", "limits.patience", "nonsense"]
