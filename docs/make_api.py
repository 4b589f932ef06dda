"""Write docs/api.md from the docstrings of what the package exports."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import metta_sweep
from metta_sweep.optimize.port import Expectation, Prediction, Recommendation, Suggestion
from metta_sweep.result import writing

PAGE = Path(__file__).resolve().with_name("api.md")
HEAD = """# Python

Made from the docstrings by `python -m docs.make_api`. `import metta_sweep` loads the standard library only; each part
loads what it needs when it is first used.
"""
METHODS = {
    "Protein": (
        "suggest",
        "observe",
        "observe_by_seed",
        "observe_failure",
        "ask",
        "tell",
        "expect",
        "best",
        "outlook",
        "observe_partial",
        "reconsider",
    ),
    "Sweep": ("open", "best", "frame", "report", "suggestions"),
    "Trial": ("report", "should_stop", "finish"),
}
"""What is shown of a class, in this order."""
_NAME = re.compile(r"^(\w+(?:, \w+)*): ")
_SECTION = re.compile(r"^(Args|Returns|Raises|Side effects|Example):$", re.MULTILINE)


def page() -> str:
    """Return the page as the code is."""
    parts = [HEAD]
    for name in ("report", "finish", "should_stop"):
        parts += [
            "## In a training script\n" if name == "report" else "",
            *_function(f"metta_sweep.{name}", getattr(writing, name)),
        ]
    parts.append("## A sweep over a Python function\n")
    for name in ("run", "run_async"):
        parts += _function(f"metta_sweep.{name}", getattr(metta_sweep, name))
    for cls in (metta_sweep.Trial, metta_sweep.Sweep, metta_sweep.Protein):
        parts += _class(cls)
    parts.append("## What a suggestion holds\n")
    for cls in (Suggestion, Prediction, Expectation, Recommendation):
        parts += _fields(cls)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def _class(cls: type) -> Iterator[str]:
    yield f"## metta_sweep.{cls.__name__}\n\n{_text(cls)}\n"
    if not is_dataclass(cls):
        yield from _function(f"metta_sweep.{cls.__name__}", cls.__init__)
    for name in METHODS[cls.__name__]:
        member = inspect.getattr_static(cls, name)
        if isinstance(member, property):
            yield f"### .{name}\n\n{_text(member.fget)}\n"
        else:
            yield from _function(f".{name}", getattr(cls, name))


def _function(shown: str, function: Any) -> Iterator[str]:
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
    words = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature.replace(parameters=kept)))
    yield f"### {shown}\n\n```python\n{shown.lstrip('.')}{words}\n```\n\n{_text(function)}\n"


def _fields(cls: type) -> Iterator[str]:
    yield f"### {cls.__name__}\n\n{_text(cls)}\n"
    body = ast.parse(inspect.getsource(cls)).body[0]
    assert isinstance(body, ast.ClassDef)
    said = {
        node.target.id: inspect.cleandoc(after.value.value)
        for node, after in zip(body.body, body.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
    yield "\n".join(f"- `{each.name}`: {_flat(said.get(each.name, ''))}" for each in fields(cls)) + "\n"


def _text(documented: Any) -> str:
    """Return a Google docstring as Markdown: its sections become lists."""
    text = inspect.getdoc(documented) or ""
    first, *sections = _SECTION.split(text)
    shown = [first.strip().replace("``", "`")]
    for title, content in zip(sections[::2], sections[1::2], strict=True):
        lines = inspect.cleandoc("\n" + content.strip("\n"))
        shown.append(
            f"**{title}**\n\n{_entries(lines) if title != 'Example' else f'```python{chr(10)}{lines}{chr(10)}```'}"
        )
    return re.sub(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", "\n\n".join(shown))


def _entries(text: str) -> str:
    entries = re.split(r"\n(?=\S)", text.strip())
    return "\n".join("- " + _flat(_NAME.sub(r"`\1`: ", entry)) for entry in entries)


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("``", "`").replace("**", r"\*\*").strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
