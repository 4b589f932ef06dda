"""A headless browser for pages on disk: what a script in the page sees, without a driver or a network."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")

_WATCH = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push("error: " + event.message));
addEventListener("unhandledrejection", (event) => problems.push("rejected: " + event.reason));
addEventListener("securitypolicyviolation", (event) => problems.push("request: " + event.blockedURI));
for (const level of ["error", "warn"]) {
  const say = console[level];
  console[level] = (...words) => { problems.push(level + ": " + words.join(" ")); say(...words); };
}
</script>"""

_ASK = """<script>
addEventListener("load", async () => {
  const started = performance.now();
  let answer;
  try { answer = await (async () => { %s })(); } catch (error) { problems.push("check: " + error.stack); }
  const requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const island = document.createElement("pre");
  island.id = "answer-of-the-browser";
  island.textContent = JSON.stringify({ answer, problems, requests, seconds: performance.now() / 1000 });
  document.body.append(island);
});
</script>"""


def ask(page: Path, script: str, *, budget_ms: int = 60_000) -> dict[str, Any]:
    """Return what ``script`` (an async function's body) returns in the page, with every problem the page had.

    The page is opened from a copy beside it that has a watcher before its first script and the question after its
    last, so that its own content is what is tested.
    """
    content = page.read_text(encoding="utf-8")
    asked = content.replace("<head>", f"<head>{_WATCH}", 1).replace("</body>", f"{_ASK % script}</body>")
    copy = page.with_name(f"asked-{page.name}")
    copy.write_text(asked, encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--window-size=1200,900",
            f"--virtual-time-budget={budget_ms}",
            "--dump-dom",
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    found = re.search(r'<pre id="answer-of-the-browser">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(html.unescape(found[1]))
    return answer
