"""Make docs/pictures from real sweeps, from the top of the checkout: python -m docs.make_pictures [PICTURE ...].

Runs the sweeps that the pictures need into train_dir; one that is there is taken as it is. The first call takes some
minutes of two cores. Needs Chromium and a font with emoji (apt-get install chromium fonts-noto-color-emoji), the extras
``report`` and ``wandb``, and ``unshare``, which gives two machines on one their names.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docs import make_protein
from metta_sweep.report import Place, Progress
from metta_sweep.report.html.writing import page_of
from metta_sweep.report.live import Moment, live_view
from metta_sweep.result import Evaluation, read_evaluations
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import ConfirmationChosen, Event, SweepStopped, from_json
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState
from tests.track.server import LoopbackServer
from tests.track.server.loopback import KEY

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
DATA_DIR = Path("train_dir")
COLUMNS = 110

FIRST = (
    "run=first_sweep ++sweep_params=sweep/my_sweep rollout_count=24 launcher.max_parallel=2 "
    "trainer.evaluate_interval=5 "
    "'++sweep.parameters.trainer.gae_lambda={min: 0.8, max: 1.0, distribution: uniform}' "
    "'++sweep.confirm={top_k: 3, seeds: 4}'"
)
"""The template with one parameter more, and a confirmation: docs/first_sweep.md."""
SCRIPT = "run=any_script ++sweep_params=examples/any_script/sweep.yaml"
CASE = "run=cartpole ++sweep_params=examples/cartpole/sweep.yaml"
"""docs/case_study.md; its numbers are of one such sweep, and another machine's may differ."""
SHARED = (
    "run=together ++sweep_params=sweep/protein_working rollout_count=8 wandb.share=true trainer.total_timesteps=65536"
)
HOSTS = ("gpu-07", "gpu-12")
MISTAKE = """\
# @package _global_
rollout_count: 20
sweep:
  metric: reward
  goal: maximise
  parameters:
    trainer.learning_rat: {min: 0.0001, max: 0.01, distribution: log_normal}
    trainer.batch_size: {min: 500, max: 2048, distribution: uniform_pow2}
trainer:
  total_timesteps: 100000
"""

# ------------------------------------------------------------------ sweeps


def paths(name: str) -> SweepPaths:
    """Return where a sweep of the pictures lies."""
    return SweepPaths(DATA_DIR, name)


def environment(**more: str) -> dict[str, str]:
    """Return an environment without an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    return {**kept, "COLUMNS": str(COLUMNS), **more}


def start(words: str, *, host: str = "", **more: str) -> subprocess.Popen[str]:
    """Start a sweep command, on a machine of that name; what it says goes to a pipe."""
    named = ["unshare", "--user", "--map-root-user", "--uts", "sh", "-c", f'hostname {host} && exec "$@"', "sh"]
    command = [*(named if host else ()), "./devops/sweep.sh", *shlex.split(words)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=ROOT, env=environment(**more), text=True, **streams)


def first_sweep() -> SweepPaths:
    """Return the first sweep, run where it is not there."""
    found = paths("first_sweep")
    if not found.exists():
        said = start(FIRST).communicate()[0]
        if not found.exists():
            sys.exit(f"the sweep did not start:\n{said}")
    return found


def is_telling(state: SweepState) -> bool:
    """Return whether a picture of the running sweep shows what there is to see."""
    return len(state.decided_rollouts) >= 12 and len(state.live_runs) == 2


def case() -> SweepPaths:
    """Return the sweep of the case study, run where it is not there: 64 runs of some seconds."""
    if not paths("cartpole").exists():
        start(CASE).communicate()
    return paths("cartpole")


def any_script() -> SweepPaths:
    """Return the sweep of the script that knows nothing of us."""
    if not paths("any_script").exists():
        start(SCRIPT).communicate()
    return paths("any_script")


@contextmanager
def dashboard() -> Iterator[dict[str, str]]:
    """Serve the test suite's stand-in for W&B, and yield the environment that leads there."""
    with LoopbackServer() as server:
        yield {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}


