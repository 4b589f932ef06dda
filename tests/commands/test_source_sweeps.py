"""Which sweeps may be evidence, what is read of them, and one message for each that may not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from metta_sweep.commands import source_sweeps
from metta_sweep.commands.source_sweeps import all_sources, sources_of
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Source, SourceRun, Suggestion
from metta_sweep.space import SearchSpace
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import (
    AttemptStarted,
    AttemptSubmitted,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    SourcesRead,
    SweepAsked,
    to_json,
)
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.sweep.state import SweepState

SPACE = {"trainer.x": {"min": 0.0, "max": 1.0, "distribution": "uniform"}}


def spec(**changes):
    return replace(
        SweepSpec(name="old", metric="reward", goal=Goal.MAXIMIZE, rollout_count=5, parameters=SPACE), **changes
    )


def events_of(asked, *, rollouts=5, path="trainer.x"):
    yield SweepAsked(spec=asked, versions={})
    for number in range(rollouts):
        run_id = f"{asked.name}.r.{number}"
        suggestion = Suggestion(params={path: number / 10}, origin="sobol")
        runs = (PlannedRun(run_id=run_id, seed=number),)
        yield RolloutSuggested(rollout=number, suggestion=suggestion, runs=runs, max_retries=0)
        yield AttemptStarted(run_id=run_id, attempt=1)
        yield AttemptSubmitted(run_id=run_id, attempt=1, handle={})
        metrics = {asked.metric: float(number)}
        yield RunFinished(run_id=run_id, attempt=1, metrics=metrics, cost_s=1.0, steps=None, wall_s=1.0)


def put(data_dir, asked, **how):
    paths = SweepPaths(data_dir, asked.name)
    journal = SqliteJournal.open(paths, create=True)
    journal.append([to_json(event) for event in events_of(asked, **how)])
    journal.close()
    return paths


def request(data_dir, *sources, name="new", metric="reward", goal="maximize"):
    return SimpleNamespace(
        data_dir=data_dir,
        name=name,
        metric=metric,
        goal=goal,
        sources=sources,
        space=SearchSpace.parse(SPACE),
        sweep_file="new.yaml",
    )


def refused(asked):
    with pytest.raises(RequestError) as caught:
        sources_of(asked, None)
    (problem,) = caught.value.problems
    assert (problem.key, problem.file) == ("sweep.from.0", "new.yaml")
    assert problem.fix
    return problem.message


def test_a_sweep_is_read_by_its_name_or_by_its_folder_with_all_its_rollouts(tmp_path):
    paths = put(tmp_path, spec())
    (by_name,) = sources_of(request(tmp_path, "old"), None)
    (by_folder,) = sources_of(request(tmp_path, str(paths.root)), None)
    assert by_name.runs == by_folder.runs == tuple(SourceRun(params={"trainer.x": n / 10}, metric=n) for n in range(5))


def test_what_was_read_once_is_not_read_again_whatever_became_of_the_source(tmp_path):
    kept = Source(name="gone", runs=(SourceRun(params={"trainer.x": 0.1}, metric=1.0),))
    state = SweepState.fold(
        [SweepAsked(spec=spec(name="new", sources=("gone",)), versions={}), SourcesRead(sources=(kept,))]
    )
    asked = request(tmp_path, "gone")
    assert sources_of(asked, state) == ()
    assert all_sources(asked, state) == (kept,)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"metric": "loss"}, "its metric is 'loss'"),
        ({"goal": Goal.MINIMIZE}, "its goal is to minimize"),
        ({"rollouts": 3}, "it has 3 rollouts with a reward"),
        ({"path": "trainer.other"}, "shares no parameter"),
    ],
    ids=lambda case: "",
)
def test_a_sweep_that_says_nothing_about_this_search_is_refused(tmp_path, how, said):
    asked = {key: value for key, value in how.items() if key in ("metric", "goal")}
    put(tmp_path, spec(**asked), **{key: value for key, value in how.items() if key not in asked})
    assert said in refused(request(tmp_path, "old"))


def test_a_sweep_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    put(tmp_path, spec())
    assert "there: old" in refused(request(tmp_path, "odl"))
    assert "no sweep in this folder" in refused(request(tmp_path, str(tmp_path / "sweep" / "odl")))


def test_the_sweep_itself_is_refused(tmp_path):
    put(tmp_path, spec())
    assert "this sweep itself" in refused(request(tmp_path, "old", name="old"))


def test_a_sweep_that_is_running_is_refused(tmp_path):
    paths = put(tmp_path, spec())
    with SweepLock.acquire(paths):
        assert "still running" in refused(request(tmp_path, "old"))


def test_three_names_with_slashes_are_a_sweep_at_wandb(tmp_path, monkeypatch):
    monkeypatch.setattr(source_sweeps, "read_remote", lambda path: SweepState.fold(events_of(spec(name=path[-3:]))))
    (found,) = sources_of(request(tmp_path, "me/project/abc"), None)
    assert (found.name, len(found.runs)) == ("me/project/abc", 5)


def test_every_source_that_is_wrong_is_told_at_once(tmp_path):
    put(tmp_path, spec(metric="loss"))
    with pytest.raises(RequestError) as caught:
        sources_of(request(tmp_path, "old", "none"), None)
    assert [problem.key for problem in caught.value.problems] == ["sweep.from.0", "sweep.from.1"]


def test_a_sweep_that_is_named_twice_counts_once_and_is_refused(tmp_path):
    paths = put(tmp_path, spec())
    with pytest.raises(RequestError, match="the same sweep as old"):
        sources_of(request(tmp_path, "old", str(paths.root)), None)


def test_a_folder_is_only_ever_the_sweep_that_lies_in_it(tmp_path, monkeypatch):
    put(tmp_path, spec())
    elsewhere = tmp_path / "backup" / "old"
    assert "no sweep in this folder" in refused(request(tmp_path, str(elsewhere)))
    monkeypatch.chdir(tmp_path.parent)
    assert "no sweep in this folder" in refused(request(tmp_path, f"{tmp_path.name}/sweep/odl"))
