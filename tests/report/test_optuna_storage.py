"""A sweep as an Optuna study: read back by Optuna itself, and shown by the real optuna-dashboard."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.report.export import export
from metta_sweep.report.optuna_storage import write_study
from tests.factories import Directories, History
from tests.report.simulated import simulated

optuna = pytest.importorskip("optuna", reason="no optuna: pip install 'metta-sweep[optuna]'")
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning"
)


@pytest.fixture(scope="module")
def told() -> History:
    """Forty rollouts with every kind of parameter, a condition and failures, then a point that was confirmed."""
    history = simulated(40).suggest()
    last = len(history.state.runs) - 1
    history.start(last).fail(last)
    best = max(history.state.observations.values(), key=lambda one: one.metric or -math.inf).rollout
    return history.choose(best).again(best, 1.0, 1.1, 1.2).suggest()


@pytest.fixture(scope="module")
def file(told: History, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "odd name?.db"
    assert export(told.state, paths=Directories(), to="optuna", out=out) == ""
    return out


def storage_of(file: Path):
    from sqlalchemy.engine import URL

    return optuna.storages.RDBStorage(URL.create("sqlite", database=str(file)).render_as_string())


@pytest.mark.slow
def test_every_rollout_is_a_trial_with_its_values_and_its_state(told: History, file: Path) -> None:
    study = optuna.load_study(study_name="my_test", storage=storage_of(file))
    state = told.state
    assert len(study.trials) == len(state.rollouts)
    for trial, rollout in zip(study.trials, state.rollouts, strict=True):
        assert trial.params == rollout.suggestion.params
        seen = state.observations.get(rollout.index)
        assert trial.value == (None if seen is None else seen.metric)
        assert trial.user_attrs["runs"] == list(rollout.run_ids)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "FAIL", "WAITING"}
    assert study.best_trial.number == state.incumbent.rollout
    assert study.best_trial.user_attrs["fresh_seeds_mean"] == pytest.approx(1.1)


@pytest.mark.slow
def test_a_second_export_replaces_the_first(told: History, file: Path) -> None:
    write_study(told.state, file)
    assert len(optuna.load_study(study_name="my_test", storage=storage_of(file)).trials) == len(told.state.rollouts)
    assert [found.name for found in file.parent.iterdir()] == [file.name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "history",
    [
        History(),
        History().suggest(),
        History().rollout(math.nan),
        History().rollout(0.5, params={"x": None, "y": [1, 2], "z": "<script>"}),
        History(asked={"parameters": {"x": {"min": 0, "max": 1, "distribution": "uniform"}}}).rollout(
            1, params={"x": 9}
        ),
    ],
    ids=["empty", "waiting", "nan", "odd values", "outside"],
)
def test_any_sweep_becomes_a_study(history: History, tmp_path: Path) -> None:
    write_study(history.state, tmp_path / "study.db")
    study = optuna.load_study(study_name="my_test", storage=storage_of(tmp_path / "study.db"))
    assert len(study.trials) == len(history.state.rollouts)


def test_a_study_is_no_text(told: History) -> None:
    with pytest.raises(RequestError, match="needs a file"):
        export(told.state, paths=Directories(), to="optuna")


@pytest.mark.slow
def test_the_real_dashboard_opens_it(told: History, file: Path) -> None:
    dashboard = pytest.importorskip("optuna_dashboard", reason="no optuna-dashboard")
    app = dashboard.wsgi(storage_of(file))
    (study,) = asked(app, "/api/studies")["study_summaries"]
    assert study["study_name"] == "my_test"
    detail = asked(app, f"/api/studies/{study['study_id']}")
    assert len(detail["trials"]) == len(told.state.rollouts)
    assert {axis["name"] for axis in detail["union_search_space"]} == set(told.spec.parameters)
    assert detail["best_trials"][0]["number"] == told.state.incumbent.rollout


def asked(app, path: str):
    """Return what the dashboard's API answers, asked as a web server asks it."""
    import io

    status = []
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
    body = b"".join(app(environment, lambda line, headers, error=None: status.append(line)))
    assert status[0].startswith("200"), body
    return json.loads(body)
