"""From what was found of a program to the text of a sweep file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from metta_sweep.config.proposal.metrics import Chosen
from metta_sweep.config.proposal.options import Option
from metta_sweep.config.proposal.pairs import Pairs
from metta_sweep.config.proposal.ranges import proposals, seed_of
from metta_sweep.config.proposal.text import Proposed, text_of
from metta_sweep.secrecy import is_secret

A_PARAMETER = 6
"""Rollouts a searched parameter."""
FEWEST = 20
"""Fewest rollouts."""


def propose(
    words: Sequence[str],
    options: Sequence[Option],
    chosen: Chosen,
    *,
    is_hydra: bool,
    looked_at: str,
    start: str,
    config_file: str = "",
    is_wandb: bool = False,
    pairs: Pairs | None = None,
) -> tuple[str, list[str]] | None:
    """Return the file and the names of what is searched; None where there is nothing to search.

    Args:
        words: The command as a person gave it; what it sets already is not searched.
        options: The program's options.
        chosen: The metric and its reader.
        is_hydra: Whether values are handed over as overrides.
        looked_at: What the file was made from.
        start: What to type to start the sweep.
        config_file: The file in the command that the options are keys of; empty where the program takes them.
        is_wandb: Whether the options are keys of ``wandb.config``, which every run is given.
        pairs: How the options are handed over that are settings behind one option; of the others only the seed is.
    """
    given = {_name(word) for word in words}
    usable = [each for each in options if each.name not in given and _is_usable(each.name)]
    among = usable if pairs is None else [each for each in usable if each.name in pairs.written]
    found = [each for each in proposals(among) if each.is_searched or pairs is None]
    searched = [proposal.option.name for proposal in found if proposal.is_searched]
    if not searched:
        return None
    named = {proposal.option.name for proposal in found}
    seed = seed_of(usable)
    text = text_of(
        Proposed(
            command=[
                *(_with_file(word, config_file) for word in words),
                *([] if config_file or is_wandb or pairs else ["{overrides}" if is_hydra else "{args}"]),
                *([] if config_file or is_wandb else _seeded(seed, is_hydra=is_hydra)),
                *([] if pairs is None else pairs.words(searched)),
            ],
            looked_at=looked_at,
            start=start,
            proposals=found,
            left_alone=[each.name for each in usable if each.name not in named and each is not seed],
            chosen=chosen,
            rollout_count=max(FEWEST, A_PARAMETER * len(searched)),
        )
    )
    return text, searched


def _seeded(seed: Option | None, *, is_hydra: bool) -> list[str]:
    """Return the words of the command that hand over the seed, where the program takes one."""
    return [] if seed is None else [f"{'' if is_hydra else '--'}{seed.name}={{seed}}"]


def _name(word: str) -> str:
    return word.lstrip("-+").partition("=")[0]


def _is_usable(name: str) -> bool:
    return not is_secret(name) and re.fullmatch(r"[A-Za-z_][\w.\-/]*", name) is not None


def _with_file(word: str, file: str) -> str:
    """Return a word of the command, with the run's own copy in the place of the config file."""
    name, equal, value = word.rpartition("=")
    return f"{_braced(name)}{equal}{{config:{file}}}" if file and value == file else _braced(word)


def _braced(word: str) -> str:
    """Return a word of the command with its braces doubled, so that none is taken for a placeholder."""
    return word.replace("{", "{{").replace("}", "}}")
