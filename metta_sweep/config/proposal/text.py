"""The proposed sweep file as text, with a comment on everything that a person may want to change."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from metta_sweep.config.proposal.metrics import Chosen
from metta_sweep.config.proposal.ranges import Proposal

WIDTH = 118
"""Characters of a line of comment."""

_UNQUOTED = re.compile(r"[\w./:=@%+,{}-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Everything that the file says."""

    command: Sequence[str]
    """The command with its placeholders."""
    looked_at: str
    """What it was made from, in a line."""
    start: str
    """What to type to start the sweep."""
    proposals: Sequence[Proposal]
    """The parameters."""
    left_alone: Sequence[str]
    """Names of options that are not for a search: length, place, books."""
    chosen: Chosen
    """The metric and its reader."""
    rollout_count: int
    """Rollouts in total."""


def text_of(proposed: Proposed) -> str:
    """Return the file."""
    return "\n".join(_lines(proposed)) + "\n"


def _lines(proposed: Proposed) -> Iterator[str]:
    chosen = proposed.chosen
    yield "# @package _global_"
    yield f"# {_comment(proposed.looked_at)}"
    yield f"# Look through it, then: {_comment(proposed.start)}"
    yield f"rollout_count: {proposed.rollout_count}"
    yield ""
    yield "sweep:"
    yield f"  command: {_command(proposed.command)}"
    if chosen.results:
        yield f"  results: {_flow(chosen.results)}"
    else:
        yield "  # results: left out, since the program writes result.json itself"
    yield from _wrapped("also found", chosen.others, "  ")
    yield f"  metric: {_flow(chosen.metric)}"
    yield f"  goal: {chosen.goal}" + (
        "" if chosen.is_sure else "  # a guess: the name does not say which way is better"
    )
    yield ""
    yield "  parameters:"
    for proposal in proposed.proposals:
        if proposal.is_searched:
            yield from _parameter(proposal, "    ")
    rest = [proposal for proposal in proposed.proposals if not proposal.is_searched]
    if rest:
        yield "    # Not searched; take the # away to do so:"
        for proposal in rest:
            yield from _parameter(proposal, "    # ")
    head = "Left at their defaults (how long a run is, its files, its logging, texts)"
    yield from _wrapped(head, proposed.left_alone, "  ")


def _parameter(proposal: Proposal, margin: str) -> Iterator[str]:
    default = proposal.option.default
    shown = "" if default is None else f", {_comment(_flow(default))} by default"
    yield f"{margin}{_flow(proposal.option.name)}: {_flow(proposal.leaf)}  # {proposal.what}{shown}"


def _command(words: Sequence[str]) -> str:
    return _flow(" ".join(word if _UNQUOTED.fullmatch(word) else _quoted(word) for word in words))


def _quoted(word: str) -> str:
    """Return a word as a command line has it, in double quotes where it has single ones and nothing worse."""
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\]', word) else shlex.quote(word)


def _flow(value: Any) -> str:
    """Return a value as YAML in one line."""
    dumped = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return str(dumped).removesuffix("\n").removesuffix("\n...")


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _wrapped(head: str, names: Sequence[str], margin: str) -> Iterator[str]:
    line = f"{margin}# {head}:"
    for at, name in enumerate(names):
        word = f" {_comment(name)}{',' if at < len(names) - 1 else ''}"
        if len(line) + len(word) > WIDTH:
            yield line
            line = f"{margin}#  "
        line += word
    if names:
        yield line
