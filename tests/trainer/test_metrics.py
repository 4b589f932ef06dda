"""The names of the metrics are known before a run, and are those that it reports."""

import pytest
import torch

from metta_sweep.result import RunPaths, read_result
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.metrics import metric_names
from metta_sweep.trainer.training import Training
from tests.trainer.configs import SMALL, put, shipped

SHORT = {path: value for path, value in SMALL.items() if not path.startswith("env.")} | {
    "trainer.total_timesteps": 128,
    "sim.episodes": 1,
}
SUITE = {"near": {"env": {"game": {"map": {"width": 5}}}}, "far": {"weight": 2.0}}


@pytest.mark.parametrize(
    ("env", "changes"),
    [
        ("altar", {"env.num_agents": 2, "env.game.objects.altar.hp": 3}),
        ("altar", {"sim.simulations": SUITE, "trainer.target_kl": 0.1}),
        ("cogeval", {"trainer.batch_size": 160, "trainer.minibatch_size": 80}),
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
