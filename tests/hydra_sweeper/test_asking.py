"""What the controller is asked for is what the app's person wrote, and what it says back are their words."""

from __future__ import annotations

from pathlib import Path

import pytest

from metta_sweep.commands.controller import compose
from metta_sweep.commands.for_hydra import APP_VARIABLE, hydra_app, in_its_words
from metta_sweep.commands.parts import spec_of
from metta_sweep.errors import Problem, RequestError
from metta_sweep.result import RunPaths
from metta_sweep.sweep.commands import command_of
from tests.hydra_sweeper.conftest import PLUGIN

assert PLUGIN

from hydra_plugins.hydra_protein_sweeper.protein_sweeper import DEFAULTS  # noqa: E402
from hydra_protein_sweeper.asking import request_of, template  # noqa: E402
from hydra_protein_sweeper.callback import OVERRIDE  # noqa: E402
from hydra_protein_sweeper.launchers import Launching  # noqa: E402

PARAMETERS = {
    "model": {"values": ["mlp", "cnn"]},
    "+opt/schedule": {"values": ["a b", "'007'"]},
    "db@source": {"values": ["x", "y"]},
    "model.lr": {"distribution": "log_normal", "min": 1e-5, "max": 1, "when": {"model": "mlp"}},
}


def asked(tmp_path, *overrides, passes_seed=False, **settings):
    command = template(["py", "app.py"], overrides, passes_seed=passes_seed, keeps_return=True)
    request = request_of(
        {**DEFAULTS, **settings},
        name="mine",
        parameters=PARAMETERS,
        command=command,
        launching=Launching(settings={"max_parallel": 3}),
        cwd=tmp_path,
    )
    request.file.parent.mkdir(parents=True, exist_ok=True)
    request.file.write_text(request.content)
    return compose([f"run={request.name}", f"++sweep_params={request.file}", *request.words]), request


@pytest.mark.slow
def test_every_word_reaches_the_app_as_it_was_typed(tmp_path):
    given = ("a=1", "+b={c:1,d:[2,3]}", "e='{f}'", "name=${model.name}_x", "t=${now:%H}", r"g=\${h}", "~i", "++j=k=l")
    request, _ = asked(tmp_path, *given, passes_seed=True)
    params = {"model": "mlp", "+opt/schedule": "a b", "model.lr": 1e-5, "db@source": "x"}
    run = RunPaths(tmp_path / "r")
    output = f"hydra.run.dir='{tmp_path}/r/output'"
    searched = ["model=mlp", "+opt/schedule='a b'", "model.lr=1e-05", "db@source=x"]
    words = ["py", "app.py", "hydra.mode=RUN", *given, "seed=7", *searched, output, OVERRIDE]
    assert command_of(spec_of(request), run, params, 7) == words


@pytest.mark.slow
def test_the_settings_arrive_in_the_request(tmp_path):
    settings = {"rollout_count": 7, "num_samples": 2, "goal": "maximize", "metric": "acc", "early_stop": "auto"}
    limits = {"limits": {"wall_time": "1h"}, "confirm": {"top_k": 2}, "constraints": ["model.lr < 2"], "seed": 5}
    request, _ = asked(tmp_path, **settings, **limits, data_dir="here")
    assert (request.rollout_count, request.num_samples, request.goal, request.metric) == (7, 2, "maximize", "acc")
    assert (request.limits.wall_time_s, request.confirm.top_k, request.seed) == (3600.0, 2, 5)
    assert (request.early_stop.policy, request.launcher.max_parallel, request.wandb.mode) == ("auto", 3, "off")
    assert (request.constraints, request.data_dir) == (("model.lr < 2",), tmp_path / "here")


def test_several_metrics_are_named_to_the_callback(tmp_path):
    words = template(["py"], [], passes_seed=False, keeps_return=True, metrics=["val/loss", "size"])
    assert words[-1] == "++hydra.callbacks.protein_sweeper.metrics=[val/loss,size]"


@pytest.mark.slow
def test_another_request_never_overwrites_the_file_of_the_last(tmp_path):
    assert asked(tmp_path)[1].file == asked(tmp_path)[1].file
    assert asked(tmp_path)[1].file != asked(tmp_path, rollout_count=3)[1].file


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (
            Problem(key="sweep.parameters.model.lr", message="need min < max", file="data/hydra/mine-1.yaml", line=7),
            "hydra.sweeper.params.model.lr: need min < max",
        ),
        (Problem(key="run", message="need letters"), "hydra.sweeper.name: need letters"),
        (
            Problem(key="launcher.max_paralel", message="is not known"),
            "hydra.sweeper.launcher.max_paralel: is not known",
        ),
        (
            Problem(
                key="run",
                message="held",
                file="/d/lock",
                fix="start it with launcher.max_parallel=N; add takeover=true",
            ),
            "/d/lock: hydra.sweeper.name: held\n"
            "  fix: start it with hydra.sweeper.launcher.max_parallel=N; add hydra.sweeper.takeover=true",
        ),
        (
            Problem(key="sweep.goal", message="was minimize", fix="add change=goal", file="command line"),
            "hydra.sweeper.goal: was minimize\n  fix: add hydra.sweeper.change=goal",
        ),
    ],
)
def test_errors_name_keys_as_the_person_writes_them(problem, told):
    assert str(in_its_words(RequestError(problem))) == told


def test_a_run_of_a_controller_that_an_app_has_started_does_not_know_of_the_app():
    environment = {"PATH": "x"}
    assert hydra_app(environment) is None
    assert hydra_app({APP_VARIABLE: "not a number"}) is None
    assert environment == {"PATH": "x"}


def test_the_variable_is_called_the_same_on_both_sides():
    from hydra_protein_sweeper import controller

    assert controller.APP_VARIABLE == APP_VARIABLE
    assert Path(controller.__file__).is_relative_to(PLUGIN)
