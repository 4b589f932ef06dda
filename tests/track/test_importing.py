"""From W&B to a local journal: ours as it was, somebody else's as far as it can be told."""

from __future__ import annotations

import json

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import AttemptInterrupted, from_json, to_json
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track import import_sweep, importing, sync
from metta_sweep.track.foreign import foreign_sweep
from metta_sweep.track.importing import events_of, read_remote
from metta_sweep.track.ranges import identity_of, wandb_parameters
from tests.factories import GUIDE_PARAMETERS, History
from tests.track.told import ToldSweep, environment


def foreign(runs, **config):
    usual = {"method": "bayes", "metric": {"name": "loss"}, "parameters": {"lr": {"min": 0.0, "max": 1.0}}}
    return {"name": "theirs", "config": {**usual, **config}, "runs": runs, "journal": None}


def a_run(k, state="finished", **summary):
    config = {"lr": 0.1 * (k + 1), "model": {"depth": k}}
    return {"id": f"id{k}", "name": f"cute-name-{k}", "state": state, "config": config, "summary": summary}


def state_of(fetched):
    return SweepState.fold(foreign_sweep(fetched, name="theirs").events)


# ---------------------------------------------------------------- somebody else's


def test_each_finished_run_is_a_rollout_to_learn_from():
    runs = [a_run(0, loss=3.0, _runtime=12.5), a_run(1, loss=1.0, acc=0.5, _wandb={"runtime": 7})]
    state = state_of(foreign(runs))
    assert [(o.params, o.metric, o.cost_s) for o in state.observations.values()] == [
        ({"lr": 0.1}, 3.0, 12.5),
        ({"lr": 0.2}, 1.0, 7.0),
    ]
    assert state.spec.goal is Goal.MINIMIZE
    assert state.incumbent.metric == 1.0
    assert state.runs["theirs.r.1"].metrics == {"loss": 1.0, "acc": 0.5}


def test_runs_without_the_metric_teach_nothing_and_are_kept():
    runs = [a_run(0, acc=1.0), a_run(1, "crashed"), a_run(2, "failed", loss=1.0), a_run(3, loss=2.0)]
    state = state_of(foreign(runs))
    assert list(state.observations) == [3]
    assert [run.failure and str(run.failure.kind) for run in state.runs.values()] == [
        "no_result",
        "crash",
        "crash",
        None,
    ]


def test_runs_that_still_go_on_are_left_out():
    assert len(state_of(foreign([a_run(0, "running", loss=1.0), a_run(1, loss=2.0)])).runs) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"min": 0.0, "max": 1.0}, {"min": 0.0, "max": 1.0, "distribution": "uniform"}),
        ({"min": 1, "max": 8}, {"min": 1, "max": 8, "distribution": "int_uniform"}),
        (
            {"min": 1e-4, "max": 0.1, "distribution": "log_uniform_values"},
            {"min": 1e-4, "max": 0.1, "distribution": "log_normal"},
        ),
        (
            {"min": -2.0, "max": 0.0, "distribution": "log_uniform"},
            {"min": 0.135335, "max": 1.0, "distribution": "log_normal"},
        ),
        ({"values": [16, 32]}, {"values": [16, 32]}),
    ],
)
def test_their_ranges_in_our_words(theirs, ours):
    state = state_of(foreign([a_run(0, loss=1.0)], parameters={"lr": theirs, "seed": {"value": 3}}))
    assert state.spec.parameters == {"lr": ours}


@pytest.mark.parametrize(("cap", "count"), [(None, 12), (2, 12), (30, 30)])
def test_the_written_file_searches_on_with_their_words(cap, count):
    runs = [a_run(0, loss=1.0), a_run(1, loss=2.0)]
    told = {"program": "train.py", "run_cap": cap} if cap else {"program": "train.py"}
    file = _yaml(foreign_sweep(foreign(runs, **told), name="theirs").file.text)
    assert file["rollout_count"] == count
    assert (file["sweep"]["command"], file["sweep"]["results"]) == ("python train.py {args}", {"from": "wandb"})


def test_of_a_metric_with_summaries_of_its_own_the_one_of_the_goal_counts():
    runs = [a_run(0, loss={"max": 9.0, "min": 2.0}, acc={"max": 0.5})]
    state = state_of(foreign(runs))
    assert state.observations[0].metric == 2.0
    assert state.runs["theirs.r.0"].metrics["acc.max"] == 0.5


def test_nested_parameters_are_dotted_paths_and_read_from_nested_configs():
    nested = {"model": {"parameters": {"depth": {"min": 0, "max": 9}}}}
    state = state_of(foreign([a_run(4, loss=1.0)], parameters=nested))
    assert state.rollouts[0].suggestion.params == {"model.depth": 4}


def test_our_own_ranges_come_back_as_ranges():
    parameters = wandb_parameters(GUIDE_PARAMETERS)
    found = state_of(foreign([a_run(0, loss=1.0)], parameters=parameters)).spec.parameters
    assert found["trainer.batch_size"] == {"values": [32, 64, 128]}
    assert found["trainer.gamma"]["distribution"] == "uniform"


@pytest.mark.parametrize("config", [{"metric": {}}, {"parameters": {}}, {"parameters": {"a": {"value": 1}}}])
def test_a_sweep_without_metric_or_range_is_refused(config):
    with pytest.raises(RequestError, match="no metric or no parameters"):
        foreign_sweep(foreign([a_run(0, loss=1.0)], **config), name="theirs")


# ---------------------------------------------------------------- ours


def ours(history, runs=()):
    stored = json.loads(json.dumps([to_json(event) for event in history.events]))
    return {"name": history.name, "config": {}, "runs": list(runs), "journal": stored}


