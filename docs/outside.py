"""Bring into the site what its pages link to outside docs/: benchmarks, examples, configs, source; and every option.

A hook of mkdocs (``mkdocs.yml``). On GitHub the same links lead to the files themselves.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from metta_sweep.commands.cli import COMMANDS, program

ROOT = Path(__file__).resolve().parents[1]
DOCS, PROJECT, OPTIONS = "docs/", "project/", "project/options.md"
PICTURES = (".png", ".svg", ".gif")
_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_KIND = re.compile(r"^```(\w+) \S+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page or a picture for each file outside docs/ that a page links to, and the page of all options."""
    waiting = [f"{DOCS}{file.src_uri}" for file in files.documentation_pages()]
    seen = set(waiting)
    while waiting:
        for linked in linked_from(waiting.pop()):
            if linked not in seen and not linked.startswith(DOCS) and (ROOT / linked).is_file():
                seen.add(linked)
                waiting += [linked] * linked.endswith(".md")
                files.append(brought_in(linked, config))
    files.append(File.generated(config, OPTIONS, content=options()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead the links of a page to where the site has what they name."""
    del config, files
    here = in_project(page.file.src_uri)

    def led(found: re.Match[str]) -> str:
        head, link, tail = found.groups()
        if "://" in link:
            return found[0]
        there = in_site(posixpath.normpath(posixpath.join(posixpath.dirname(here), link)))
        return f"{head}{posixpath.relpath(there, posixpath.dirname(page.file.src_uri) or '.')}{tail}"

    return _KIND.sub(r"```\1", _LINK.sub(led, markdown))


def linked_from(page: str) -> Iterator[str]:
    """Yield the files, from the top of the project, that one of its pages links to."""
    text = (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).is_file() else ""
    for _, link, _ in _LINK.findall(text):
        if "://" not in link:
            yield posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def in_site(path: str) -> str:
    """Return where the site has a file of the project."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    shown_as_it_is = path.endswith((".md", *PICTURES))
    return f"{PROJECT}{path}" if shown_as_it_is else f"{PROJECT}{path}.md"


def in_project(page: str) -> str:
    """Return the file of the project that a page of the site is made from."""
    return page.removeprefix(PROJECT) if page.startswith(PROJECT) else f"{DOCS}{page}"


def brought_in(path: str, config: MkDocsConfig) -> File:
    """Return a file of the project as one of the site: source becomes a page that shows it."""
    file = ROOT / path
    if path.endswith(PICTURES):
        return File.generated(config, in_site(path), abs_src_path=str(file))
    text = file.read_text(encoding="utf-8")
    if not path.endswith(".md"):
        text = f"# {path}\n\n````{PurePosixPath(path).suffix.lstrip('.')}\n{text}\n````\n"
    return File.generated(config, in_site(path), content=text)


def options() -> str:
    """Return the page of all commands with all their options, as `--help` prints them."""
    context = click.Context(program, info_name="metta-sweep", max_content_width=100, terminal_width=100)
    parts = ["# Every option\n\nWhat `metta-sweep COMMAND --help` prints. [Examples](../command_line.md)."]
    for section, names in COMMANDS.items():
        parts.append(f"## {section}")
        parts += [f"### {name}\n\n```text\n{help_of(name, context)}\n```" for name in names]
    return "\n\n".join(parts) + "\n"


def help_of(name: str, context: click.Context) -> str:
    """Return the help of one command."""
    command = program.get_command(context, name)
    assert command is not None
    return command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=100))
