"""The run directories: made once, never overwritten, read at any time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from metta_sweep.result import Evaluation, RunPaths, RunResult, read_evaluations, read_result
from metta_sweep.result.bounded import UnusableFileError, read_end
from metta_sweep.store.files import write_whole
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.run_log import ATTEMPT_LINE

LOG_TAIL_BYTES = 16 * 1024
"""How much of a log's end is read."""

CURVE_BYTES = 4 * 1024 * 1024
"""How much is read of a run's evaluations: the end of a run is not kept waiting by a gigabyte of them."""

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class RunDirectories:
    """The run directories of one sweep; implements the port ``RunStore``.

    Args:
        paths: The sweep's files.
        sync: Have a run's own files on disk before its command is started; otherwise each attempt writes them anew,
            since a power cut may have left them empty.
    """

    def __init__(self, paths: SweepPaths, *, sync: bool = True) -> None:
        self._paths = paths
        self._sync = sync

    def prepare(
        self,
        run_id: str,
        *,
        config: Mapping[str, Any],
        suggestion: Mapping[str, Any],
        has_workdir: bool = False,
        files: Mapping[str, str] | None = None,
    ) -> RunPaths:
        """Make the run's directory with its config and its suggestion; a synced file that is there already is kept.

        Args:
            run_id: ``NAME.r.K``.
            config: The whole resolved training config, of built-in types.
            suggestion: What Protein proposed, of built-in types.
            has_workdir: Whether its command is started in a directory of its own.
            files: Texts of further files, by their paths in the directory.

        Raises:
            yaml.representer.RepresenterError: A value is of no built-in type.
        """
        run = self._paths.run(run_id)
        self._make_folders(run, has_workdir=has_workdir)
        texts = {run.config: to_yaml(config), run.suggestion: to_yaml(suggestion)}
        texts |= {run.root / name: text for name, text in (files or {}).items()}
        for path, text in texts.items():
            if not self._sync or not path.exists():
                path.parent.mkdir(exist_ok=True)
                write_whole(path, text, keep_existing=self._sync, sync=self._sync)
        return run

    def _make_folders(self, run: RunPaths, *, has_workdir: bool) -> None:
        for folder in (run.attempts, *([run.workdir] if has_workdir else [])):
            folder.mkdir(parents=True, exist_ok=True)

    def paths(self, run_id: str) -> RunPaths:
        """Return the run's paths, whether or not they exist."""
        return self._paths.run(run_id)

    def result(self, run_id: str) -> RunResult | None:
        """Return the run's result, or None where there is none yet.

        Raises:
            ResultError: The file holds no result.
            OSError: The file system does not let it be read at this moment.
        """
        return read_result(self._paths.run(run_id))

    def evaluations(self, run_id: str) -> Iterator[Evaluation]:
        """Yield the run's evaluations so far, in the order written; of a file beyond ``CURVE_BYTES`` some of them."""
        return read_evaluations(self._paths.run(run_id), CURVE_BYTES)

    def report_bytes(self, run_id: str) -> int:
        """Return how many bytes the run's evaluations have by now; 0 where there are none."""
        try:
            return self._paths.run(run_id).metrics.stat().st_size
        except OSError:
            return 0

    def set_result_aside(self, run_id: str, attempt: int) -> None:
        """Rename what an attempt left as a result: the next one's is not taken for it. Nor is it asked to stop."""
        run = self._paths.run(run_id)
        with contextlib.suppress(OSError):
            run.result.rename(run.result.with_name(f"result.attempt-{attempt}.json"))
        for mark in (run.stop, run.asks_stop, run.saw_stop):
            mark.unlink(missing_ok=True)

    def ask_to_stop(self, run_id: str) -> bool:
        """Leave word that the run is to end early, and return whether it looks for that by itself."""
        run = self._paths.run(run_id)
        with contextlib.suppress(OSError):
            run.stop.touch()
        return run.asks_stop.exists()

    def saw_stop(self, run_id: str) -> bool:
        """Return whether the run has seen that it is to end early: a result that it left is not one of a whole run."""
        return self._paths.run(run_id).saw_stop.exists()

    def has_checkpoint(self, run_id: str) -> bool:
        """Return whether the run has left a checkpoint that it can go on from."""
        return any(self._paths.run(run_id).checkpoints.glob("*"))

    def set_run_aside(self, run_id: str, attempt: int) -> None:
        """Rename the directory of a run that is begun anew after so many attempts; it may have been renamed already.

        Raises:
            OSError: It cannot be.
        """
        run, aside = self._paths.run(run_id), self._paths.aside(run_id, attempt)
        if run.root.exists() and not aside.root.exists():
            run.root.rename(aside.root)

    def log_tail(self, run_id: str) -> str:
        """Return the end of what the run's last attempt wrote, at most ``LOG_TAIL_BYTES``; empty without a log."""
        try:
            text = read_end(self._paths.run(run_id).log, LOG_TAIL_BYTES).decode(errors="replace")
        except (OSError, UnusableFileError):
            return ""
        return _of_last_attempt(text)


def to_yaml(content: Mapping[str, Any]) -> str:
    """Return the mapping as YAML, keys in the order given."""
    text = yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return str(text)


def _of_last_attempt(text: str) -> str:
    """Leave out what earlier attempts wrote: their errors are not this attempt's."""
    start = text.rfind(ATTEMPT_LINE)
    if start < 0 or (start > 0 and text[start - 1] != "\n"):
        return text
    return text[start:].partition("\n")[2]
