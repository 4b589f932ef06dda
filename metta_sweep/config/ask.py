"""From the words on a command line to one valid request, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from metta_sweep.config.answer import answer
from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import PLACE, CommandLine, ValueOverride, read_command_line
from metta_sweep.config.composition import composed
from metta_sweep.config.inquiry import Inquiry
from metta_sweep.config.job import JOB_KEYS, LOCAL_ONLY, Launchers, name_problem
from metta_sweep.config.nearest import did_you_mean, nearest
from metta_sweep.config.origins import Origins
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.sweep_file import SWEEP_KEYS
from metta_sweep.config.sweep_files import SweepFiles
from metta_sweep.config.training_schema import TrainingKeys, TrainingSchema
from metta_sweep.errors import Problem, RequestError

COMMANDS = ("sweep", "plan")
"""What ``cmd`` may be."""
SWITCH = ("true", "false")
"""What ``takeover`` may be."""
_TOLD = 50  # problems in one message
_EXAMPLE = "./devops/sweep.sh run=my_test ++sweep_params=sweep/my_test_sweep"


def ask(
    overrides: Sequence[str],
    *,
    training: TrainingSchema,
    cwd: Path,
    configs: Path | None = None,
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    gpus: Callable[[float | str], int | None] = lambda _: None,
    launchers: Launchers = LOCAL_ONLY,
) -> Asked:
    """Compose and validate a request.

    Args:
        overrides: Hydra overrides as typed: ``run=NAME ++sweep_params=sweep/FILE …``.
        training: What the bundled trainer knows about its config.
        cwd: Working directory, for paths and for a ``configs`` folder of its own.
        configs: The project's config folder; by default the one that came with the package.
        optimizer: Returns the optimizer's settings as they are understood, given its name and what was written; raises
            RequestError where either is wrong. None: nobody looks at them.
        launchers: The settings of each launcher there is, by kind.
        gpus: Says for a ``launcher.gpus_per_run`` how many a run on this machine is shown; None: all there are.

    Raises:
        RequestError: With every problem that could be found, each with its file, line and key.
    """
    try:
        return _asked(overrides, training, cwd.absolute(), configs, optimizer or _as_written, gpus, launchers)
    except RequestError as error:
        raise RequestError(*in_order(error.problems)) from None


def _as_written(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Stand in for whoever knows optimizers."""
    del name
    return settings


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return problems as a person mends them: the command line, then file by file from the top, each once."""
    shown = [
        Problem(
            message=_printable(problem.message),
            key=_printable(problem.key),
            file=_printable(problem.file),
            line=problem.line,
            fix=_printable(problem.fix),
        )
        for problem in problems
    ]
    distinct = {(problem.file, problem.key, problem.message): problem for problem in shown}
    files = list(dict.fromkeys((PLACE, *(problem.file for problem in distinct.values()))))
    ordered = sorted(distinct.values(), key=lambda problem: (files.index(problem.file), problem.line or 0))
    more = len(ordered) - _TOLD
    return ordered if more <= 0 else [*ordered[:_TOLD], Problem(message=f"and {more} more mistakes")]


def _printable(text: str) -> str:
    """Return a text in which what a terminal would act upon is written out; line ends are kept."""
    return "".join(each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)


def _asked(
    overrides: Sequence[str],
    training: TrainingSchema,
    cwd: Path,
    configs: Path | None,
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
    gpus: Callable[[float | str], int | None],
    launchers: Launchers,
) -> Asked:
    places = ConfigPlaces.of(cwd) if configs is None else ConfigPlaces.at(configs, cwd)
    keys = TrainingKeys.of(training)
    line = read_command_line(overrides, groups=places.groups())
    problems = [*line.problems, *_word_problems(line)]
    files = _sweep_files(places, line, keys, problems)
    free = line.gives("command") or line.gives("sweep.command") or files.command
    problems += _drop_unknown(line, keys, files.swept, free=free)
    try:
        tree = composed(places, line, files)
        origins = Origins.of(places, line, files, tree.choices)
    except RequestError as error:
        raise RequestError(*problems, *error.problems) from error
    inquiry = Inquiry(
        line=line,
        schema=training,
        optimizer=optimizer,
        gpus=gpus,
        launchers=launchers,
        keys=keys,
        tree=tree,
        origins=origins,
        problems=problems,
    )
    return answer(inquiry.findings(), cwd=cwd, sweep_file=files.asked.source.file)


def _word_problems(line: CommandLine) -> Iterator[Problem]:
    name, cmd = line.words.get("run"), line.words.get("cmd", "sweep")
    takeover = line.words.get("takeover", "false")
    if name is None:
        yield Problem(message="need the sweep's name", key="run", file=PLACE, fix=f"add run=NAME, as in {_EXAMPLE}")
    elif name_problem(name):
        yield Problem(message=str(name_problem(name)), key="run", file=PLACE)
    if cmd not in COMMANDS:
        fix = did_you_mean(cmd, COMMANDS)
        yield Problem(message=f"need one of {', '.join(COMMANDS)}, got {cmd[:80]!r}", key="cmd", file=PLACE, fix=fix)
    if takeover not in SWITCH:
        yield Problem(message=f"need true or false, got {takeover[:80]!r}", key="takeover", file=PLACE)


def _sweep_files(places: ConfigPlaces, line: CommandLine, keys: TrainingKeys, problems: list[Problem]) -> SweepFiles:
    """Read the asked sweep file and those it extends.

    Raises:
        RequestError: Nothing can be composed from them; with all problems so far.
    """
    files = SweepFiles(places=places, groups=places.groups(), training=keys, free=line.gives("command"))
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
    return files


def _drop_unknown(line: CommandLine, keys: TrainingKeys, swept: set[str], *, free: bool) -> list[Problem]:
    """Take values with an unknown root key off the command line and return a problem for each."""
    problems, kept = [], []
    for given in line.values:
        fix = "" if given.key in swept else _unknown_fix(given, [*JOB_KEYS, *keys.roots], keys, free=free)
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
