"""Which code a sweep runs: the git revision of a folder, and what differed from it, kept in the sweep's folder."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from metta_sweep.store.files import write_whole
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import CodeRevision

DIFF_LIMIT = 2**20
"""Bytes of all changes together; what goes beyond is named and left out, a file at a time."""
NAMES_LIMIT = 50
"""Changed and untracked files that are named, each."""
PATIENCE_S = 10.0
"""Seconds that each call of git may take."""

_PART = b"diff --git "
_STEADY = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--src-prefix=a/", "--dst-prefix=b/")
_SETTINGS = (
    "core.quotePath=false",
    "core.bigFileThreshold=1m",  # a larger file counts as binary
    "diff.autoRefreshIndex=false",  # it would lock the index of a person at work
    "diff.relative=false",
    "diff.submodule=short",
)


_PROGRAMS = frozenset({".py", ".sh", ".js", ".mjs", ".ts", ".jl", ".r", ".lua", ".rb", ".pl"})
"""Endings of files that are programs whether or not they may be executed."""


class UnknownRevisionError(Exception):
    """Git says nothing of a folder, and why."""


def trainers_folder(command: Sequence[str], here: Path) -> Path:
    """Return the folder of the program that a command runs: the first of its words that is one.

    Args:
        command: The words of a run, with their blanks; nothing where the trainer is the bundled one.
        here: The working directory, which it is where no word names a program, as with ``python -m PACKAGE``.
    """
    words = (Path(here, word.replace("{cwd}", str(here))) for word in command)
    return next((path.parent for path in words if _is_program(path)), here)


def _is_program(path: Path) -> bool:
    """Return whether a word of a command is a program of somebody's own; an interpreter lies in a ``bin``."""
    is_file = os.path.isfile(path)  # noqa: PTH113  # pathlib raises for a script that is a word of the command
    return is_file and path.parent.name != "bin" and (path.suffix.lower() in _PROGRAMS or os.access(path, os.X_OK))


def keep_revision(
    folder: Path, paths: SweepPaths, *, here: Path | None = None, clean: Callable[[str], str] = str
) -> CodeRevision:
    """Return the revision of a folder's repository, and keep what differs from it.

    Args:
        folder: A folder of the repository; the sweeps' own files are left out wherever they lie.
        paths: The sweep, whose folder exists.
        here: The working directory: a repository that it does not lie in is named.
        clean: Takes secrets out of a text before it is written.

    Side effects:
        Writes ``code/DIGEST.diff`` into the sweep's folder where tracked files differ; starts with the same changes
        share it. The repository itself is not touched, its index neither.
    """
    try:
        commit = _git(folder, "rev-parse", "--verify", "HEAD").decode().strip()
        top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
        where = _all_but(paths, top)
        revision = _with_names(commit, _git(folder, "status", "--porcelain=v1", "-z", "--no-renames", "--", *where))
        parts = list(_parts(_git(folder, "diff", *_STEADY, "HEAD", "--", *where))) if revision.changed else []
    except UnknownRevisionError as error:
        return CodeRevision(unknown=str(error))
    kept, left_out = _choose(parts)
    is_here = here is None or here.resolve().is_relative_to(top.resolve())
    revision = replace(revision, unkept=tuple(left_out), folder="" if is_here else str(top))
    if not kept:
        return revision
    text = _head(revision) + clean("".join(kept))
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.diff"
    paths.code.mkdir(exist_ok=True)
    write_whole(paths.code / name, text, keep_existing=True)
    return replace(revision, diff=f"{paths.code.name}/{name}")


def _git(folder: Path, *words: str) -> bytes:
    """Return what git prints.

    Raises:
        UnknownRevisionError: There is no git, no repository, no commit, or no answer in time.
    """
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", "--no-optional-locks", *settings, "-C", str(folder), *words]
    english = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, env=english, timeout=PATIENCE_S, check=False
        )
    except OSError:
        raise UnknownRevisionError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise UnknownRevisionError(f"git {words[0]} took longer than {PATIENCE_S:.0f} s") from None
    if done.returncode == 0:
        return done.stdout
    raise UnknownRevisionError(_why(words[0], done.stderr.decode("utf-8", "replace").strip()))


def _why(verb: str, said: str) -> str:
    """Return in our words why git says nothing."""
    if "not a git repository" in said:
        return "the trainer is in no git repository"
    if "Needed a single revision" in said:
        return "the git repository has no commit yet"
    return f"git {verb} failed: {said.splitlines()[0] if said else 'it does not say why'}"


def _all_but(paths: SweepPaths, top: Path) -> Sequence[str]:
    """Return the pathspecs of the whole repository without the folder of sweeps: it is ours, and changes as we go."""
    ours = paths.root.parent.resolve()
    if not ours.is_relative_to(top.resolve()):
        return (":(top)",)
    return (":(top)", f":(top,exclude,literal){ours.relative_to(top.resolve())}")


def _with_names(commit: str, status: bytes) -> CodeRevision:
    """Return the revision with the names that ``git status -z`` lists: two letters, a blank, the path."""
    entries = [entry.decode("utf-8", "replace") for entry in status.split(b"\0") if entry]
    untracked = [entry[3:] for entry in entries if entry.startswith("??")]
    changed = [entry[3:] for entry in entries if not entry.startswith("??")]
    listed = min(len(changed), NAMES_LIMIT) + min(len(untracked), NAMES_LIMIT)
    return CodeRevision(
        commit=commit,
        changed=tuple(changed[:NAMES_LIMIT]),
        untracked=tuple(untracked[:NAMES_LIMIT]),
        unlisted=len(entries) - listed,
    )


def _parts(diff: bytes) -> Iterator[bytes]:
    """Yield the diff of each file: no line of content begins as a head does.

    A head alone stands for a file that was touched and is the same.
    """
    start = 0
    while start < len(diff):
        end = diff.find(b"\n" + _PART, start) + 1 or len(diff)
        if diff.count(b"\n", start, end) > 1:
            yield diff[start:end]
        start = end


def _choose(parts: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """Return the diffs to keep and the names of the files whose diffs are left out."""
    kept: list[str] = []
    left_out: list[str] = []
    room = DIFF_LIMIT
    for part in parts:
        text = _text(part)
        if text is None or len(part) > room:
            left_out.append(_name(part))
            continue
        kept.append(text)
        room -= len(part)
    return kept, left_out[:NAMES_LIMIT]


def _text(part: bytes) -> str | None:
    """Return a file's diff as text, or None where it is none: binary, or of another encoding than UTF-8."""
    try:
        text = part.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\nBinary files " in text and "\n@@ " not in text else text


def _name(part: bytes) -> str:
    """Return the name in ``diff --git a/NAME b/NAME``: without renames both are the same."""
    names = part.splitlines()[0].removeprefix(_PART).decode("utf-8", "replace")
    return names[len(names) // 2 + 1 :].removeprefix("b/")


def _head(revision: CodeRevision) -> str:
    """Return what stands above the changes; ``git apply`` reads over it."""
    lines = [
        f"What differed from commit {revision.commit} when the sweep was started. To have it again:",
        f"git checkout {revision.commit} && git apply THIS_FILE",
        *([f"Changed, but not kept (binary or too large): {', '.join(revision.unkept)}"] if revision.unkept else []),
        *([f"Untracked, and not kept: {', '.join(revision.untracked)}"] if revision.untracked else []),
    ]
    return "".join(f"# {line}\n" for line in lines) + "\n"
