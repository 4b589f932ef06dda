"""Whole runs."""

import json

import pytest
import torch

from metta_sweep.result import RunPaths, read_evaluations, read_result
from metta_sweep.trainer.checkpoint import CheckpointError, CheckpointFolder, load
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.metrics import OF_LEARNING, Judge
from metta_sweep.trainer.training import DivergedError, InterruptedRunError, Training
from tests.trainer.configs import parsed, put, shipped, small

CPU = torch.device("cpu")
INTERVALS = {"trainer__evaluate_interval": 2, "trainer__checkpoint_interval": 1}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(run_dir, config=None, **changes):
    run_dir.mkdir(exist_ok=True)
    training = Training(config or parsed(**changes), run_dir, CPU, lambda line: None)
    training.run()
    return training


def parsed_with(changes, **more):
    """Return a small config; ``env`` among the changes is another environment."""
    changes = dict(changes)
    env = changes.pop("env", None)
    config = small(**changes, **more)
    return parse(config | {"env": env or config["env"]})


def repeatable(metrics):
    """Return metrics without the one that is measured with a clock."""
    return {name: value for name, value in metrics.items() if name != "train/samples_per_s"}


def evaluated(run_dir):
    """Return the steps of the lines that an evaluation wrote."""
    return [line.step for line in read_evaluations(RunPaths(run_dir)) if "reward" in line.metrics]


def weights(training):
    return {name: value.clone() for name, value in training.policy.state_dict().items()}


@pytest.mark.slow
def test_a_run_leaves_its_result_its_evaluations_and_its_checkpoints(tmp_path):
    train(tmp_path, **INTERVALS)
    paths = RunPaths(tmp_path)
    result = read_result(paths)
    assert result.steps == 512
    assert 0 < json.loads(paths.result.read_text())["eval_s"] < result.cost_s
    lines = list(read_evaluations(paths))
    evaluations = [line for line in lines if "reward" in line.metrics]
    assert [evaluation.step for evaluation in evaluations] == [256, 512]
    assert result.metrics == repeatable(evaluations[-1].metrics)
    assert [line.step for line in lines] == [128, 256, 384, 512]
    assert all({*OF_LEARNING, "train/samples_per_s"} <= line.metrics.keys() for line in lines)
    assert CheckpointFolder(paths.checkpoints).at(512).exists()
    best = max(evaluations, key=lambda evaluation: evaluation.metrics["reward"])
    assert load(CheckpointFolder(paths.checkpoints).best)["metrics"]["reward"] == best.metrics["reward"]


@pytest.mark.slow
@pytest.mark.parametrize(("interval", "steps"), [(1, [128, 256, 384, 512]), (3, [384, 512]), (10**9, [512])])
def test_any_interval_works_and_the_last_update_is_always_evaluated(tmp_path, interval, steps):
    train(tmp_path, trainer__evaluate_interval=interval, trainer__checkpoint_interval=interval)
    assert evaluated(tmp_path) == steps


@pytest.mark.slow
def test_a_run_repeats_bit_by_bit_and_another_seed_does_not(tmp_path):
    one, same, other = (train(tmp_path / str(k), seed=seed) for k, seed in enumerate([1, 1, 2]))
    assert all(torch.equal(value, weights(same)[name]) for name, value in weights(one).items())
    assert not torch.equal(weights(one)["heads.weight"], weights(other)["heads.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stop_after", "changes"),
    [
        (1, {}),
        (3, {}),
        (2, {"trainer__use_lstm": True}),
        (2, {"trainer__normalize_reward": True, "agent__separate_value": True, "trainer__use_lstm": True}),
        (1, {"env": {"name": "pong"}, "trainer__normalize_reward": True, "trainer__normalize_observation": True}),
    ],
    ids=str,
)
def test_a_stopped_and_resumed_run_ends_bit_by_bit_where_an_undisturbed_one_does(tmp_path, stop_after, changes):
    config = parsed_with(changes, trainer__evaluate_interval=1, trainer__checkpoint_interval=100)
    straight = train(tmp_path / "straight", config)
    run_dir = tmp_path / "stopped"
    run_dir.mkdir()
    first = Training(config, run_dir, CPU, lambda line: None)
    with pytest.raises(InterruptedRunError):
        first.run(lambda: first.update == stop_after)
    second = Training(config, run_dir, CPU, lambda line: None)
    assert second.resume()
    assert second.update == stop_after
    second.run()
    assert all(torch.equal(value, weights(second)[name]) for name, value in weights(straight).items())
    for kind in (read_evaluations, lambda paths: [read_result(paths)]):
        pairs = zip(kind(RunPaths(run_dir)), kind(RunPaths(tmp_path / "straight")), strict=True)
        assert all(repeatable(mine.metrics) == repeatable(theirs.metrics) for mine, theirs in pairs)