def test_our_journal_comes_back_as_it_was():
    history = History().rollout(1.0).rollout(2.0)
    assert events_of(ours(history), name="my_test") == history.events


def test_a_run_that_was_alive_elsewhere_waits_here():
    history = History().rollout(1.0).suggest().start(1)
    events = events_of(ours(history), name="my_test")
    assert isinstance(events[-1], AttemptInterrupted)
    assert SweepState.fold(events).runs["my_test.r.1"].state is RunState.WAITING


def test_runs_that_the_kept_journal_does_not_know_are_not_written_over():
    history = History().rollout(1.0)
    identity = identity_of(history.events[0])
    known = {"id": f"my_test.r.0-{identity}", "config": {"metta_sweep": {}}}
    same = events_of(ours(history, [known]), name="my_test")
    assert identity_of(SweepState.fold(same).created) == identity
    later = {"id": f"my_test.r.1-{identity}", "config": {"metta_sweep": {}}}
    apart = events_of(ours(history, [known, later]), name="my_test")
    assert identity_of(SweepState.fold(apart).created) != identity


def test_a_sweep_of_ours_keeps_its_name():
    with pytest.raises(RequestError, match="is named 'my_test'"):
        events_of(ours(History().rollout(1.0)), name="other")


# ---------------------------------------------------------------- through the client


@pytest.mark.slow
def test_a_sweep_goes_on_from_another_machine_without_doubling_anything(server, tmp_path):
    training = {"trainer": {"total_timesteps": 2048}}
    sweep = ToldSweep(tmp_path / "here", rollout_count=3, training=training).whole_run(1.0).whole_run(2.0).close()
    assert sync(sweep.paths, environ=environment(server), timeout_s=240).complete
    (remote,) = server.world.sweeps.values()
    before = {run.run_id: (run.history, run.state) for run in server.world.runs.values()}
    there = SweepPaths(tmp_path / "there", "my_test")
    report = import_sweep(f"{remote.entity}/{remote.project}/{remote.sweep_id}", there, environ=environment(server))
    assert (report.runs, report.is_ours) == (2, True)
    state = SweepState.fold(map(from_json, read_events(there)))
    assert state.runs == sweep.state.runs
    assert state.observations == sweep.state.observations
    read = read_remote(f"{remote.entity}/{remote.project}/{remote.sweep_id}", environ=environment(server))
    assert read.observations == sweep.state.observations
    for run_id in state.runs:
        original = (tmp_path / "here/sweep/my_test/runs" / run_id / "config.yaml").read_text()
        assert _yaml(there.run(run_id).config.read_text()) == _yaml(original)
    assert sync(there, environ=environment(server), timeout_s=240).complete
    assert len(server.world.sweeps) == 1
    assert {run.run_id: (run.history, run.state) for run in server.world.runs.values()} == before


@pytest.mark.slow
def test_a_plain_sweep_becomes_a_journal(server, tmp_path):
    text = "method: random\nmetric: {name: loss, goal: minimize}\nparameters: {lr: {min: 0.0, max: 1.0}}\n"
    remote = server.world.upsert_sweep({"config": text, "projectName": "p"})
    for k in range(3):
        given = {"modelName": "p", "name": f"id{k}", "displayName": f"n{k}", "sweep": remote.sweep_id}
        run, _ = server.world.upsert_run({**given, "config": json.dumps({"lr": {"value": k / 10}})})
        run.state, run.summary = "finished", {"loss": 1.0 - k / 10, "_runtime": 5}
    paths = SweepPaths(tmp_path, "theirs")
    report = import_sweep(f"{remote.entity}/p/{remote.sweep_id}", paths, environ=environment(server))
    assert (report.runs, report.is_ours) == (3, False)
    state = SweepState.fold(map(from_json, read_events(paths)))
    assert [o.metric for o in state.observations.values()] == [1.0, 0.9, 0.8]
    read = read_remote(f"{remote.entity}/p/{remote.sweep_id}", environ=environment(server))
    assert read.observations == state.observations
    assert _yaml(paths.run("theirs.r.1").config.read_text()) == {"lr": 0.1}
    file = _yaml(paths.imported.read_text())
    assert (file["rollout_count"], file["sweep"]["parameters"]) == (3 + 10, state.spec.parameters)
    assert report.lines[-1].endswith(f"run run=theirs ++sweep_params={paths.imported}")


@pytest.mark.slow
def test_what_cannot_be_read_is_refused_in_one_message(server, tmp_path):
    paths = SweepPaths(tmp_path, "theirs")
    with pytest.raises(RequestError, match="cannot be read"):
        import_sweep("tester/p/none", paths, environ=environment(server))
    with pytest.raises(RequestError, match="cannot be read") as error:
        import_sweep("tester/p/none", paths, environ=environment())
    assert "wandb login" in error.value.problems[0].fix
    assert not paths.root.exists()


def test_a_sweep_that_is_to_be_a_source_is_over(monkeypatch):
    monkeypatch.setattr(importing, "_read", lambda *_: foreign([a_run(0, loss=1.0), a_run(1, "running")]))
    with pytest.raises(RequestError, match=r"still running at W&B \(1 of its runs\)"):
        read_remote("me/p/theirs")


@pytest.mark.parametrize("path", ["", "a/b", "a//c", "a/b/c/d"])
def test_a_path_is_entity_project_and_sweep(tmp_path, path):
    with pytest.raises(RequestError, match="need ENTITY/PROJECT/SWEEP"):
        import_sweep(path, SweepPaths(tmp_path, "theirs"))


def test_a_sweep_that_is_there_is_not_written_over(tmp_path):
    sweep = ToldSweep(tmp_path).close()
    with pytest.raises(RequestError, match="already"):
        import_sweep("a/b/c", sweep.paths)


def _yaml(text):
    import yaml

    return yaml.safe_load(text)
