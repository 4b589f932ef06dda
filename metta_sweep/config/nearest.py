"""The nearest known name to one that is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN = 12  # names in a list that a person still reads


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` was most likely meant to be, or None where nothing is near.

    Whole names are compared first, then last parts: ``learning_rate`` is meant to be ``trainer.learning_rate``.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.65)
    if close:
        return close[0]
    by_last = {known_name.rpartition(".")[2]: known_name for known_name in names}
    close = difflib.get_close_matches(name.rpartition(".")[2].lower(), by_last, n=1, cutoff=0.75)
    return by_last[close[0]] if close else None


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
