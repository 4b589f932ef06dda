"""A sweep that is there, asked for by its name alone: the words that it was started with, and what is said beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metta_sweep.errors import RequestError
from metta_sweep.invocation import default_data_dir, invoked, work_in
from metta_sweep.report.reading import paths_of, state_of
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState


def with_name_resolved(words: Sequence[str]) -> list[str]:
    """Return the words of a request; where the first is a sweep's name, those that it was asked for in, and the rest.

    Raises:
        RequestError: There is no such sweep, or it is not known how it was asked for.

    Side effects:
        A sweep that is named is worked on in the folder in which it was asked for.
    """
    if not words or "=" in words[0] or words[0].startswith(("-", "+", "~")):
        return list(words)
    given = [word.partition("=")[2] for word in words[1:] if _key(word) == "data_dir"]
    return words_of(paths_of(words[0], Path(given[-1]) if given else default_data_dir()), words[1:])


def words_of(paths: SweepPaths, beside: Sequence[str] = ()) -> list[str]:
    """Return the words that a sweep was asked for in, those beside in the place of words with the same key.

    Raises:
        RequestError: They are not known, or it is no search.

    Side effects:
        Goes to the folder in which it was asked for: there its words and its command mean what they meant.
    """
    state = state_of(paths)
    words = state.asked.words if state.asked is not None else ()
    if state.spec.called:
        fix = f'metta_sweep.run({state.spec.called}, …, name="{paths.name}"), with confirm= to run the best again'
        raise RequestError.of("its runs are calls of a Python function", key=paths.name, fix=fix)
    if not words:
        fix = invoked("run", f"run={paths.name}", "++sweep_params=FILE", data_dir=paths.data_dir)
        raise RequestError.of("the command that started this sweep is not known", key=paths.name, fix=fix)
    if state.spec.reruns:
        fix = invoked("rerun", *words, data_dir=paths.data_dir)
        raise RequestError.of(f"it is {state.spec.reruns} done again, not a search", key=paths.name, fix=fix)
    beside, data_dir = [_absolute(word) for word in beside], paths.data_dir.absolute()
    go_to_its_folder(state, data_dir)
    replaced = {_key(word) for word in [*beside, "data_dir=", "takeover=", "change="]}
    kept = [word for word in words if _key(word) not in replaced]
    return [*kept, f"data_dir={data_dir}", *(word for word in beside if _key(word) != "data_dir")]


def go_to_its_folder(state: SweepState, data_dir: Path) -> None:
    """Go to the folder in which a sweep was asked for, where that is known and still there.

    Args:
        state: The sweep.
        data_dir: Where it lies now, absolute.
    """
    folder = state.asked.folder if state.asked is not None else ""
    there = data_dir / folder
    if folder and there.is_dir():
        work_in(there.resolve())


def _absolute(word: str) -> str:
    """Return a word that names a sweep file as it is named from anywhere."""
    sign, _, value = word.partition("=")
    is_file = _key(word) == "sweep_params" and Path(value).is_file()
    return f"{sign}={Path(value).absolute()}" if is_file else word


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+")
