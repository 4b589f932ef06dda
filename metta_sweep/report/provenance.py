"""With which code a run was made: the git revision, what differed from it, and the versions, in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from metta_sweep.report.place import Place
from metta_sweep.report.wording import count, printable
from metta_sweep.sweep.events import SweepAsked
from metta_sweep.sweep.records import CodeRevision
from metta_sweep.sweep.state import SweepState

SHORT = 12
"""Digits of a commit's hash that are shown."""
NAMED = 5
"""Files that are named in one sentence."""


def made_with(start: SweepAsked | None, place: Place, run_id: str) -> Iterator[tuple[str, str]]:
    """Yield the versions, the revision and what has that code again, each with its name.

    Args:
        start: The start of the sweep that started the run; None where another machine did.
        place: Where the reader stands.
        run_id: The run.
    """
    if start is None:
        yield "Code", "another machine's, which tells its revision"
        return
    if start.versions:
        yield "Made with", versions_in_words(start)
    if start.code is not None:
        yield "Code", code_in_words(start.code, place, run_id)
    if restore := restore_command(start.code, place, run_id):
        yield "To have it again", restore


def code_in_words(code: CodeRevision | None, place: Place, run_id: str) -> str:
    """Return the revision and what differed from it in a line, such as ``git 602cfc0a1b2c; nothing changed``."""
    if code is None:
        return ""
    if code.unknown:
        return f"git revision not known: {printable(code.unknown)}"
    where = f" of {printable(code.folder)}" if code.folder else ""
    return "; ".join([f"git {code.commit[:SHORT]}{where}", *_differences(code, place, run_id)])


def _differences(code: CodeRevision, place: Place, run_id: str) -> Iterator[str]:
    if not code.is_dirty:
        yield "nothing changed"
    if code.changed:
        diff = diff_file(code, place, run_id)
        kept = f", kept in {place.show(diff)}" if diff is not None else ""
        yield f"{count(len(code.changed), 'file')} changed ({_listed(code.changed)}){kept}"
    if code.unkept:
        yield f"not kept, since binary or too large: {_listed(code.unkept)}"
    if code.untracked:
        yield f"{len(code.untracked)} untracked, not kept ({_listed(code.untracked)})"
    if code.unlisted:
        yield f"{code.unlisted} more of either kind"


def diff_file(code: CodeRevision, place: Place, run_id: str) -> Path | None:
    """Return the file that has the changes; None where there are none."""
    return place.paths.run(run_id).root.parent.parent / code.diff if code.diff else None


def restore_command(code: CodeRevision | None, place: Place, run_id: str) -> str:
    """Return what to type to have the code again, in its repository where that is not named; empty where unknown."""
    if code is None or not code.commit:
        return ""
    diff = diff_file(code, place, run_id)
    git = f"git -C {shlex.quote(code.folder)}" if code.folder else "git"
    again = f"{git} checkout {code.commit[:SHORT]}"
    if diff is None:
        return again
    return f"{again} && {git} apply {shlex.quote(str(diff.absolute())) if code.folder else place.quoted(diff)}"


def different_starts(state: SweepState) -> list[SweepAsked]:
    """Return the starts of a sweep whose code, versions or host differ from those of the start before."""
    found: list[SweepAsked] = []
    for start in state.starts:
        if not found or _made_by(start) != _made_by(found[-1]):
            found.append(start)
    return found


def _made_by(start: SweepAsked) -> tuple[object, ...]:
    return start.code, dict(start.versions), start.host


def versions_in_words(start: SweepAsked) -> str:
    """Return ``python 3.11.2, torch 2.13.0``."""
    return ", ".join(f"{printable(name)} {printable(value)}" for name, value in start.versions.items())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(printable, names[:NAMED]))
    return f"{shown}, …" if len(names) > NAMED else shown
