"""The plots of a report as PNG files, drawn by the browser that also shows the page."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from metta_sweep.errors import RequestError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Programs that are looked for, in this order."""
WIDTH = 1100
"""Pixels of a picture before it is doubled for sharp print."""
_PATIENCE_S = 180

_DRAW = """<script>
addEventListener("load", async () => {
  const pictures = {};
  document.documentElement.dataset.theme = "light";
  await drawAll();
  for (const plot of document.querySelectorAll(".plot")) {
    const title = plot.closest("figure").querySelector("h3").textContent.replace(/</g, "&lt;");
    const layout = { ...plot.layout, title: { text: title }, paper_bgcolor: "#ffffff" };
    layout.margin = { ...layout.margin, t: 80 };
    const size = { format: "png", width: %d, height: (plot.layout.height || 400) + 60, scale: 2 };
    pictures[plot.id] = await Plotly.toImage({ data: plot.data, layout }, size);
  }
  const island = document.createElement("pre");
  island.id = "pictures-of-the-plots";
  island.textContent = JSON.stringify(pictures);
  document.body.append(island);
});
</script>"""


def pictures_of(page: str) -> Mapping[str, bytes]:
    """Return the plots of a page as PNG, by their keys.

    Raises:
        RequestError: There is no browser, or it could not draw them.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise RequestError.of(
            "pictures need Chromium or Chrome", key="--png", fix="apt-get install chromium, or leave --png out"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page.replace("</body>", f"{_DRAW % WIDTH}</body>"), encoding="utf-8")
        shown = _shown(browser, file)
    island = re.search(r'<pre id="pictures-of-the-plots">(.*?)</pre>', shown, re.DOTALL)
    if island is None:
        raise RequestError.of("the browser could not draw the plots", key="--png", fix="open the report itself")
    told: dict[str, str] = json.loads(html.unescape(island[1]))
    return {key: _decoded(url) for key, url in told.items()}


def _shown(browser: str, file: Path) -> str:
    """Return the page as it is once its scripts have run."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    command = [browser, *options, "--virtual-time-budget=120000", "--dump-dom", file.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise RequestError.of(f"the browser failed: {error}", key="--png", fix="open the report itself") from error
    return done.stdout


def _decoded(url: str) -> bytes:
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise RequestError.of("the browser drew no picture", key="--png", fix="open the report itself") from error


def write_pictures(page: str, folder: Path) -> list[Path]:
    """Write every plot of a page into a folder and return the files.

    Raises:
        RequestError: There is no browser, or it could not draw them.
    """
    found = pictures_of(page)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for key, content in found.items():
        file = folder / f"{re.sub(r'^s0-', '', key)}.png"
        file.write_bytes(content)
        files.append(file)
    return files
