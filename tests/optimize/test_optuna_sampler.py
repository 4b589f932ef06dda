"""Protein inside Optuna: the same points as outside, whatever the study looks like and however often it is loaded."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import pytest

optuna = pytest.importorskip("optuna")
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

from metta_sweep.errors import RequestError  # noqa: E402
from metta_sweep.optimize.protein import Protein  # noqa: E402
from metta_sweep.optuna import ProteinSampler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
optuna.logging.set_verbosity(optuna.logging.WARNING)

PARAMETERS = {
    "lr": {"distribution": "log_normal", "min": 1e-5, "max": 0.1},
    "layers": {"distribution": "int_uniform", "min": 1, "max": 6},
}
SPACE = {"layers": IntDistribution(1, 6), "lr": FloatDistribution(1e-5, 0.1, log=True)}


def loss(lr, layers):
    return (math.log10(lr) + 3) ** 2 + 0.1 * (layers - 3) ** 2


def objective(trial):
    return loss(trial.suggest_float("lr", 1e-5, 0.1, log=True), trial.suggest_int("layers", 1, 6))


def free(trial):
    return 1.0


def new_study(sampler=None, direction="minimize", **storage):
    return optuna.create_study(sampler=sampler or ProteinSampler(cost=free), direction=direction, **storage)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_a_static_space_gets_the_points_that_protein_suggests_itself(direction):
    sign = 1.0 if direction == "minimize" else -1.0
    study = new_study(direction=direction)
    study.optimize(lambda trial: sign * objective(trial), n_trials=12)
    protein = Protein({name: PARAMETERS[name] for name in sorted(PARAMETERS)}, direction, 0)
    for trial in study.trials:
        expected = protein.suggest().params
        assert trial.params == {name: expected[name] for name in trial.params}
        protein.observe(expected, sign * loss(**expected))
    assert study.best_value * sign < 0.05


@pytest.mark.slow
def test_a_study_that_is_loaded_again_goes_on_to_the_same_points(tmp_path):
    whole = new_study()
    whole.optimize(objective, n_trials=9)
    for number in range(3):
        storage = f"sqlite:///{tmp_path}/study.db"
        part = new_study(study_name="s", storage=storage, load_if_exists=number > 0)
        part.optimize(objective, n_trials=3)
    assert [trial.params for trial in part.trials] == [trial.params for trial in whole.trials]


def test_the_first_trial_knows_a_space_that_is_given():
    study = new_study(ProteinSampler(search_space=SPACE, cost=free))
    assert study.ask(SPACE).params == {"lr": 0.001, "layers": 4}
    assert study.ask(SPACE).params != {"lr": 0.001, "layers": 4}


@pytest.mark.slow
def test_running_trials_of_other_workers_are_not_suggested_again():
    study = new_study()
    study.optimize(objective, n_trials=6)
    points = [tuple(study.ask(SPACE).params.items()) for _ in range(6)]
    assert len(set(points)) == 6


def branching(trial):
    if trial.suggest_categorical("model", ["tree", "net", None]) == "net":
        return (math.log10(trial.suggest_float("net.lr", 1e-5, 0.1, log=True)) + 3) ** 2
    return 1.0 + 0.1 * trial.suggest_int("depth of it", 2, 8)


@pytest.mark.slow
def test_a_parameter_that_is_there_for_some_choices_is_modelled_where_it_is():
    study = new_study()
    study.optimize(branching, n_trials=25)
    shown = study.sampler.infer_relative_search_space(study, study.trials[-1])
    assert set(shown) == {"model", "net.lr", "depth of it"}
    assert study.best_params["model"] == "net"
    assert study.best_value < 0.05


def test_what_changes_from_trial_to_trial_is_drawn_at_random():
    def changing(trial):
        return objective(trial) + trial.suggest_float("odd", 0, trial.number + 1)

    study = new_study()
    study.optimize(changing, n_trials=8)
    assert set(study.sampler.infer_relative_search_space(study, study.trials[-1])) == {"lr", "layers"}


@pytest.mark.slow
def test_steps_and_whole_numbers_on_a_log_scale_are_kept():
    def stepped(trial):
        share, width = trial.suggest_float("share", 0.1, 0.9, step=0.2), trial.suggest_int("width", 1, 512, log=True)
        same = trial.suggest_float("same", 2.0, 2.0)
        return share * same + abs(width - 64)

    study = new_study()
    study.optimize(stepped, n_trials=12)
    assert {round(trial.params["share"] * 10) for trial in study.trials} <= {1, 3, 5, 7, 9}
    assert all(isinstance(trial.params["width"], int) for trial in study.trials)
    assert min(abs(trial.params["width"] - 64) for trial in study.trials) < 20


@pytest.mark.slow
def test_failed_trials_teach_where_nothing_works():
    def half(trial):
        value = objective(trial)
        return math.nan if trial.params["layers"] > 3 else value

    study = new_study()
    study.optimize(half, n_trials=20)
    failed = [trial.state == TrialState.FAIL for trial in study.trials]
    assert sum(failed[10:]) < sum(failed[:10])


@pytest.mark.slow
def test_constraints_are_kept_with_the_trial_and_heeded():
    def too_deep(trial):
        return (trial.params["layers"] - 2.5,)

    study = new_study(ProteinSampler(constraints_func=too_deep, cost=free))
    study.optimize(objective, n_trials=20)
    broken = [trial.system_attrs["constraints"][0] > 0 for trial in study.trials]
    assert sum(broken[10:]) < sum(broken[:10])


@pytest.mark.slow
def test_pruned_trials_are_no_scores():
    def pruned(trial):
        value = objective(trial)
        for step in range(10):
            trial.report(value + 9 - step, step)
            if step == 3 and value > 0.5 and trial.number > 2:
                raise optuna.TrialPruned
        return value

    study = new_study()
    study.optimize(pruned, n_trials=15)
    states = {trial.state for trial in study.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.best_value < 0.05


def test_points_that_were_asked_for_come_first_and_are_learned():
    study = new_study()
    study.enqueue_trial({"lr": 0.001, "layers": 3})
    study.optimize(objective, n_trials=8)
    assert study.best_params == {"lr": 0.001, "layers": 3}
    assert study.trials[1].params != study.trials[0].params


def test_choices_of_any_kind_come_back_as_themselves():
    choices = [None, True, 0.5, "a b", 3]
    study = new_study(ProteinSampler(search_space={"any": CategoricalDistribution(choices)}, cost=free))
    study.optimize(lambda trial: choices.index(trial.suggest_categorical("any", choices)), n_trials=8)
    assert study.best_params == {"any": None}


def test_more_than_one_objective_and_wrong_settings_are_refused():
    study = optuna.create_study(sampler=ProteinSampler(), directions=["minimize", "maximize"])
    with pytest.raises(ValueError, match="one objective"):
        study.ask(SPACE)
    with pytest.raises(RequestError, match="seed"):
        ProteinSampler(seed=-1)
    with pytest.raises(RequestError, match="no_such"):
        ProteinSampler(settings={"no_such": 1})


@pytest.mark.slow
def test_the_example_of_its_page_runs(capsys):
    page = (Path(__file__).parents[2] / "docs" / "optuna.md").read_text()
    exec(page.split("```python\n")[1].split("```")[0], {})
    found = ast.literal_eval(capsys.readouterr().out)  # trials cost what they take: another machine, other points
    assert found["x"] == pytest.approx(2.0, abs=0.3)


@pytest.mark.slow
def test_it_drives_the_scheduler_of_wandb(tmp_path, monkeypatch):
    scheduler = pytest.importorskip("wandb.sdk.sweeps.scheduler.optimizer", exc_type=ImportError)
    from wandb.sdk.sweeps.run_state import RunState
    from wandb.sdk.sweeps.sweep_info import SweepInfo

    (tmp_path / "protein_study.py").write_text(
        "import optuna\n"
        "from metta_sweep.optuna import ProteinSampler\n\n"
        "def study(sweep):\n"
        "    return optuna.create_study(sampler=ProteinSampler(cost=lambda trial: 1.0))\n"
    )
    monkeypatch.chdir(tmp_path)
    config = {
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {
            "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
            "layers": {"min": 1, "max": 6},
        },
        "scheduler": {"engine": "optuna", "source": "protein_study.py", "optimizer": "study"},
    }
    place = {"id": "s", "name": "s", "entity": "e", "project": "p", "controller_run_name": "c"}
    engine, scores = scheduler.make_optimizer(SweepInfo(config=config, **place)), []
    for _ in range(7):
        for asked in engine.ask_n_runs(2):
            scores.append(loss(**asked.config.flat_dict()))
            done = scheduler.RunWithMetrics(
                config=asked.config,
                state=RunState.FINISHED,
                wandb_run_id=asked.run_id,
                summary_metrics={"loss": scores[-1]},
                history_metrics=[],
            )
            engine.tell_run(asked.run_id, done)
    assert len(scores) == 14
    assert min(scores) < 0.01
