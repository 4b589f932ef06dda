"""HTML as values: text is escaped where it becomes part of a page, and nowhere else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable
from typing import Any

from metta_sweep.report.as_json import finite
from metta_sweep.report.wording import printable

_VOID = frozenset({"meta", "input", "br", "link"})


class Markup(str):
    """Text that is HTML already; :func:`tag` makes it, and only it is not escaped again."""

    __slots__ = ()


Content = str | None | Iterable["Content"]


def tag(name: str, /, *content: Content, **attributes: Any) -> Markup:
    """Return an element; text in it is escaped, None is left out, ``class_`` and ``for_`` lose their underscore.

    An attribute is left out where it is None or False, and stands alone where it is True.
    """
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    head = "".join(_attribute(key, value) for key, value in pairs if value is not None and value is not False)
    if name in _VOID:
        return Markup(f"<{name}{head}>")
    return Markup(f"<{name}{head}>{join(content)}</{name}>")


def join(content: Content) -> Markup:
    """Return content as HTML, text escaped."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return text(content)
    return Markup("".join(join(part) for part in content))


def text(plain: str) -> Markup:
    """Return text as HTML that shows it as it is."""
    return Markup(html.escape("\n".join(map(printable, plain.split("\n")))))


def json_island(identifier: str, value: Any) -> Markup:
    """Return a script element that holds JSON; no string in it can end the element or open a comment."""
    body = json.dumps(_short(finite(value)), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    safe = body.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(f'<script type="application/json" id="{html.escape(identifier)}">{safe}</script>')


def _short(value: Any) -> Any:
    """Return the value with numbers of six significant digits: more cannot be seen, and they take most of a page."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _attribute(key: str, value: Any) -> str:
    return f" {key}" if value is True else f' {key}="{html.escape(str(value))}"'
