"""Live pages as a client sees them: who is let in, what is there, that it is only read."""

from __future__ import annotations

import re

import pytest

from metta_sweep.report.serve.access import Access, is_loopback
from metta_sweep.report.serve.watching import Kept, folder_mark, mark_of
from metta_sweep.result import finish
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.sweep.events import SweepStopped, to_json
from tests.factories import History
from tests.report.disk import evaluated, kept
from tests.report.serve.serving import served


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    history = History(name="mine", asked={"rollout_count": 3})
    history.rollout(0.5)
    paths = kept(history, folder)
    evaluated(paths, "mine.r.0", 0.1, 0.5)
    finish(reward=0.5, run_dir=paths.run("mine.r.0").root)
    paths.run("mine.r.0").log.write_text("<script>alert(1)</script> the end\n")
    return folder


@pytest.fixture(scope="module")
def server(data_dir):
    with served(data_dir) as client:
        client.enter()
        yield client


def test_the_address_with_its_token_becomes_a_cookie_and_an_address_without_it(data_dir, server):
    answer = server.enter("/sweeps/mine/")
    assert (answer.status, answer.headers["Location"]) == (303, "/sweeps/mine/")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(answer.headers["Set-Cookie"].split("; "))


@pytest.mark.parametrize("path", ["/", "/sweeps/mine/", "/sweeps/mine/runs/mine.r.0/", "/events", "/assets/plotly.js"])
def test_without_the_token_nothing_is_told(server, path):
    for cookie in ("", f"{server.access.cookie}=wrong", "=;;=\x07"):
        answer = server.ask(path, Cookie=cookie) if cookie else server.ask(path, Cookie="none=1")
        assert answer.status == 403
        assert b"mine" not in answer.body
    assert server.ask(f"{path}?token=wrong", Cookie="none=1").status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:1", "[", ""])
def test_a_name_that_is_not_this_machine_s_is_refused_even_with_the_token(server, host):
    answer = server.ask("/", Host=host)
    assert answer.status in (400, 421)
    assert b"mine" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_pages_are_only_read(server, method):
    assert server.ask("/sweeps/mine/", method=method).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/sweeps/none/",
        "/sweeps/..%2f..%2fetc/",
        "/sweeps/../../etc/passwd",
        "/sweeps/%00/",
        "/sweeps/mine/runs/mine.r.9/",
        "/sweeps/mine/runs/..%2f..%2fsweep.db/",
        "/sweeps/mine/runs/../sweep.db",
        "/elsewhere",
    ],
)
def test_there_is_nothing_beside_the_sweeps_and_their_runs(server, path):
    answer = server.ask(path)
    assert answer.status == 404
    assert b"root:" not in answer.body


def test_no_answer_may_be_kept_framed_or_read_by_others(server):
    headers = server.ask("/").headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert (headers["Referrer-Policy"], headers["X-Content-Type-Options"]) == ("no-referrer", "nosniff")


def test_the_list_has_every_sweep_with_its_state_best_and_progress(server):
    page = server.text("/")
    assert 'href="sweeps/mine/"' in page
    assert "reward 0.5" in page
    assert "1 of 3" in page


def test_a_sweep_is_the_report_and_refers_to_nothing_outside(server):
    page = server.text("/sweeps/mine/")
    assert "The best reward" in page
    assert '<script src="/assets/plotly.js">' in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert len(page) < 1_000_000  # plotly is not in it
    assert server.text("/assets/plotly.js").startswith("/**")


def test_a_run_shows_its_files_and_its_log_as_text(server):
    page = server.text("/sweeps/mine/runs/mine.r.0/")
    assert "&quot;reward&quot;: 0.5" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; the end" in page


@pytest.mark.slow
def test_a_page_is_told_when_there_is_something_else(data_dir, server):
    first = re.search(r'data-mark="(\w+)"', server.text("/sweeps/mine/"))[1]
    told = server.events("/sweeps/mine/events")
    assert next(told) == first
    journal = SqliteJournal.open(_paths(data_dir), create=False)
    journal.append([to_json(SweepStopped(rule="interrupted", message="Ctrl-C"))])
    journal.close()
    second = next(told)
    assert second != first
    assert f'data-mark="{second}"' in server.text("/sweeps/mine/")
    assert mark_of(_paths(data_dir)) == second
    assert folder_mark(data_dir) != first
    told.close()


def _paths(data_dir):
    from metta_sweep.store.paths import SweepPaths

    return SweepPaths(data_dir, "mine")


def test_a_report_that_takes_long_is_shown_for_a_while_and_says_what_it_was_made_of(data_dir, monkeypatch):
    from metta_sweep.report.serve import watching

    now, marks = [0.0], iter(["a", "b", "b", "c"])
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching, "mark_of", lambda paths: next(marks))
    pages: Kept[str] = Kept(rest=4.0)

    def make(mark):
        now[0] += 1.0
        return f"page of {mark}"

    def asked_at(at_s):
        now[0] = at_s
        made = pages.get(_paths(data_dir), make)
        return made.content, made.mark

    assert asked_at(0.0) == ("page of a", "a")
    assert asked_at(3.0) == ("page of a", "a")  # made anew at 5 s at the earliest
    assert asked_at(5.0) == ("page of b", "b")
    assert asked_at(20.0) == ("page of c", "c")


def test_only_loopback_names_are_held_to_the_host_header():
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "10.0.0.5", "box")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    access = Access(host="127.0.0.1", port=8265)
    assert access.knows("localhost:8265")
    assert access.knows("[::1]:8265")
    assert not access.knows("localhost:80")
    assert Access(host="10.0.0.5", port=8265).knows("box.example:8265")
