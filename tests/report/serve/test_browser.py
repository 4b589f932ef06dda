"""A live page in a real browser: it draws, and shows what has changed by itself."""

from __future__ import annotations

import json
import queue
import subprocess
from urllib.parse import parse_qs

import pytest

from metta_sweep.store.journal import SqliteJournal
from metta_sweep.sweep.events import to_json
from tests.report.disk import kept
from tests.report.html.browser import CHROMIUM, needs_browser
from tests.report.serve.serving import served
from tests.report.simulated import simulated

WATCH = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push("error: " + event.message));
addEventListener("unhandledrejection", (event) => problems.push("rejected: " + event.reason));
addEventListener("securitypolicyviolation", (event) => problems.push("request: " + event.blockedURI));
const tell = () => fetch("/told?it=" + encodeURIComponent(JSON.stringify({
  runs: document.querySelectorAll(".runs tbody tr").length,
  plots: document.querySelectorAll(".js-plotly-plot").length,
  live: document.getElementById("live").textContent,
  theme: document.documentElement.dataset.theme,
  problems,
})));
addEventListener("load", () => {
  document.getElementById("theme").click();
  document.querySelector(".plot").scrollIntoView();
  setInterval(tell, 500);
});
</script>"""


def telling(told):
    """Return what puts an observer into each page, and hands on what that tells."""

    def wrap(app):
        async def wrapped(scope, receive, send):
            if scope["type"] == "http" and scope["path"] == "/told":
                told.put(json.loads(parse_qs(scope["query_string"].decode())["it"][0]))
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body", "body": b""})
                return

            async def with_observer(message):
                if message["type"] == "http.response.start":
                    headers = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                    message = {**message, "headers": headers}
                elif message["type"] == "http.response.body":
                    body = message["body"].replace(b"<head>", b"<head>" + WATCH.encode(), 1)
                    message = {**message, "body": body}
                await send(message)

            await app(scope, receive, with_observer)

        return wrapped

    return wrap


@needs_browser
@pytest.mark.slow
def test_a_page_draws_and_shows_what_has_changed_by_itself(tmp_path):
    whole, told = simulated(12), queue.Queue()
    shown = 9 * len(whole.events) // 12
    events, later = whole.events[:shown], whole.events[shown:]
    whole.events[:] = events
    paths = kept(whole, tmp_path)
    with served(tmp_path, telling(told)) as client:
        address = f"http://127.0.0.1:{client.access.port}/sweeps/{paths.name}/?token={client.access.token}"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        browser = subprocess.Popen([str(CHROMIUM), *options, address], stderr=subprocess.DEVNULL)
        try:
            before = _until(told, lambda seen: seen["plots"] > 0 and seen["live"])
            journal = SqliteJournal.open(paths, create=False)
            journal.append([to_json(event) for event in later])
            journal.close()
            after = _until(told, lambda seen: seen["runs"] == 12 and seen["plots"] > 0)
        finally:
            browser.terminate()
            browser.wait(20)
    assert before["runs"] < 12
    assert before["live"] == "Live: this page shows changes by itself"
    assert after["live"].startswith("Live: up to date at")
    assert after["theme"] == before["theme"]  # what the reader has chosen stays
    assert (before["problems"], after["problems"]) == ([], [])


def _until(told, is_so):
    for _ in range(200):
        seen = told.get(timeout=60)
        if is_so(seen):
            return seen
    raise AssertionError(seen)
