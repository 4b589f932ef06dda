"""The controller's side: it never waits for W&B, starts the mirror again with patience, and says each thing once."""

from __future__ import annotations

import json
import sys
import time

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.errors import RequestError
from metta_sweep.invocation import invoked
from metta_sweep.track import Mode, controller, start_mirror, sync
from metta_sweep.track.link import Link
from metta_sweep.track.watchdog import INCOMPLETE, TRY_AGAIN
from tests.track.told import ToldSweep

WAITS = 'read line; [ -n "$line" ] && exit {code}; exit 9'
"""A mirror that ends when it is told to."""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a shell script in the mirror's place; it notes its arguments and environment before it does its own."""

    def put(body):
        script, notes = tmp_path / "mirror.sh", tmp_path / "notes"
        script.write_text(f'#!/bin/sh\necho "$@" >> {notes}.args\nenv >> {notes}.env\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        monkeypatch.setattr(controller, "GLANCE_S", 0.0)
        monkeypatch.setattr(controller, "FIRST_PAUSE_S", 0.1)
        return tmp_path

    return put


@pytest.fixture
def sweep(tmp_path):
    sweep = ToldSweep(tmp_path / "data")
    yield sweep
    sweep.close()


def start(sweep, **settings):
    return start_mirror(
        sweep.paths, WandbSettings(**settings), Mode.ONLINE, {"PATH": "/bin:/usr/bin", "WANDB_SERVICE": "1"}
    )


def polled(mirror, until, seconds=5.0):
    lines, deadline = [], time.monotonic() + seconds
    while not until(lines) and time.monotonic() < deadline:
        lines += mirror.poll()
        time.sleep(0.01)
    return lines


def starts(folder):
    path = folder / "notes.args"
    return path.read_text().splitlines() if path.exists() else []


def test_off_starts_nothing(sweep):
    assert start_mirror(sweep.paths, WandbSettings(), Mode.OFF, {}) is None
    assert not (sweep.paths.root / "wandb").exists()


def test_without_a_key_nothing_is_started_since_the_journal_serves_a_later_sync(sweep):
    for asked in ("auto", "online"):
        assert start_mirror(sweep.paths, WandbSettings(mode=asked), Mode.OFFLINE, {}) is None


def test_the_mirror_gets_no_key_on_its_command_line_and_no_other_service(sweep, fake):
    folder = fake(WAITS.format(code=0))
    environ = {"PATH": "/bin:/usr/bin", "WANDB_SERVICE": "x", "WANDB_API_KEY": "k" * 40}
    mirror = start_mirror(sweep.paths, WandbSettings(tags=("a",)), Mode.ONLINE, environ)
    mirror.stop(5)
    (arguments,) = starts(folder)
    assert "k" * 40 not in arguments
    assert "metta_sweep.commands.mirror" in arguments
    assert "WANDB_SERVICE" not in (folder / "notes.env").read_text()


@pytest.mark.slow
def test_a_mirror_that_gave_up_for_now_is_started_again_with_growing_pauses(sweep, fake):
    folder = fake(f"exit {TRY_AGAIN}")
    mirror = start(sweep)
    polled(mirror, lambda _: len(starts(folder)) >= 4)
    began_s = time.monotonic()
    count = len(starts(folder))
    polled(mirror, lambda _: len(starts(folder)) > count)
    assert time.monotonic() - began_s > 0.5
    mirror.stop(0.1)


@pytest.mark.slow
def test_a_mirror_that_is_done_is_not_started_again(sweep, fake):
    folder = fake("exit 0")
    mirror = start(sweep)
    polled(mirror, lambda _: False, seconds=0.6)
    assert len(starts(folder)) == 1


def test_a_mirror_that_crashes_is_started_again(sweep, fake):
    folder = fake("kill -9 $$")
    mirror = start(sweep)
    polled(mirror, lambda _: len(starts(folder)) >= 3)
    assert len(starts(folder)) >= 3
    mirror.stop(0.1)


@pytest.mark.slow
def test_a_mirror_that_hangs_is_ended_at_the_time_limit(sweep, fake, monkeypatch):
    monkeypatch.setattr(controller, "_EXIT_S", 0.2)
    fake("exec sleep 1000")
    mirror = start(sweep)
    began_s = time.monotonic()
    assert later(sweep) in mirror.stop(0.3)
    assert time.monotonic() - began_s < 30


def test_the_page_and_what_is_wrong_are_said_once(sweep, fake):
    fake(WAITS.format(code=0))
    mirror = start(sweep)
    Link(sweep_id="abc", url="https://w/abc", state="refused", message="no such key").write(sweep.paths)
    lines = polled(mirror, lambda _: False, seconds=0.3)
    assert lines == [
        "W&B: https://w/abc",
        "W&B rejected the credentials (no such key); the sweep goes on, they are tried again every few minutes, "
        f"and {later(sweep)}",
    ]
    assert mirror.registration == {"sweep_id": "abc", "entity": "", "project": "metta-sweep", "url": "https://w/abc"}
    mirror.stop(1)


def later(sweep):
    """Return the end of a line that says how to send the rest, as it is typed here."""
    return f"`{invoked('sync', 'my_test', data_dir=sweep.paths.data_dir)}` sends the rest"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, "W&B: 3 runs, all there: https://w/abc"),
        (
            INCOMPLETE,
            "W&B: 3 of 4 runs are confirmed to be there (HTTP 503); LATER",
        ),
    ],
)
def test_the_last_line_says_how_far_it_came(sweep, fake, status, expected):
    fake(WAITS.format(code=status))
    mirror = start(sweep)
    Link(sweep_id="abc", url="https://w/abc", state="away", message="HTTP 503", mirrored=3).write(sweep.paths)
    assert mirror.stop(5, runs=4) == expected.replace("LATER", later(sweep))


