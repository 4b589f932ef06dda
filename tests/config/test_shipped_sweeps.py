"""Every sweep file that comes with the project composes and is valid."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from metta_sweep.config.ask import ask
from metta_sweep.trainer.config import flatten
from metta_sweep.trainer.schema import schema
from tests.config.conftest import Desk

CONFIGS = Path(__file__).parents[2] / "configs"
SWEEPS = sorted(path.stem for path in (CONFIGS / "sweep").glob("*.yaml"))
HARDWARE = sorted(path.stem for path in (CONFIGS / "hardware").glob("*.yaml"))


SOME = ("my_test_sweep", "pong", "protein_fast")
"""Those that the short form of the suite plans with every hardware."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.long) for name in SWEEPS]
)
def test_every_sweep_file_plans_with_every_hardware(desk: Desk, name: str) -> None:
    spaces = {
        hardware: desk.ask(None, f"++sweep_params=sweep/{name}", f"+hardware={hardware}", "cmd=plan").space.names
        for hardware in HARDWARE
    }
    assert len(set(spaces.values())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_the_center_of_every_sweep_file_can_be_trained(desk: Desk, name: str) -> None:
    asked = desk.ask(None, f"++sweep_params=sweep/{name}", "cmd=plan")
    config = yaml.safe_load(yaml.safe_dump(dict(asked.training)))
    for path, value in asked.space.center().items():
        *parents, last = path.split(".")
        inside = config
        for key in parents:
            inside = inside[key]
        inside[last] = value
    assert schema.problems(config) == []


OWN_CENTERS: dict[str, dict[str, str]] = {
    "cogeval_sweep": {},
    "full_protein": {"trainer.total_timesteps": "the length of a run is searched"},
    "my_sweep": {},
    "pong": {
        "trainer.batch_size": "points are rare: a batch has more of them",
        "trainer.num_steps": "points are rare: a trajectory holds one",
    },
    "protein_complex": {"trainer.batch_size": "minibatches are an eighth of it, and are of the shipped size then"},
    "protein_fast": {
        "trainer.batch_size": "runs of 5,000 steps have ten updates",
        "trainer.minibatch_size": "and as many minibatches an update as others",
    },
    "protein_lightning": {},
    "protein_simple": {},
    "protein_working": {
        "trainer.batch_size": "runs of 2,048 steps have four updates",
        "trainer.minibatch_size": "and as many minibatches an update as others",
    },
}
"""Where a search begins elsewhere than at the shipped settings of its environment, and why; the guide's example and
the empty template are not held to it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN_CENTERS)
def test_a_search_begins_at_the_shipped_settings_of_its_environment(desk: Desk, name: str) -> None:
    asked = desk.ask(None, f"++sweep_params=sweep/{name}", "cmd=plan")
    chosen = yaml.safe_load((CONFIGS / "sweep" / f"{name}.yaml").read_text()).get("defaults", [])
    groups = [f"{key.removeprefix('override /')}={value}" for entry in chosen for key, value in entry.items()]
    template = desk.ask(None, "++sweep_params=sweep/empty", "cmd=plan", *groups)
    shipped = dict(flatten(template.training))
    center = asked.space.center()
    apart = {path for path, value in center.items() if value != pytest.approx(shipped[path])}
    assert apart == set(OWN_CENTERS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sweep/my_test_sweep", "my_test_sweep", "sweep/my_test_sweep.yaml"])
def test_a_sweep_file_is_found_by_its_name(desk: Desk, name: str) -> None:
    asked = desk.ask(None, f"++sweep_params={name}")
    assert Path(asked.sweep_file) == CONFIGS / "sweep" / "my_test_sweep.yaml"


@pytest.mark.slow
def test_the_guides_example_is_what_the_guide_says(desk: Desk) -> None:
    words = ["run=my_test", "++sweep_params=sweep/my_test_sweep", "+hardware=macbook", "+user=axel"]
    asked = desk.ask(None, *words, "trainer.num_workers=1")
    assert (asked.name, asked.rollout_count, asked.num_samples) == ("my_test", 3, 1)
    assert (asked.metric, asked.goal, asked.command) == ("reward", "maximize", None)
    assert [parameter.name for parameter in asked.space.parameters] == [
        "trainer.learning_rate",
        "trainer.batch_size",
        "trainer.gamma",
    ]
    assert asked.training["trainer"]["total_timesteps"] == 2048
    assert asked.training["env"]["game"]["objects"]["altar"]["hp"] == 5
    center = {"trainer.learning_rate": 0.001, "trainer.batch_size": 64, "trainer.gamma": 0.99}
    assert asked.space.center() == pytest.approx(center)


@pytest.mark.slow
def test_the_empty_template_can_be_planned_but_not_run(desk: Desk) -> None:
    asked = desk.ask(None, "++sweep_params=sweep/empty", "cmd=plan")
    assert asked.space.names == ()
    assert any("no parameters" in note for note in asked.notes)
    assert "there are no parameters to search" in desk.message(None, "++sweep_params=sweep/empty")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameters", "rollouts", "steps"),
    [
        ("protein_working", 5, 3, 2048),
        ("protein_lightning", 1, 3, 5),
        ("protein_fast", 8, 10, 5000),
        ("protein_simple", 4, 20, None),
        ("full_protein", 12, 50, None),
        ("protein_complex", 15, 60, None),
    ],
)
def test_the_guides_tables_hold(desk: Desk, name: str, parameters: int, rollouts: int, steps: int | None) -> None:
    asked = desk.ask(None, f"++sweep_params=sweep/{name}")
    assert (len(asked.parameters), asked.rollout_count) == (parameters, rollouts)
    assert steps is None or asked.training["trainer"]["total_timesteps"] == steps


@pytest.mark.slow
@pytest.mark.parametrize(("name", "env"), [("pong", "pong"), ("cogeval_sweep", "cogeval"), ("protein_fast", "altar")])
def test_a_sweep_file_brings_its_environment(desk: Desk, name: str, env: str) -> None:
    assert desk.ask(None, f"++sweep_params=sweep/{name}").training["env"]["name"] == env


def test_the_ten_files_of_the_guide_are_there() -> None:
    named = "protein_working protein_lightning protein_fast protein_simple full_protein protein_complex pong"
    assert {*named.split(), "cogeval_sweep", "my_sweep", "empty", "my_test_sweep"} == set(SWEEPS)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["auto", "online", "offline", "off"])
def test_every_wandb_mode_is_a_group(desk: Desk, mode: str) -> None:
    assert desk.ask(None, "++sweep_params=sweep/my_test_sweep", f"wandb={mode}").wandb.mode == mode


@pytest.mark.slow
@pytest.mark.parametrize("user", ["axel", "example"])
def test_every_user_group_composes_and_holds_no_key(desk: Desk, user: str) -> None:
    assert desk.ask(None, "++sweep_params=sweep/my_test_sweep", f"+user={user}").user == user
    assert "api_key" not in (CONFIGS / "user" / f"{user}.yaml").read_text()


@pytest.mark.slow
def test_an_installed_package_finds_its_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "metta_sweep"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "configs").symlink_to(CONFIGS)
    monkeypatch.setattr("metta_sweep.__file__", str(package / "__init__.py"))
    asked = ask(["run=x", "++sweep_params=sweep/my_test_sweep"], training=schema, cwd=tmp_path)
    assert asked.sweep_file == "site-packages/metta_sweep/configs/sweep/my_test_sweep.yaml"


@pytest.mark.slow
def test_sweep_files_of_the_working_directory_win(desk: Desk) -> None:
    one = "sweep:\n  parameters:\n    trainer.gamma: {distribution: uniform, min: 0.9, max: 0.99}\n"
    desk.write(one, "configs/sweep/my_test_sweep.yaml")
    desk.write(one, "configs/sweep/mine.yaml")
    assert desk.ask(None, "++sweep_params=sweep/my_test_sweep").sweep_file == "configs/sweep/my_test_sweep.yaml"
    assert desk.ask(None, "++sweep_params=sweep/mine").space.names == ("trainer.gamma",)


@pytest.mark.slow
def test_configs_of_another_project_do_no_harm(desk: Desk) -> None:
    desk.write("learning: 3\n", "configs/trainer/ppo.yaml")
    desk.write("defaults: [nothing: here]\n", "configs/sweep_job.yaml")
    asked = desk.ask(None, "++sweep_params=sweep/my_test_sweep")
    assert "learning" not in asked.training["trainer"]
