"""Which process is watched, and what small notes the mirror keeps."""

from __future__ import annotations

import json
import socket

import pytest

from metta_sweep.track.feed import Feed
from metta_sweep.track.sources import RunSources
from metta_sweep.track.state_file import StateFile
from tests.track.told import NO_SECRETS, ToldSweep


def sources(sweep):
    feed = Feed(sweep.paths)
    feed.follow()
    return RunSources(paths=sweep.paths, feed=feed, redaction=NO_SECRETS)


def started(sweep, **content):
    folder = sweep.paths.run("my_test.r.0").attempts
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "my_test.r.0.a1.start.json").write_text(json.dumps(content))


@pytest.fixture
def sweep(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.suggest().start(0)
    yield sweep.write()
    sweep.close()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"host": socket.gethostname(), "gpus": ["0"], "child": {"pid": 77}}, 77),
        ({"host": socket.gethostname(), "child": {"pid": 77}}, None),
        ({"host": "elsewhere", "gpus": ["0"], "child": {"pid": 77}}, None),
        ({"gpus": ["0"], "child": None}, None),
        ({"gpus": ["0"], "child": {"pid": "77"}}, None),
        ({}, None),
    ],
)
def test_a_training_process_with_gpus_is_watched_where_it_runs_here(sweep, content, expected):
    started(sweep, **content)
    found = sources(sweep)
    assert found.process_of(found.feed.state.runs["my_test.r.0"]) == expected


def test_a_process_that_ended_is_not_watched(sweep):
    started(sweep, child={"pid": 77})
    sweep.history.finish(0, 1.0)
    found = sources(sweep.write())
    assert found.process_of(found.feed.state.runs["my_test.r.0"]) is None


def test_a_mark_is_what_was_set_last(sweep):
    kept = StateFile(sweep.paths)
    assert kept.mark("a") is None
    kept.set_mark("a", "1")
    kept.set_mark("a", "2")
    assert StateFile(sweep.paths).mark("a") == "2"
