"""``python -m metta_sweep.results.tail PLAN ATTEMPT``: read one run's numbers while it runs, for its keeper.

It writes ``ready`` once it has looked at what was there before the run, and ends once it is told on standard input
how the run ended, or that nobody keeps it any more. It is a process of its own: neither a hanging expression nor a
huge file, nor somebody else's reader, harms the run, its keeper or the controller.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metta_sweep.result import RunPaths, finish_metrics
from metta_sweep.result.bounded import read_end
from metta_sweep.results.gathering import Gathering
from metta_sweep.results.plan import ReadingPlan
from metta_sweep.results.port import Source
from metta_sweep.store.run_log import NO_RESULT, OWN_LINE, append_line

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
"""Limits of the seconds between two looks."""

END_BYTES = 16 * 1024
"""How much of the log's end is looked at for what was said already."""

SHARE = 0.01
"""Share of one core that looks may take while the run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptToRead:
    """What the keeper says about its attempt."""

    run_dir: str
    """The run's directory."""
    cwd: str
    """The run's working directory."""
    log_start: int
    """Bytes that its log had before it."""
    log_limit: int
    """Bytes above which the log's middle is cut out."""
    keeper: int
    """The process below which it runs."""

    def source(self, plan: ReadingPlan) -> Source:
        """Return where its numbers are."""
        return Source(
            run=RunPaths(Path(self.run_dir)),
            cwd=Path(self.cwd),
            metric=plan.metric,
            path=plan.path,
            wanted=plan.metrics,
            step=plan.step,
            began_s=time.time(),
            log_start=self.log_start,
            log_limit=self.log_limit,
            is_shared=plan.is_shared,
            keeper=self.keeper,
        )


def main(arguments: list[str]) -> None:
    """Read until the run has ended, and write its result where it ended well and left none itself.

    Side effects:
        ``metrics.jsonl``, ``result.json`` and lines in the log of the run.
    """
    plan, attempt = ReadingPlan.parse(arguments[0]), AttemptToRead(**json.loads(arguments[1]))
    log = RunPaths(Path(attempt.run_dir)).log
    try:
        gathering = Gathering(plan, attempt.source(plan))
        _say("ready")
        if _follow(gathering, log):
            conclude(gathering, RunPaths(Path(attempt.run_dir)))
    except Exception as error:  # noqa: BLE001  a reader may be anybody's code; its failure is told as this run's
        append_line(log, f"{NO_RESULT}reading the run's numbers failed: {type(error).__name__}: {error}")
    _say("done")


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


def _follow(gathering: Gathering, log: Path) -> bool:
    """Read while the run goes on, and return whether it ended well."""
    pause_s = SHORTEST_PAUSE_S
    while True:
        ready, _, _ = select.select([0], [], [], pause_s)
        if ready:
            return _ended_well(os.read(0, 4096))
        began_s = time.process_time()
        gathering.gather(final=False)
        _tell(gathering, log)
        took_s = time.process_time() - began_s
        pause_s = min(max(took_s / SHARE, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)


def _tell(gathering: Gathering, log: Path) -> None:
    for note in gathering.notes.news():
        append_line(log, f"{OWN_LINE}results: {note}")


def _ended_well(told: bytes) -> bool:
    """Return whether the keeper says that the run exited with 0; nothing to read means that the keeper is gone."""
    try:
        content: dict[str, Any] = json.loads(told)
    except ValueError:
        return False
    return content.get("code") == 0


def conclude(gathering: Gathering, run: RunPaths) -> None:
    """Read what is left and write the run's result, or why there is none.

    A result that the run wrote itself stays.
    """
    gathering.gather(final=True)
    verdict = gathering.verdict()
    end = read_end(run.log, END_BYTES).decode(errors="replace") if run.log.exists() else ""
    for note in [*gathering.notes.said, *verdict.notes]:
        if note not in end:  # what was said before may have been cut out of the log's middle
            append_line(run.log, f"{OWN_LINE}results: {note}")
    if run.result.exists():
        return
    if verdict.problem:
        append_line(run.log, f"{NO_RESULT}{verdict.problem}")
        return
    try:
        finish_metrics(verdict.metrics, steps=verdict.steps, run_dir=run.root)
    except FileExistsError:
        return


if __name__ == "__main__":
    main(sys.argv[1:])
