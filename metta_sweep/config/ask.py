"""From the words on a command line to one valid request, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metta_sweep.config.answer import answer
from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import PLACE
from metta_sweep.config.composition import composed
from metta_sweep.config.flags import read_flags
from metta_sweep.config.inquiry import Inquiry
from metta_sweep.config.job import LOCAL_ONLY, Launchers
from metta_sweep.config.origins import Origins
from metta_sweep.config.request import read_request
from metta_sweep.config.training_schema import TrainingKeys, TrainingSchema
from metta_sweep.errors import Problem, RequestError

_TOLD = 50  # problems in one message


def ask(
    overrides: Sequence[str],
    *,
    training: TrainingSchema,
    cwd: Path,
    configs: Path | None = None,
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]] | None = None,
    gpus: Callable[[float | str], int | None] = lambda _: None,
    launchers: Launchers = LOCAL_ONLY,
    readers: Callable[[], Collection[str]] = tuple,
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
        readers: Says which readers of results there are; empty: nobody knows.

    Raises:
        RequestError: With every problem that could be found, each with its file, line and key.
    """
    try:
        return _asked(overrides, training, cwd.absolute(), configs, optimizer or _as_written, gpus, launchers, readers)
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
    readers: Callable[[], Collection[str]],
) -> Asked:
    typed = read_flags(overrides, cwd=cwd, configs=configs)
    if typed.question is not None:
        flag = next(word for word in overrides if word.startswith("-"))
        typed.problems.append(Problem(message="starts no sweep", key=flag, fix="leave it out"))
    keys = TrainingKeys.of(training)
    request = read_request(typed, keys)
    places, line, files, problems = request.places, request.line, request.files, request.problems
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
        readers=readers,
        keys=keys,
        tree=tree,
        origins=origins,
        problems=problems,
    )
    return answer(inquiry.findings(), cwd=cwd, sweep_file=files.asked.source.file)
