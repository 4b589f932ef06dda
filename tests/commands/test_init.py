"""``metta-sweep init``: what it refuses changes nothing; what it writes is swept with one more command."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from metta_sweep.commands.cli import main
from metta_sweep.commands.init import command
from tests import warm

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def script(here, text):
    (here / "train.py").write_text(text)
    return ["--", sys.executable, "train.py"]


OPTIONS = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', type=float, default=0.1)\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{OPTIONS}p.add_argument('--data', required=True)\np.parse_args()", "options that it needs go after"),
        (f"{OPTIONS}p.parse_args()\nprint('done')", "no number was found that could be a metric"),
        ("print('loss: 0.5')", "no option was found that could be searched"),
        (f"{OPTIONS}p.parse_args()\nimport time\ntime.sleep(60)", "--seconds 5 lets it run longer"),
    ],
)
def test_a_program_that_says_too_little_is_one_message_and_no_file(here, capfd, text, message):
    assert main(["init", "--seconds", "1", *script(here, text)]) == 2
    assert message in capfd.readouterr().err
    assert not (here / "sweep.yaml").exists()


def test_a_program_that_is_not_there_is_one_message(here, capfd):
    assert main(["init", "--", "no-such-program"]) == 2
    assert "no-such-program" in capfd.readouterr().err


def test_no_file_is_written_over_unless_that_is_asked_for(here, capfd):
    (here / "sweep.yaml").write_text("mine")
    words = script(here, f"{OPTIONS}a = p.parse_args()\nprint('loss:', a.lr)")
    assert main(["init", *words]) == 2
    assert "is there already" in capfd.readouterr().err
    assert (here / "sweep.yaml").read_text() == "mine"
    assert main(["init", "--force", *words]) == 0
    assert "lr: {min: 0.01, max: 1.0, distribution: log_normal, mean: 0.1}" in (here / "sweep.yaml").read_text()


def test_options_of_the_command_stay_in_it_and_are_not_searched(here):
    text = f"{OPTIONS}p.add_argument('--wd', type=float, default=0.1)\na = p.parse_args()\nprint('loss:', a.lr)"
    assert main(["init", *script(here, text), "--wd=0.5"]) == 0
    written = (here / "sweep.yaml").read_text()
    assert "train.py --wd=0.5 {args}" in written
    assert "wd: {" not in written


def test_without_a_command_it_is_a_file_for_the_bundled_trainer(here):
    assert CliRunner().invoke(command, []).exit_code == 0
    assert "trainer." in (here / "sweep.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "metric", "needs"),
    [
        pytest.param("python3 examples/sklearn_prints/train.py", "accuracy", "sklearn", marks=pytest.mark.long),
        pytest.param("python3 examples/hydra_groups/train.py", "return", "hydra", marks=pytest.mark.long),
        ("python3 examples/lightning_csv/train.py", "val_loss", "numpy"),
        ("python3 examples/wandb_trainer/train.py", "val/accuracy", "wandb"),
        pytest.param(
            "python3 examples/tensorboard_ppo/ppo.py --total-timesteps 1024",
            "charts/episodic_return",
            "tensorboard",
            marks=pytest.mark.long,
        ),
        ("python3 examples/config_file/train.py --config examples/config_file/base.yaml", "val_loss", "yaml"),
        ("node examples/node_script/train.js", "loss", ""),
    ],
)
def test_an_example_is_swept_by_init_and_one_command(here, words, metric, needs):
    if needs and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    if not needs and shutil.which("node") is None:
        pytest.skip("node is not installed")
    (here / "examples").symlink_to(EXAMPLES)
    made = warm.run("init", "--", *words.split(), cwd=here, env=os.environ)
    assert made.returncode == 0, made.stdout + made.stderr
    request = ["run=my", "++sweep_params=sweep.yaml", "rollout_count=1", "wandb=off", "data_dir=data"]
    done = warm.run("run", *request, cwd=here, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    run = here / "data" / "sweep" / "my" / "runs" / "my.r.0"
    assert metric in json.loads((run / "result.json").read_text())["metrics"]


YAML_PROGRAM = """\
import sys, yaml
c = yaml.safe_load(open(sys.argv[1]))
assert set(c) == {'optim', 'epochs', 'seed'}, c
for epoch in range(c['epochs']):
    print(f"epoch {epoch} train loss 9.0, val loss {float(c['optim']['lr']) + c['seed']}")
