"""What can be wrong with a journal, each with one message that names the file and what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.invocation import invoked
from metta_sweep.store.paths import SweepPaths, unknown_sweep

_NOT_THE_FILES_FAULT = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)


def _doctor(paths: SweepPaths) -> str:
    return invoked("doctor", paths.name, data_dir=paths.data_dir)


def damaged(paths: SweepPaths, what: str) -> RequestError:
    """Return the error for a journal of ours that is not as it was written."""
    return _refused(
        paths,
        f"the journal is damaged: {what}",
        f"put an intact copy of {paths.journal.name} in its place, or see what can be saved: {_doctor(paths)}",
    )


def unreadable(paths: SweepPaths, error: Exception) -> RequestError:
    """Return the error for a journal that could not be read: the file's fault, or that of what it lies on."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _NOT_THE_FILES_FAULT:
        return damaged(paths, f"it cannot be read ({error})")
    return _refused(
        paths,
        f"the journal cannot be read ({error})",
        "see that the file and its folder may be read, that the disk is well, and that no other program locks the file",
    )


def foreign(paths: SweepPaths) -> RequestError:
    """Return the error for a file of somebody else's in the journal's place."""
    return _refused(
        paths,
        "the file is not a journal of metta_sweep",
        f"move it away if it was put there by mistake, or see what can be saved: {_doctor(paths)}",
    )


def newer(paths: SweepPaths, version: int, known: int) -> RequestError:
    """Return the error for a journal of a later version of this package."""
    return _refused(
        paths,
        f"the journal was written by a newer metta_sweep (its schema is {version}, this one knows {known})",
        "pip install --upgrade metta-sweep, or choose another run=NAME",
    )


def journal_lost(paths: SweepPaths) -> RequestError:
    """Return the error for a sweep whose runs are there and whose journal is not."""
    return _refused(
        paths,
        f"the journal is missing, but the sweep has {len(paths.run_ids())} run directories",
        f"put the file back, see what can be saved ({_doctor(paths)}), or choose another run=NAME",
    )


def missing(paths: SweepPaths) -> RequestError:
    """Return the error for a sweep of which nothing is there."""
    return unknown_sweep(paths.data_dir, paths.name)


def check_known_runs(paths: SweepPaths, run_ids: Sequence[str], bodies: Sequence[Mapping[str, Any]]) -> None:
    """Check that every run directory is in the journal: a run is written down before its directory is made.

    Raises:
        RequestError: A run is unknown to the journal, so rows were lost, or the journal is another sweep's.
    """
    known = set(known_runs(bodies))
    strangers = [run_id for run_id in run_ids if run_id not in known]
    if strangers:
        raise damaged(
            paths, f"it has lost events: it knows nothing of {_some(strangers)}, which {paths.runs.name}/ holds"
        )


def known_runs(bodies: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the ids of the runs that events name, some more than once."""
    for body in bodies:
        if "run_id" in body:
            yield str(body["run_id"])
        planned = body.get("runs", ())
        for run in planned if isinstance(planned, list) else ():
            if isinstance(run, Mapping) and "run_id" in run:
                yield str(run["run_id"])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _refused(paths: SweepPaths, message: str, fix: str) -> RequestError:
    return RequestError(Problem(message=message, file=str(paths.journal), fix=fix))
