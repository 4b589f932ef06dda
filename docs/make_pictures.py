"""Make docs/pictures from a sweep on disk: python docs/make_pictures.py NAME [DATA_DIR] [PICTURE ...].

Needs Chromium (apt-get install chromium) and the extra "report". ``watch`` is best made while the sweep goes on.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from metta_sweep.report import Place, Progress, summary
from metta_sweep.report.explain import explain
from metta_sweep.report.html.writing import page_of
from metta_sweep.report.reading import default_data_dir, paths_of, state_of
from metta_sweep.report.watch import Watcher
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState

PICTURES = Path(__file__).resolve().parent / "pictures"
COLUMNS = 110


def photograph(page: str, out: Path, width: int, height: int) -> None:
    """Write what a browser shows of a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("no Chromium found")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000"]
        place = [f"--window-size={width},{height}", f"--screenshot={out}", file.as_uri()]
        subprocess.run([browser, *options, *place], check=True, capture_output=True, timeout=120)


def terminal(draw: Callable[[Console], None], out: Path, title: str) -> None:
    """Write what a terminal shows."""
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, highlight=False)
    draw(console)
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", console.export_svg(title=title))
    width, height = (float(number) for number in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    page = f"<!DOCTYPE html><body style='margin:0;background:#fff'>{svg}"
    photograph(page, out, round(width), round(height))


def report(paths: SweepPaths, out: Path, heading: str, height: int) -> None:
    """Write one section of the HTML report."""
    page = page_of([paths], paths.root / "report.html")
    keep = (
        "<script>for (const section of document.querySelectorAll('section')) "
        f"section.hidden = section.querySelector('h2').textContent !== {heading!r};</script>"
    )
    photograph(page.replace("</main>", f"</main>{keep}"), out, 1100, height)


def progress(paths: SweepPaths, console: Console) -> None:
    """Tell the end of a sweep as its command told it."""
    events, state = [from_json(stored) for stored in read_events(paths)], SweepState()
    shown = Progress(console, place=Place.here(paths), status_line=False)
    for number, event in enumerate(events):
        state.apply(event)
        if number == max(0, len(events) - 17):
            shown.begin(state)
        if number > max(0, len(events) - 17):
            shown.on_event(event, state)


def main(name: str, data_dir: str = "", *wanted: str) -> None:
    """Make the pictures that are wanted, or all."""
    paths = paths_of(name, Path(data_dir) if data_dir else default_data_dir())
    state = state_of(paths)
    PICTURES.mkdir(exist_ok=True)
    makers: dict[str, Callable[[Path], None]] = {
        "report_answer": lambda out: report(paths, out, "The answer", 900),
        "report_progress": lambda out: report(paths, out, "How it went", 1500),
        "report_parameters": lambda out: report(paths, out, "The parameters", 1500),
        "summary": lambda out: terminal(
            lambda console: console.print("\n".join(summary(state, paths=paths).splitlines()[-24:]), markup=False),
            out,
            f"./summarize_sweep.sh {name}",
        ),
        "explain": lambda out: terminal(
            lambda console: console.print(explain(state, rollout=len(state.rollouts) - 1), markup=False),
            out,
            f"metta-sweep explain {name} --rollout {len(state.rollouts) - 1}",
        ),
        "watch": lambda out: terminal(
            lambda console: console.print(Watcher(paths).view(time.time())), out, f"metta-sweep watch {name}"
        ),
        "progress": lambda out: terminal(
            lambda console: progress(paths, console), out, "./devops/sweep.sh run=" + name
        ),
    }
    for picture in wanted or makers:
        makers[picture](PICTURES / f"{picture}.png")
        sys.stdout.write(f"{PICTURES / picture}.png\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