def test_the_last_line_goes_by_what_is_there_however_the_mirror_ended(sweep, fake):
    fake(WAITS.format(code=INCOMPLETE))
    mirror = start(sweep)
    Link(sweep_id="abc", url="https://w/abc", state="away", mirrored=3).write(sweep.paths)
    assert mirror.stop(5, runs=3) == "W&B: 3 runs, all there: https://w/abc"


@pytest.mark.slow
def test_trouble_is_said_once_it_has_lasted_and_when_it_is_over(sweep, fake, monkeypatch):
    monkeypatch.setattr(controller, "SAID_AFTER_S", 0.2)
    fake(WAITS.format(code=0))
    mirror = start(sweep)
    away, ok = Link(state="away", message="HTTP 503"), Link(state="ok")
    away.write(sweep.paths)
    assert polled(mirror, lambda _: False, seconds=0.1) == []
    said = polled(mirror, lambda _: False, seconds=0.4)
    assert said == ["W&B is unreachable (HTTP 503); the sweep goes on, and what is missing there is sent later"]
    ok.write(sweep.paths)
    assert polled(mirror, lambda _: False, seconds=0.2) == ["W&B answers again"]
    mirror.stop(1)


def test_a_glance_costs_next_to_nothing(sweep, fake, monkeypatch):
    fake(WAITS.format(code=0))
    mirror = start(sweep)
    monkeypatch.setattr(controller, "GLANCE_S", 0.5)
    mirror.poll()
    began_s = time.process_time()
    for _ in range(1000):
        mirror.poll()
    assert (time.process_time() - began_s) / 1000 < 1e-3
    mirror.stop(1)


def test_a_known_sweep_is_kept_while_the_place_is_the_same(sweep, fake):
    folder = fake(WAITS.format(code=0))
    Link(entity="e", project="metta-sweep", sweep_id="abc", url="u").write(sweep.paths)
    start(sweep).stop(1)
    start(sweep, project="elsewhere").stop(1)
    start(sweep, entity="other").stop(1)
    given = [json.loads(line[line.index("{") :].rsplit("}", 1)[0] + "}") for line in starts(folder)]
    assert [(link["entity"], link["sweep_id"]) for link in given] == [("e", "abc"), (None, None), ("other", None)]


def test_sync_without_a_key_is_refused_with_the_fix(sweep):
    with pytest.raises(RequestError, match="no key") as error:
        sync(sweep.paths, environ={"HOME": "/nonexistent"})
    assert "wandb login" in error.value.problems[0].fix
