"""The block ``hydra.sweeper``: names of other sweepers are answered with the edit, launchers of Hydra are mapped."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.hydra_sweeper.conftest import PLUGIN, environment

assert PLUGIN

from hydra_plugins.hydra_protein_sweeper.protein_sweeper import DEFAULTS  # noqa: E402
from hydra_protein_sweeper.launchers import launching  # noqa: E402
from hydra_protein_sweeper.settings import settings_problems  # noqa: E402

SETTINGS = {name: value for name, value in DEFAULTS.items() if not name.startswith("_")}


def fixes(**more):
    return [problem.fix for problem in settings_problems({**SETTINGS, **more})]


def test_the_defaults_are_right():
    assert fixes() == []


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("n_trials", 20, "write hydra.sweeper.rollout_count=20, and remove it"),
        ("max_trials", 20, "write hydra.sweeper.rollout_count=20, and remove it"),
        ("budget", 20, "write hydra.sweeper.rollout_count=20, and remove it"),
        ("n_jobs", 8, "write hydra.sweeper.launcher.max_parallel=8, and remove it"),
        ("n_jobs", -1, "write hydra.sweeper.launcher.max_parallel=NUMBER_OF_CORES, and remove it"),
        ("direction", "maximize", "write hydra.sweeper.goal=maximize, and remove it"),
        ("direction", ["maximize"], "write hydra.sweeper.goal=maximize, and remove it"),
        ("study_name", "mine", "write hydra.sweeper.name=mine, and remove it"),
        ("sampler", {"seed": 7}, "remove it: Protein samples; write hydra.sweeper.seed=7 for its seed"),
        (
            "search_space",
            {
                "x": {"type": "float", "low": 0.1, "high": 1, "log": True},
                "y": {"type": "categorical", "choices": [1, 2]},
            },
            "write 'x=tag(log,interval(0.1,1))' 'y=choice(1,2)' on the command line, or the same under "
            "hydra.sweeper.params",
        ),
        ("rollout_cuont", 3, "did you mean rollout_count?"),
    ],
)
def test_a_name_of_another_sweeper_is_answered_with_the_edit(name, value, fix):
    assert fixes(**{name: value}) == [fix]


@pytest.mark.parametrize("name", ["max_failure_rate", "storage", "custom_search_space", "max_batch_size", "ax_config"])
def test_a_setting_that_has_no_counterpart_is_answered_with_what_there_is(name):
    (fix,) = fixes(**{name: "x"})
    assert fix.startswith("remove it: ")


def test_several_directions_are_several_goals():
    (fix,) = fixes(direction=["minimize", "maximize"])
    assert fix.startswith("write hydra.sweeper.goal=[minimize,maximize] and as many names, hydra.sweeper.metric=[a,b]")


SLURM = {"partition": "gpu", "timeout_min": 60, "mem_gb": 8, "cpus_per_task": 4, "gpus_per_node": 1, "nodes": 1}


@pytest.mark.parametrize(
    ("launcher", "block", "own", "kind", "settings"),
    [
        ("basic", {}, {}, "local", {}),
        ("basic", {}, {"max_parallel": 8}, "local", {"max_parallel": 8}),
        ("joblib", {"n_jobs": 4}, {}, "local", {"max_parallel": 4}),
        ("joblib", {"n_jobs": 4}, {"max_parallel": 2}, "local", {"max_parallel": 2}),
        (
            "submitit_slurm",
            {**SLURM, "array_parallelism": 256, "additional_parameters": {"reservation": "x"}},
            {},
            "slurm",
            {
                "cpus_per_run": 4,
                "gpus_per_run": 1,
                "sbatch.time": 60,
                "sbatch.mem": "8G",
                "sbatch.partition": "gpu",
                "sbatch.reservation": "x",
            },
        ),
        ("submitit_local", {"cpus_per_task": 2}, {}, "local", {"cpus_per_run": 2}),
        (
            "ray",
            {"ray": {"init": {"address": "auto"}, "remote": {"num_gpus": 1}}},
            {},
            "ray",
            {"address": "auto", "gpus_per_run": 1},
        ),
        ("ray_aws", {}, {"kind": "slurm", "sbatch": {"partition": "a"}}, "slurm", {"sbatch.partition": "a"}),
    ],
)
def test_a_launcher_of_hydra_s_is_one_of_ours(launcher, block, own, kind, settings):
    found = launching(launcher, block, own)
    assert (found.kind, found.settings) == (kind, settings)


def test_a_launcher_without_a_counterpart_and_what_is_not_used_are_said():
    assert "runs start on this machine" in launching("ray_aws", {}, {}).note
    assert "setup" in launching("submitit_slurm", {**SLURM, "setup": ["module load x"]}, {}).note


@pytest.mark.slow
def test_every_hydra_app_may_have_the_plugin_for_next_to_nothing():
    code = (
        "import sys, hydra, omegaconf, hydra.core.plugins, hydra.plugins.sweeper; before = set(sys.modules)\n"
        "import hydra_plugins.hydra_protein_sweeper.protein_sweeper\n"
        "print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    plugin = [
        "hydra_plugins",
        "hydra_plugins.hydra_protein_sweeper",
        "hydra_plugins.hydra_protein_sweeper.protein_sweeper",
    ]
    assert done.stdout.strip() == str(plugin)
