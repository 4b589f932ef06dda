"""The names of the metrics are known before a run, and are those that it reports."""

import math

import pytest
import torch

from metta_sweep.result import RunPaths, read_result
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.metrics import Judge, metric_names
from metta_sweep.trainer.training import Training
from tests.trainer.configs import SMALL, parsed, put, shipped

SHORT = {path: value for path, value in SMALL.items() if not path.startswith("env.")} | {
    "trainer.total_timesteps": 128,
    "sim.episodes": 1,
}
SUITE = {"near": {"env": {"game": {"map": {"width": 5}}}}, "far": {"weight": 2.0}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "changes"),
    [
        ("altar", {"env.num_agents": 2, "env.game.objects.altar.hp": 3}),
        ("altar", {"sim.simulations": SUITE, "trainer.target_kl": 0.1}),
        ("cogeval", {"trainer.batch_size": 160, "trainer.minibatch_size": 80, "trainer.bptt_horizon": 16}),
        ("pong", {"env.game.max_steps": 20}),
        ("gymnasium", {"env.options": {"max_episode_steps": 20}}),
    ],
)
def test_a_run_reports_exactly_the_metrics_that_its_config_says(env, changes, tmp_path):
    if env == "gymnasium":
        pytest.importorskip("gymnasium")
    config = parse(put(shipped(env=env), SHORT | changes))
    Training(config, tmp_path, torch.device("cpu"), lambda line: None).run()
    assert set(read_result(RunPaths(tmp_path)).metrics) == metric_names(config)


def test_the_best_evaluation_is_the_one_that_the_sweep_searches_for():
    config = parsed()
    by_length = Judge.of_sweep(config, {"METTA_SWEEP_METRIC": "episode_length", "METTA_SWEEP_GOAL": "minimize"})
    short, long = ({"reward": reward, "episode_length": length} for reward, length in ((0.0, 3.0), (1.0, 9.0)))
    assert by_length.score(short) > by_length.score(long)
    assert Judge.of_sweep(config, {}).score(short) < Judge.of_sweep(config, {}).score(long)
    assert by_length.score({"reward": 1.0}) == -math.inf


def test_a_metric_that_no_evaluation_has_leaves_the_choice_to_the_reward():
    assert Judge.of_sweep(parsed(), {"METTA_SWEEP_METRIC": "cost_s", "METTA_SWEEP_GOAL": "minimize"}) == Judge()