def mirrored() -> list[str]:
    """Return what the sweep of the script says where there is an account."""
    with dashboard() as where, tempfile.TemporaryDirectory() as folder:
        return start(SCRIPT, DATA_DIR=folder, **where).communicate()[0].splitlines()


def together() -> list[str]:
    """Return what one of two machines says that share a sweep, each a process with a host name of its own."""
    with dashboard() as where, tempfile.TemporaryDirectory() as folder:
        machines = [start(SHARED, host=host, DATA_DIR=f"{folder}/{host}", **where) for host in HOSTS]
        said = [machine.communicate()[0] for machine in machines]
    return said[0].splitlines()


# ------------------------------------------------------------------ pictures


BROWSER = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=20000")


def chromium(page: Path, *options: str) -> str:
    """Return what a browser prints about a page."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("no Chromium found")
    command = [browser, *BROWSER, *options, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def photograph(page: str, name: str, width: int) -> None:
    """Write what a browser shows of a whole page, however high it is."""
    measure = "<script>addEventListener('load', () => setTimeout(() => { document.documentElement.dataset.height = "
    measure += "Math.ceil(document.body.getBoundingClientRect().bottom) }, 3000))</script>"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page + measure, encoding="utf-8")
        shown = chromium(file, f"--window-size={width},1200", "--dump-dom")
        height = int(re.findall(r'data-height="(\d+)"', shown)[0])
        chromium(file, f"--window-size={width},{height}", f"--screenshot={PICTURES / name}.png")


def terminal(draw: Callable[[Console], None], name: str, title: str) -> None:
    """Write what a terminal shows: lines that are longer than it go on below."""
    drawn = io.StringIO()
    draw(Console(width=COLUMNS, file=drawn, force_terminal=True, color_system="truecolor", highlight=False))
    console = Console(width=COLUMNS, record=True, file=io.StringIO(), force_terminal=True, highlight=False)
    console.print(Text.from_ansi(drawn.getvalue().replace(str(ROOT), "~/metta_sweep")), overflow="fold")
    svg = re.sub(r"@font-face\s*\{[^}]*\}", "", console.export_svg(title=title))
    width = round(float(re.findall(r'viewBox="0 0 ([\d.]+) ', svg)[0]))
    photograph(f"<!DOCTYPE html><body style='margin:0;background:#fff'>{svg}<br>", name, width)


def typed(name: str, line: str, lines: slice = slice(None), cwd: Path = ROOT) -> None:
    """Write what a terminal shows of one command and of some lines of what it says."""
    program, *words = shlex.split(line)
    done = subprocess.run(
        [ROOT / program, *words], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    said(name, line, (done.stdout + done.stderr).rstrip().splitlines()[lines])


def said(name: str, line: str, lines: Sequence[str]) -> None:
    """Write what a terminal shows of a command that has said these lines."""
    shown = Text.assemble((f"$ {line}\n", "bold"), "\n".join(lines))
    terminal(lambda console: console.print(shown), name, shlex.split(line)[0])


def ends_of(lines: Sequence[str]) -> Sequence[str]:
    """Return how it begins and how it ends."""
    last = next(number for number, line in enumerate(lines) if line.startswith("Complete"))
    return [*lines[:15], "…", *lines[last : last + 3], "…", lines[-1]]


def mistake() -> None:
    """Write what a request with mistakes is answered with."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mine.yaml").write_text(MISTAKE, encoding="utf-8")
        typed("mistake", "./devops/sweep.sh run=mine ++sweep_params=mine.yaml", cwd=Path(folder))


def report(name: str, found: SweepPaths, heading: str) -> None:
    """Write one section of the HTML report."""
    page = page_of([found], found.root / "report.html")
    keep = (
        "<script>for (const section of document.querySelectorAll('section')) "
        f"section.hidden = section.querySelector('h2').textContent !== {heading!r};</script>"
    )
    photograph(page.replace("</main>", f"</main>{keep}"), name, 1100)


