"""What it takes to look at a sweep: python -m benchmarks.report.measure [--runs 100 300 1000] [--json FILE].

For each length a sweep with a known surface is written into a fresh directory: a journal, and learning curves of every
run. Each command is then a process of its own, from its start to its end, the imports with it.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import to_json
from tests.factories import History
from tests.report.disk import evaluated, kept
from tests.report.simulated import simulated

COMMANDS = {
    "summarize": ("summarize", "my_test"),
    "best": ("best", "my_test"),
    "explain": ("explain", "my_test"),
    "watch --once": ("watch", "my_test", "--once"),
    "export --to csv": ("export", "my_test", "--to", "csv", "--out", "out.csv"),
    "report": ("report", "my_test"),
}
WATCHED_S = 30.0
"""Seconds for which the live view is measured."""
SETTLED_S = 5.0
"""Seconds after which it has started."""
EVENT_EVERY_S = 2.0
"""Seconds between two events of the sweep that is watched."""
PROGRAM = """
import os, sys
from metta_sweep.commands.cli import main
code = main(sys.argv[2:])
open(sys.argv[1], "w").write(str("torch" in sys.modules))
sys.exit(code)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a command took, the median of its repetitions."""

    runs: int
    command: str
    wall_s: float
    cpu_s: float
    torch: bool
    """Whether the process imported torch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the live view took of a core."""

    runs: int
    share: float
    """Seconds of a core a second, after its start."""
    events: int
    """What happened in the sweep meanwhile."""


def written(runs: int, folder: Path) -> tuple[History, SweepPaths]:
    """Write a sweep."""
    history = simulated(runs)
    paths = kept(history, folder / "data")
    for number in range(runs):
        evaluated(paths, history.run(number), *(0.1 * step for step in range(1, 11)))
    return history, paths


def took(runs: int, name: str, folder: Path, repetitions: int) -> Taken:
    """Run a command as a user does."""
    measured = [_once(COMMANDS[name], folder) for _ in range(repetitions)]
    return Taken(
        runs=runs,
        command=name,
        wall_s=statistics.median(wall_s for wall_s, _, _ in measured),
        cpu_s=statistics.median(cpu_s for _, cpu_s, _ in measured),
        torch=any(torch for _, _, torch in measured),
    )


def _once(words: tuple[str, ...], folder: Path) -> tuple[float, float, bool]:
    note = folder / "torch.txt"
    began_s = time.monotonic()
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(
            _command(note, *words), cwd=folder, env=_environment(folder), stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "said.txt").read_text())
    return wall_s, usage.ru_utime + usage.ru_stime, note.read_text() == "True"


def _command(note: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(note), *words]


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "DATA_DIR": str(folder / "data"), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}


def watched(history: History, paths: SweepPaths, folder: Path) -> Watched:
    """Watch a sweep to which something happens every two seconds, in a terminal."""
    with SweepLock.acquire(paths), _lively(history, paths) as count:
        screen, terminal = pty.openpty()
        process = subprocess.Popen(
            _command(folder / "torch.txt", "watch", "my_test"),
            env={**_environment(folder), "TERM": "xterm-256color"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        threading.Thread(target=_drain, args=(screen,), daemon=True).start()
        time.sleep(SETTLED_S)
        before_s, events = _cpu_s(process.pid), len(count)
        time.sleep(WATCHED_S)
        share = (_cpu_s(process.pid) - before_s) / WATCHED_S
        process.terminate()
        process.wait(20)
    return Watched(runs=len(history.state.runs), share=share, events=len(count) - events)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _drain(screen: int) -> None:
    while True:
        try:
            if not os.read(screen, 65536):
                return
        except OSError:
            return


@contextmanager
def _lively(history: History, paths: SweepPaths) -> Iterator[list[int]]:
    """Append a started run to the journal now and then, until the caller is done; yield what was appended."""
    over, told, appended = threading.Event(), len(history.events), []

    def tell() -> None:
        journal = SqliteJournal.open(paths, create=False)
        while not over.wait(EVENT_EVERY_S):
            number = len(history.state.runs)
            history.suggest().start(number)
            journal.append([to_json(event) for event in history.events[told + 3 * len(appended) :]])
            appended.append(number)
        journal.close()

    thread = threading.Thread(target=tell)
    thread.start()
    try:
        yield appended
    finally:
        over.set()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    taken, views, sizes = [], [], {}
    for runs in options.runs:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            history, paths = written(runs, folder)
            taken += [took(runs, command, folder, options.repetitions) for command in COMMANDS]
            sizes[runs] = (paths.root / "report.html").stat().st_size / 1e6
            views.append(watched(history, paths, folder))
    show(options.runs, taken, views, sizes)
    if options.json is not None:
        content = {
            "commands": [asdict(one) for one in taken],
            "watch": [asdict(one) for one in views],
            "report_mb": sizes,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def show(lengths: list[int], taken: list[Taken], views: list[Watched], sizes: dict[int, float]) -> None:
    heads = [f"{runs:,} runs" for runs in lengths]
    print(f"| command | {' | '.join(heads)} | imports torch |\n|---|{'---|' * len(heads)}---|")
    for command in COMMANDS:
        of_it = [one for one in taken if one.command == command]
        cells = [f"{one.cpu_s:.2f} ({one.wall_s:.2f})" for one in of_it]
        print(f"| `{command}` | {' | '.join(cells)} | {'yes' if any(one.torch for one in of_it) else 'no'} |")
    print(f"| size of the report | {' | '.join(f'{sizes[runs]:.1f} MB' for runs in lengths)} | |")
    print(f"| `watch`, share of a core | {' | '.join(f'{view.share:.1%}' for view in views)} | |")


if __name__ == "__main__":
    main()
