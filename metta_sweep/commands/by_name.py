"""A sweep that is there, asked for by its name alone: the words that it was started with, and what is said beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from metta_sweep.errors import RequestError
from metta_sweep.report.reading import default_data_dir, paths_of, state_of
from metta_sweep.store.paths import SweepPaths


def with_name_resolved(words: Sequence[str]) -> list[str]:
    """Return the words of a request; where the first is a sweep's name, those that it was asked for in, and the rest.

    Raises:
        RequestError: There is no such sweep, or it is not known how it was asked for.
    """
    if not words or "=" in words[0] or words[0].startswith(("-", "+", "~")):
        return list(words)
    given = [word.partition("=")[2] for word in words[1:] if _key(word) == "data_dir"]
    return words_of(paths_of(words[0], Path(given[-1]) if given else default_data_dir()), words[1:])


def words_of(paths: SweepPaths, beside: Sequence[str] = ()) -> list[str]:
    """Return the words that a sweep was asked for in, those beside in the place of words with the same key.

    Raises:
        RequestError: They are not known.
    """
    state = state_of(paths)
    words = state.asked.words if state.asked is not None else ()
    if not words:
        fix = f"metta-sweep run run={paths.name} ++sweep_params=FILE"
        raise RequestError.of("the command that started this sweep is not known", key=paths.name, fix=fix)
    replaced = {_key(word) for word in [*beside, "data_dir=", "takeover=", "change="]}
    kept = [word for word in words if _key(word) not in replaced]
    own = [] if any(_key(word) == "data_dir" for word in beside) else [f"data_dir={paths.data_dir}"]
    return [*kept, *own, *beside]


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+")