@pytest.mark.slow
def test_evaluations_after_the_checkpoint_are_not_reported_twice(tmp_path):
    config = parsed(trainer__evaluate_interval=1, trainer__checkpoint_interval=100)
    first = Training(config, tmp_path, CPU, lambda line: None)
    with pytest.raises(InterruptedRunError):
        first.run(lambda: first.update == 2)
    with RunPaths(tmp_path).metrics.open("a") as file:
        file.write(json.dumps({"step": 384, "time_s": 1.0, "metrics": {"reward": 9.0}}) + '\n{"step": 51')
    second = Training(config, tmp_path, CPU, lambda line: None)
    second.resume()
    second.run()
    assert [evaluation.step for evaluation in read_evaluations(RunPaths(tmp_path))] == [128, 256, 384, 512]


def test_a_run_that_died_between_its_last_checkpoint_and_its_result_only_needs_to_write_it(tmp_path):
    config = parsed()
    train(tmp_path, config)
    paths = RunPaths(tmp_path)
    result = read_result(paths)
    paths.result.unlink()
    again = Training(config, tmp_path, CPU, lambda line: None)
    again.resume()
    again.run()
    assert read_result(paths).metrics == result.metrics
    assert [evaluation.step for evaluation in read_evaluations(paths)] == [128, 256, 384, 512]


def test_the_cost_counts_all_attempts(tmp_path):
    config = parsed()
    first = Training(config, tmp_path, CPU, lambda line: None)
    first._elapsed_s = 1000.0
    with pytest.raises(InterruptedRunError):
        first.run(lambda: True)
    second = Training(config, tmp_path, CPU, lambda line: None)
    second.resume()
    second.run()
    assert read_result(RunPaths(tmp_path)).cost_s > 1000.0


def test_checkpoints_of_another_config_are_refused(tmp_path):
    train(tmp_path)
    with pytest.raises(CheckpointError, match="another config"):
        Training(parsed(agent__hidden_size=8), tmp_path, CPU, lambda line: None).resume()


def test_a_checkpoint_with_the_weights_of_another_network_is_refused(tmp_path):
    train(tmp_path)
    again = Training(parsed(), tmp_path, CPU, lambda line: None)
    path = again._checkpoints.all()[-1]
    content = torch.load(path, weights_only=True)
    content["policy"]["heads.bias"] = torch.zeros(3)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match="weights of another network"):
        again.resume()


def test_a_checkpoint_from_before_a_setting_was_added_goes_on(tmp_path):
    train(tmp_path)
    again = Training(parsed(), tmp_path, CPU, lambda line: None)
    path = again._checkpoints.all()[-1]
    content = torch.load(path, weights_only=True)
    config = json.loads(content["config"])
    del config["agent"]["action_bounds"]
    torch.save(content | {"config": json.dumps(config)}, path)
    assert again.resume()


@pytest.mark.parametrize("minimize", [False, True])
def test_the_best_checkpoint_follows_the_metric_and_the_goal(tmp_path, minimize):
    judge = Judge(metric="action.move", minimize=minimize)
    tmp_path.mkdir(exist_ok=True)
    Training(parsed(**INTERVALS), tmp_path, CPU, lambda line: None, judge=judge).run()
    moves = [line.metrics["action.move"] for line in read_evaluations(RunPaths(tmp_path)) if "reward" in line.metrics]
    best = load(CheckpointFolder(tmp_path / "checkpoints").best)
    assert moves[0] != moves[1]
    assert best["metrics"]["action.move"] == (min if minimize else max)(moves)


def test_a_fresh_run_has_nothing_to_resume(tmp_path):
    assert not Training(parsed(), tmp_path, CPU, lambda line: None).resume()


def test_a_gradient_that_is_not_finite_ends_the_run(tmp_path):
    training = Training(
        parsed(env__game__rewards={"ore": 1e38}, trainer__normalize_advantage=False), tmp_path, CPU, print
    )
    training.policy.heads.weight.data.fill_(float("nan"))
    with pytest.raises(DivergedError, match="gradient"):
        training.run()
    assert read_result(RunPaths(tmp_path)) is None