"""
BASE = "optim:\n  lr: 1e-2      # by hand\n  name: adam\nepochs: 2\nseed: 0\n"


def test_a_program_that_knows_its_config_file_alone_is_swept_by_a_copy_of_it(here):
    (here / "train.py").write_text(YAML_PROGRAM)
    (here / "base.yaml").write_text(BASE)
    assert main(["init", "--", sys.executable, "train.py", "base.yaml"]) == 0
    assert "train.py {config:base.yaml}" in (here / "sweep.yaml").read_text()
    assert main(["run", "run=my", "++sweep_params=sweep.yaml", "rollout_count=2", "wandb=off", "data_dir=data"]) == 0
    runs = here / "data" / "sweep" / "my" / "runs"
    first, second = ((runs / f"my.r.{at}" / "filled" / "base.yaml").read_text() for at in (0, 1))
    assert first == BASE.replace("1e-2", "0.01")
    assert "# by hand" in second
    assert "seed: 1" in second
    score = json.loads((runs / "my.r.1" / "result.json").read_text())["metrics"]["val_loss"]
    assert 1.001 <= score <= 1.1
    assert (here / "base.yaml").read_text() == BASE


def test_a_config_of_ml_collections_is_searched_by_its_keys(here):
    (here / "train.py").write_text("import sys\nprint('loss:', len(sys.argv))")
    config = "def get_config():\n    c = ConfigDict()\n    c.lr = 0.1\n    c.seed = 0\n    return c\n"
    (here / "cfg.py").write_text(config)
    assert main(["init", "--", sys.executable, "train.py", "--config=cfg.py"]) == 0
    written = (here / "sweep.yaml").read_text()
    assert "train.py --config=cfg.py {args} --config.seed={seed}" in written
    assert "config.lr: {min: 0.01, max: 1.0, distribution: log_normal, mean: 0.1}" in written


def test_a_search_starts_at_what_the_commands_config_file_says(here):
    text = (
        f"{OPTIONS}p.add_argument('--opt-wd', type=float, default=0.1)\np.add_argument('--config')\n"
        "a = p.parse_args()\nprint('loss:', a.lr)"
    )
    (here / "base.yaml").write_text("lr: 0.02\nopt_wd: 0.5\n")
    assert main(["init", *script(here, text), "--config=base.yaml"]) == 0
    written = (here / "sweep.yaml").read_text()
    assert "train.py --config=base.yaml {args}" in written
    assert "mean: 0.02}" in written
    assert "mean: 0.5}" in written


def test_a_default_that_can_be_no_file_name_is_only_a_text(here):
    text = f"{OPTIONS}p.add_argument('--kind', default='{'x' * 3000}', help='%(default)s (default: %(default)s)')\n"
    text += "p.add_argument('--odd', default=chr(0))\na = p.parse_args()\nprint('loss:', a.lr)"
    assert main(["init", *script(here, text)]) == 0


def test_options_of_no_name_that_is_known_do_not_hide_those_of_a_config_file(here):
    text = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--config')\n"
    text += "p.add_argument('--threshold', type=float, default=0.5)\na = p.parse_args()\nprint('loss: 1')"
    (here / "base.yaml").write_text("lr: 0.02\n")
    assert main(["init", *script(here, text), "--config", "base.yaml"]) == 0
    assert "train.py --config {config:base.yaml}" in (here / "sweep.yaml").read_text()
    text = text.replace("'--config'", "'--config', default='base.yaml'")
    assert main(["init", "--force", *script(here, text)]) == 0
    assert "train.py --config={config:base.yaml}" in (here / "sweep.yaml").read_text()


WANDB_PROGRAM = """\
import wandb
with wandb.init(project='x', config={'lr': 0.1, 'net': {'dropout': 0.2, 'act': 'relu'}, 'seed': 0}) as run:
    c = run.config
    assert c.net['act'] == 'relu'
    run.log({'val_loss': c.lr + 10 * c.net['dropout'] + 100 * c.seed})
