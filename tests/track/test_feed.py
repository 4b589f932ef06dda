"""The mirror reads the journal as it grows, and never holds its writer up."""

from __future__ import annotations

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import SweepRegistered, UnknownEventError
from metta_sweep.track.feed import Feed
from metta_sweep.track.link import Link
from metta_sweep.track.state_file import StateFile
from tests.track.told import ToldSweep


def test_what_was_followed_step_by_step_is_what_is_read_at_once(tmp_path):
    sweep = ToldSweep(tmp_path)
    feed = Feed(sweep.paths)
    assert feed.follow()
    for value in (1.0, 2.0):
        sweep.whole_run(value)
        assert feed.follow()
        assert not feed.follow()
    whole = Feed(sweep.paths)
    whole.follow()
    assert feed.state.runs == whole.state.runs == sweep.state.runs
    assert feed.state.incumbent == sweep.state.incumbent


def test_the_writer_goes_on_while_it_is_followed(tmp_path):
    sweep = ToldSweep(tmp_path)
    feed = Feed(sweep.paths)
    for value in range(5):
        feed.follow()
        sweep.whole_run(float(value))
    feed.follow()
    assert len(feed.state.runs) == 5


def test_the_registration_is_known_from_the_journal(tmp_path):
    sweep = ToldSweep(tmp_path)
    sweep.history.add(SweepRegistered, sweep_id="abc", entity="e", project="p", url="https://w/abc")
    sweep.close()
    feed = Feed(sweep.paths)
    feed.follow()
    assert feed.state.registered.sweep_id == "abc"


def test_an_event_of_a_later_version_is_an_error(tmp_path):
    sweep = ToldSweep(tmp_path).close()
    journal = SqliteJournal.open(sweep.paths, create=False)
    journal.append([{"kind": "teleported"}])
    journal.close()
    with pytest.raises(UnknownEventError):
        Feed(sweep.paths).follow()


def test_a_journal_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(RequestError):
        Feed(SweepPaths(tmp_path, "nothing")).follow()


def test_the_link_is_read_as_it_was_written_and_passes_over_other_names(tmp_path):
    paths = ToldSweep(tmp_path).close().paths
    assert Link.read(paths) is None
    link = Link(entity="e", project="p", sweep_id="abc", url="u", mirrored=3)
    link.write(paths)
    assert Link.read(paths) == link
    (paths.root / "wandb.json").write_text('{"project": "p", "sweep_id": "earlier"}')
    assert Link.read(paths).sweep_id == "earlier"
    StateFile(paths).set_mark("my_test.r.0", "x")
    link.write(paths)
    assert (Link.read(paths), StateFile(paths).mark("my_test.r.0")) == (link, "x")
    assert Link.of({"sweep_id": "x", "colour": "red"}) == Link(sweep_id="x")