FAST = {"trainer__learning_rate": 0.02, "sim__num_envs": 1, "sim__episodes": 1}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return weights(train(tmp_path_factory.mktemp("plain"), **FAST))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"trainer__total_timesteps": 600},
        {"trainer__batch_size": 256},
        {"trainer__minibatch_size": 64},
        {"trainer__num_steps": 8},
        {"trainer__update_epochs": 1},
        {"trainer__learning_rate": 0.002},
        {"trainer__learning_rate_schedule": "constant"},
        {"trainer__learning_rate_schedule": "cosine"},
        {"trainer__optimizer__beta1": 0.8},
        {"trainer__optimizer__beta2": 0.9},
        {"trainer__optimizer__eps": 1e-3},
        {"trainer__optimizer__weight_decay": 0.1},
        {"trainer__learning_rate_warmup": 0.9},
        {"trainer__optimizer__kind": "muon"},
        {"trainer__gamma": 0.9},
        {"trainer__gae_lambda": 0.5},
        {"trainer__normalize_advantage": False},
        {"trainer__normalize_reward": True},
        {"trainer__clip_coef": 0.01},
        {"trainer__value_clip": 0.01},
        {"trainer__value_coef": 0.1},
        {"trainer__entropy_coef": 0.1},
        {"trainer__entropy_coef_schedule": "linear"},
        {"trainer__max_grad_norm": 0.01},
        {"trainer__max_grad_norm": None},
        {"trainer__target_kl": 1e-6},
        {"trainer__use_lstm": True},
        {"trainer__precision": "bfloat16"},
        {"trainer__precision": "bfloat16", "trainer__use_lstm": True},
        {"agent__hidden_size": 8},
        {"agent__separate_value": True},
        {"agent__encoder": "conv"},
        {"env__game__max_steps": 10},
        {"seed": 1},
    ],
    ids=str,
)
def test_every_setting_of_the_trainer_changes_what_is_learned(tmp_path, plain, changes):
    changed = weights(train(tmp_path, **(FAST | changes)))
    assert changed.keys() != plain.keys() or any(
        changed[name].shape != plain[name].shape or not torch.equal(changed[name], plain[name]) for name in plain
    )


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"trainer__lstm_hidden_size": 9}, {"trainer__bptt_horizon": 8}], ids=str)
def test_settings_of_the_memory_matter_where_there_is_one_and_only_there(tmp_path, plain, changes):
    without = weights(train(tmp_path / "without", **(FAST | changes)))
    assert all(torch.equal(without[name], value) for name, value in plain.items())
    base, changed = (
        weights(train(tmp_path / name, trainer__use_lstm=True, **(FAST | settings)))
        for name, settings in (("base", {}), ("changed", changes))
    )
    assert any(value.shape != base[name].shape or not torch.equal(value, base[name]) for name, value in changed.items())


@pytest.mark.slow
def test_evaluating_and_checkpointing_more_often_does_not_change_what_is_learned(tmp_path):
    seldom = weights(train(tmp_path / "seldom"))
    often = weights(train(tmp_path / "often", trainer__evaluate_interval=1, trainer__checkpoint_interval=1))
    assert all(torch.equal(value, often[name]) for name, value in seldom.items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
@pytest.mark.parametrize("changes", [{}, {"agent__encoder": "conv"}, {"trainer__precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("use_lstm", [False, True])
def test_a_run_on_a_gpu_ends_and_can_be_resumed(tmp_path, use_lstm, changes):
    config, device = parsed(trainer__use_lstm=use_lstm, **changes), torch.device("cuda")
    first = Training(config, tmp_path, device, lambda line: None)
    with pytest.raises(InterruptedRunError):
        first.run(lambda: first.update == 2)
    second = Training(config, tmp_path, device, lambda line: None)
    assert second.resume()
    second.run()
    assert read_result(RunPaths(tmp_path)).steps == 512


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_the_shipped_settings_solve_cart_pole_in_50k_steps(tmp_path, seed):
    pytest.importorskip("gymnasium")
    changes = {"trainer.total_timesteps": 50_000, "trainer.evaluate_interval": 50_000, "device": "cpu", "seed": seed}
    train(tmp_path, parse(put(shipped(env="gymnasium"), changes)))
    assert read_result(RunPaths(tmp_path)).metrics["reward"] >= 475


@pytest.mark.long
def test_good_learning_rates_beat_bad_ones_clearly_at_100k_steps(tmp_path):
    def reward(rate):
        config = parse(put(shipped(), {"trainer.learning_rate": rate, "device": "cpu"}))
        train(tmp_path / str(rate), config)
        return read_result(RunPaths(tmp_path / str(rate))).metrics["reward"]

    assert reward(0.003) > 2 * reward(0.0001)