"""


@pytest.mark.slow
def test_a_program_that_reads_wandb_config_alone_is_swept_as_it_is(here):
    pytest.importorskip("wandb")
    (here / "train.py").write_text(WANDB_PROGRAM)
    assert main(["init", "--", sys.executable, "train.py"]) == 0
    written = (here / "sweep.yaml").read_text()
    assert "train.py\n  results: {from: wandb}\n" in written
    assert "net.dropout: {" in written
    assert main(["run", "run=my", "++sweep_params=sweep.yaml", "rollout_count=2", "wandb=off", "data_dir=data"]) == 0
    run = here / "data" / "sweep" / "my" / "runs" / "my.r.1"
    params = yaml.safe_load((run / "protein_suggestion.yaml").read_text())["params"]
    score = json.loads((run / "result.json").read_text())["metrics"]["val_loss"]
    assert score == pytest.approx(params["lr"] + 10 * params["net.dropout"] + 100)


DASHES = """\
import argparse
p = argparse.ArgumentParser()
p.add_argument("-lr", type=float, default=0.01)
p.add_argument("-b", "--batch", type=int, default=32, choices=[16, 32, 64])
"""
PRINTS = {
    "hugging face": (
        "for e in (1, 2, 3): print({'eval_loss': f'{a.lr / e:.4g}', 'epoch': str(e)})\n"
        "print({'runtime': '1', 'epoch': '3'})",
        "eval_loss",
        "minimize",
    ),
    "lightgbm": (
        "print('Start training from score 0.01')\n"
        "for e in (1, 2, 3): print(f\"[{e}]\\ttraining's l2: 0.1\\tvalid_0's l2: {a.lr / e:.4g}\")",
        "valid_0_l2",
        "minimize",
    ),
    "skorch": (
        "print('  epoch    train_loss    valid_acc')\n"
        "for e in (1, 2, 3): print(f'      {e}        \\x1b[36m0.1\\x1b[0m       {a.lr * e / 100:.4g}')",
        "valid_acc",
        "maximize",
    ),
    "a graph network": ("for e in (1, 2, 3): print(f'Epoch: {e:03d}, Val: {a.lr * e:.4g}')", "Val", "maximize"),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", PRINTS)
def test_what_programs_of_other_makes_print_is_found_and_their_options_are_kept_to(here, make):
    prints, metric, goal = PRINTS[make]
    assert main(["init", *script(here, f"{DASHES}a = p.parse_args()\n{prints}\n")]) == 0
    written = yaml.safe_load((here / "sweep.yaml").read_text())["sweep"]
    assert (written["metric"], written["goal"]) == (metric, goal)
    assert written["parameters"]["lr"]["as"] == "dash"
    assert written["parameters"]["batch"] == {"values": [16, 32, 64], "ordered": True, "mean": 32}
    assert main(["run", "run=mine", "++sweep_params=sweep.yaml", "rollout_count=2", "wandb=off"]) == 0
    for run in (here / "train_dir/sweep/mine/runs").iterdir():
        lr = yaml.safe_load((run / "config.yaml").read_text())["lr"]
        result = json.loads((run / "result.json").read_text())["metrics"][metric]
        expected = lr / 3 if goal == "minimize" else lr * 3 / (100 if make == "skorch" else 1)
        assert result == pytest.approx(expected, rel=1e-3)
