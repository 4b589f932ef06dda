"""The nearest known name to one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12  # names in a list that a person still reads


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` was most likely meant to be, or None where nothing is near.

    A path is compared with those beside it, then by its last part with all others (``learning_rate`` is meant to be
    ``trainer.learning_rate``), then as a whole.
    """
    names = sorted(set(known))
    parent, _, last = name.lower().rpartition(".")
    beside = {
        known_name.rpartition(".")[2]: known_name for known_name in names if known_name.rpartition(".")[0] == parent
    }
    everywhere = {known_name.rpartition(".")[2]: known_name for known_name in reversed(names)}
    for parts, cutoff in ((beside, 0.6), (everywhere, 0.75)):
        close = difflib.get_close_matches(last, parts, n=1, cutoff=cutoff)
        if close:
            return parts[close[0]]
    return next(iter(difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.85)), None)


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelled most like this one, or None where nothing is near."""
    return next(iter(difflib.get_close_matches(name, sorted(set(known)), n=1, cutoff=0.6)), None)


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """Return a fix that names the nearest known name, or ``otherwise`` with the list where nothing is near."""
    names = sorted(set(known))
    close = nearest(name, names)
    if close:
        return f"did you mean {close}?"
    return f"{otherwise or 'known are'}: {listing(names)}" if names else ""


def siblings(path: str, known: Iterable[str]) -> list[str]:
    """Return the known paths below the deepest parent that ``path`` shares with any of them."""
    names = list(known)
    parent = path.rpartition(".")[0]
    while parent:
        below = [name for name in names if name.startswith(f"{parent}.")]
        if below:
            return below
        parent = parent.rpartition(".")[0]
    return names


def listing(names: Iterable[str]) -> str:
    """Return names separated by commas, cut where a person would stop reading."""
    all_names = list(names)
    more = len(all_names) - _SHOWN
    return ", ".join(all_names[:_SHOWN]) + (f", … ({more} more)" if more > 0 else "")
