"""Config trees: nested plain mappings, and the dotted paths of what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()
"""What :func:`get` returns where there is nothing."""


def leaves(tree: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and value of everything that is not a mapping; an empty mapping inside is a leaf."""
    if isinstance(tree, Mapping) and (tree or not above):
        for key, value in tree.items():
            yield from leaves(value, f"{above}.{key}" if above else str(key))
    else:
        yield above, tree


def texts(tree: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted path and text of every string, those in lists too."""
    if isinstance(tree, str):
        yield above, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from texts(value, f"{above}.{key}" if above else str(key))
    elif isinstance(tree, list | tuple):
        for number, value in enumerate(tree):
            yield from texts(value, f"{above}.{number}")


def get(tree: Any, path: str) -> Any:
    """Return the value at a dotted path, or ``MISSING``; a key that has dots itself is found too."""
    rest = path
    while rest:
        if not isinstance(tree, Mapping):
            return MISSING
        if rest in tree:
            return tree[rest]
        key, _, rest = rest.partition(".")
        if key not in tree:
            return MISSING
        tree = tree[key]
    return MISSING


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Store a value at a dotted path.

    What stands in the way is replaced by mappings, but for a text: that is the choice of a config group, and what is
    inside of the group gets a dotted key beside it.
    """
    *parents, last = path.split(".")
    for at, key in enumerate(parents):
        if isinstance(tree.get(key), str):
            tree[".".join(path.split(".")[at:])] = value
            return
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[last] = value


def copied(tree: Any) -> Any:
    """Return the same tree in mappings and lists of its own."""
    if isinstance(tree, Mapping):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list | tuple) else tree


def with_values(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a tree with other values at dotted paths."""
    changed: dict[str, Any] = copied(tree)
    for path, value in values.items():
        put(changed, path, value)
    return changed


def nested(tree: Any) -> Any:
    """Return the tree with every dotted key written out as mappings; the later of two values wins.

    A key inside of a text, which is then the choice of a config group, keeps its dots; see :func:`put`.
    """
    if not isinstance(tree, Mapping):
        return tree
    result: dict[str, Any] = {}
    for key, value in tree.items():
        _merge(result, str(key).split("."), nested(value))
    return result


def _merge(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for at, key in enumerate(keys[:-1]):
        if isinstance(tree.get(key), str):
            tree[".".join(keys[at:])] = value
            return
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    last = keys[-1]
    if isinstance(value, dict) and isinstance(tree.get(last), dict):
        for key, below in value.items():
            _merge(tree[last], [key], below)
    else:
        tree[last] = value