def watched(name: str, found: SweepPaths) -> None:
    """Write what ``watch`` showed when the sweep was half done: its journal tells what was known then."""
    state = SweepState()
    for stored in read_events(found):
        state.apply(from_json(stored))
        if is_telling(state):
            break
    seen = {run.run_id: _seen(found, run, state.elapsed_s + 1.0) for run in state.live_runs}
    latest = {run_id: evaluation for run_id, evaluation in seen.items() if evaluation is not None}
    place = Place.here(found, controller="host gpu-07, pid 4711")
    moment = Moment(place=place, since_last_event_s=1.0, latest=latest)
    terminal(lambda console: console.print(live_view(state, moment)), name, f"metta-sweep watch {found.name}")


def _seen(found: SweepPaths, run: Run, elapsed_s: float) -> Evaluation | None:
    """Return what a run had reported by a moment of the sweep, with the newest metric by then."""
    metric, newest = "reward", None
    for one in read_evaluations(found.run(run.run_id)):
        if one.time_s <= elapsed_s - run.attempts[-1].started_s:
            known = newest.metrics if newest is not None else {}
            newest = replace(one, metrics={**known, **one.metrics} if metric in known else one.metrics)
    return newest


def progress(name: str, found: SweepPaths, *, until: type[Event], amount: int) -> None:
    """Tell the last events before the first one of a kind as the sweep's command told them, and that one."""
    events, state = [from_json(stored) for stored in read_events(found)], SweepState()
    end = next(number for number, event in enumerate(events) if isinstance(event, until))

    def draw(console: Console) -> None:
        shown = Progress(console, place=Place.here(found), status_line=False)
        for number, event in enumerate(events[: end + 1]):
            console.quiet = number < end - amount
            state.apply(event)
            shown.on_event(event, state)

    terminal(draw, name, f"./devops/sweep.sh run={found.name} …")


SWEEP, TOOL = "./devops/sweep.sh", ".venv/bin/metta-sweep"
MAKERS: dict[str, Callable[[], None]] = {
    "plan": lambda: typed("plan", f"{SWEEP} run=mine ++sweep_params=sweep/my_sweep cmd=plan"),
    "watch": lambda: watched("watch", first_sweep()),
    "progress": lambda: progress("progress", first_sweep(), until=ConfirmationChosen, amount=18),
    "confirmation": lambda: progress("confirmation", first_sweep(), until=SweepStopped, amount=16),
    "summary": lambda: typed("summary", "./summarize_sweep.sh first_sweep", slice(-27, None)),
    "best": lambda: typed("best", f"{TOOL} best first_sweep"),
    "explain": lambda: typed("explain", f"{TOOL} explain first_sweep 23"),
    "report_answer": lambda: report("report_answer", first_sweep(), "The answer"),
    "report_progress": lambda: report("report_progress", first_sweep(), "How it went"),
    "report_parameters": lambda: report("report_parameters", first_sweep(), "The parameters"),
    "report_runs": lambda: report("report_runs", first_sweep(), "The runs and the model"),
    "case_answer": lambda: report("case_answer", case(), "The answer"),
    "case_parameters": lambda: report("case_parameters", case(), "The parameters"),
    "own_trainer": lambda: progress("own_trainer", any_script(), until=SweepStopped, amount=14),
    "together": lambda: said("together", f"{SWEEP} {SHARED}", [*together()[:24], "…"]),
    "wandb": lambda: said("wandb", f"{SWEEP} {SCRIPT}", ends_of(mirrored())),
    "mistake": mistake,
    "protein": make_protein.main,
}


def main(*wanted: str) -> None:
    """Make the pictures that are wanted, or all."""
    PICTURES.mkdir(exist_ok=True)
    os.chdir(ROOT)
    subprocess.run(["./devops/setup.sh"], check=True)  # so that no picture shows it
    for picture in wanted or MAKERS:
        MAKERS[picture]()
        sys.stdout.write(f"{PICTURES / picture}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
