"""A sweep that is there goes on by its name; all of them are listed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metta_sweep.commands.by_name import with_name_resolved
from metta_sweep.commands.cli import main
from metta_sweep.errors import RequestError
from metta_sweep.invocation import going_back, typed_in
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import to_json
from tests.factories import guide_history

WORDS = ("run=mine", "++sweep_params=mine.yaml", "rollout_count=3", "takeover=true")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def keep(name="mine", words=WORDS, **more):
        events = [to_json(event) for event in guide_history().events]
        paths = SweepPaths(tmp_path, name)
        paths.root.mkdir(parents=True)
        journal = SqliteJournal.open(paths, create=True)
        journal.append([{**events[0], "words": list(words), **more}, *events[1:]])
        journal.close()
        return paths

    return keep


def test_a_name_stands_for_the_words_that_the_sweep_was_asked_for_in(kept, tmp_path):
    kept()
    assert with_name_resolved(["mine"]) == [*WORDS[:3], f"data_dir={tmp_path}"]


def test_a_sweep_is_worked_on_where_it_was_asked_for_and_its_commands_are_typed_from_here(kept, tmp_path, monkeypatch):
    kept(folder="project")
    (tmp_path / "project").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with going_back():
        with_name_resolved(["mine"])
        assert (Path.cwd(), typed_in()) == (tmp_path / "project", tmp_path / "here")
    assert Path.cwd() == typed_in() == tmp_path / "here"


def test_what_is_said_beside_the_name_takes_the_place_of_the_same_key(kept, tmp_path):
    kept()
    words = with_name_resolved(["mine", "rollout_count=9", "+trainer.gamma=0.9"])
    assert words == [*WORDS[:2], f"data_dir={tmp_path}", "rollout_count=9", "+trainer.gamma=0.9"]


def test_a_request_without_a_name_stays_as_it_is():
    assert with_name_resolved(list(WORDS)) == list(WORDS)
    assert with_name_resolved(["++sweep_params=mine.yaml", "mine"]) == ["++sweep_params=mine.yaml", "mine"]


def test_a_sweep_that_is_not_there_or_was_never_asked_for_is_refused(kept):
    kept(words=())
    with pytest.raises(RequestError, match="not known"):
        with_name_resolved(["mine"])
    with pytest.raises(RequestError, match="did you mean mine"):
        with_name_resolved(["mien"])


def test_every_sweep_is_listed_a_damaged_one_too(kept, capsys, tmp_path):
    kept("one")
    kept("two").journal.write_bytes(b"nonsense")
    assert main(["list", "--data-dir", str(tmp_path), "--format", "json"]) == 0
    one, two = json.loads(capsys.readouterr().out)
    assert (one["state"], one["best"], one["finished"], one["rollout_count"]) == ("complete", 3.89, 3, 3)
    assert (two["name"], two["state"], two["best"]) == ("two", "unreadable", None)
    assert main(["list", "--data-dir", str(tmp_path)]) == 0
    assert "reward 3.89" in capsys.readouterr().out
