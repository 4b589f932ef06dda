"""A request before it is composed: the command line in parts, the sweep files, and what is wrong with them so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metta_sweep.config.command_line import CHANGES, PLACE, CommandLine, ValueOverride, changes_said, read_command_line
from metta_sweep.config.flags import Typed
from metta_sweep.config.job import JOB_KEYS, name_problem
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.sweep_file import SWEEP_KEYS
from metta_sweep.config.sweep_files import SweepFiles
from metta_sweep.config.training_schema import TrainingKeys
from metta_sweep.errors import Problem, RequestError
from metta_sweep.invocation import program, typed_in
from metta_sweep.nearest import did_you_mean, nearest

COMMANDS = ("sweep", "plan")
"""What ``cmd`` may be."""
SWITCH = ("true", "false")
"""What ``takeover`` may be."""
_EXAMPLE = "run=my_test ++sweep_params=sweep/my_test_sweep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is composed."""

    places: ConfigPlaces
    """Where configs lie."""
    line: CommandLine
    """The overrides, sorted by what they do."""
    files: SweepFiles
    """The asked sweep file and those it extends; none where a question does not name one."""
    problems: list[Problem]
    """What is wrong so far."""


def read_request(typed: Typed, keys: TrainingKeys) -> Request:
    """Read a command line and the sweep files that it names.

    Args:
        typed: The words, told from Hydra's flags. A question about the config needs neither name nor sweep file.
        keys: The training config's keys.

    Raises:
        RequestError: Nothing can be composed; with all problems so far.
    """
    places = typed.places
    line = read_command_line(typed.words, groups=places.groups())
    flagged = [problem.located(PLACE) for problem in typed.problems]
    problems = [*flagged, *line.problems, *_word_problems(line, complete=typed.question is None)]
    files = SweepFiles(places=places, groups=places.groups(), training=keys, free=line.gives("command"))
    if typed.question is None or "sweep_params" in line.words:
        _read_files(files, line, problems)
    free = line.gives("command") or line.gives("sweep.command") or files.command
    problems += _drop_unknown(line, keys, files.swept, free=free)
    return Request(places=places, line=line, files=files, problems=problems)


def _starter() -> str:
    """Return what starts a sweep here: a checkout has a script for it."""
    return "./devops/sweep.sh" if (typed_in() / "devops" / "sweep.sh").exists() else f"{program()} run"


def _word_problems(line: CommandLine, *, complete: bool) -> Iterator[Problem]:
    name, cmd = line.words.get("run"), line.words.get("cmd", "sweep")
    takeover = line.words.get("takeover", "false")
    if name is None:
        if complete:
            yield Problem(
                message="need the sweep's name",
                key="run",
                file=PLACE,
                fix=f"add run=NAME, as in {_starter()} {_EXAMPLE}",
            )
    elif name_problem(name):
        yield Problem(message=str(name_problem(name)), key="run", file=PLACE)
    if cmd not in COMMANDS:
        fix = did_you_mean(cmd, COMMANDS)
        yield Problem(message=f"need one of {', '.join(COMMANDS)}, got {cmd[:80]!r}", key="cmd", file=PLACE, fix=fix)
    for word in changes_said(line):
        if word not in CHANGES:
            fix = did_you_mean(word, CHANGES)
            yield Problem(message=f"need {' or '.join(CHANGES)}, got {word[:80]!r}", key="change", file=PLACE, fix=fix)
    if takeover not in SWITCH:
        yield Problem(message=f"need true or false, got {takeover[:80]!r}", key="takeover", file=PLACE)


def _read_files(files: SweepFiles, line: CommandLine, problems: list[Problem]) -> None:
    """Read the asked sweep file and those it extends.

    Raises:
        RequestError: Nothing can be composed from them; with all problems so far.
    """
    places = files.places
    try:
        if "sweep_params" not in line.words:
            there_are = ", ".join(f"sweep/{name}" for name in places.options("sweep"))
            fix = f"add ++sweep_params=sweep/NAME; there are: {there_are}"
            raise RequestError(Problem(message="need a sweep file", key="sweep_params", fix=fix))
        files.add(places.sweep_file(line.words["sweep_params"]))
    except RequestError as error:
        here = [problem if problem.file else problem.located(PLACE) for problem in error.problems]
        raise RequestError(*problems, *files.problems, *here) from error
    problems += files.problems
    if any(file.unusable for file in files.files.values()):
        raise RequestError(*problems)


def _drop_unknown(line: CommandLine, keys: TrainingKeys, swept: set[str], *, free: bool) -> list[Problem]:
    """Take values with an unknown root key off the command line and return a problem for each."""
    problems, kept = [], []
    own = {path.partition(".")[0] for path in swept if "." in path} if free else set()
    for given in line.values:
        is_own = given.key in swept or given.key.removeprefix("sweep.").partition(".")[0] in own
        fix = "" if is_own else _unknown_fix(given, [*JOB_KEYS, *keys.roots], keys, free=free)
        if fix:
            problems.append(Problem(message="there is no such setting", key=given.key, file=PLACE, fix=fix))
        else:
            kept.append(given)
    line.values[:] = kept
    return problems


def _unknown_fix(given: ValueOverride, known: Sequence[str], keys: TrainingKeys, *, free: bool) -> str:
    """Return what may have been meant by an unknown key; empty for a known one."""
    root, _, below = given.key.partition(".")
    if root in known and (root != "sweep" or free):
        return ""
    if root == "sweep":
        inner, inside = below.partition(".")[0], [*SWEEP_KEYS, *keys.roots]
        return "" if inner in inside else did_you_mean(inner, inside)
    return "" if free and not nearest(root, known) else did_you_mean(root, known)
