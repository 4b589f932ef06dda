"""Films as files: one page that needs nothing else, or a GIF."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from metta_sweep.envs.vec_env import Bytes
from metta_sweep.trainer.replay.images import gif, png
from metta_sweep.trainer.replay.recording import Film

SMALLEST = 160
"""Pixels that the shorter side of a GIF has at least; screens of 84 are made larger."""


def page(films: Sequence[Film], *, title: str, subtitle: str) -> str:
    """Return an HTML page that plays the films; it holds its pictures and loads nothing."""
    # "</" would end the script that the data lie in, whatever a name says.
    data = json.dumps([_plain(film) for film in films], separators=(",", ":")).replace("<", "\\u003c")
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), subtitle=escape(subtitle), films=data)


def _plain(film: Film) -> dict[str, Any]:
    """Return a film as JSON; pictures that are the same are stored once and told by number, from 1."""
    numbers: dict[bytes, int] = {}
    frames = [
        {
            "picture": 0 if frame.picture is None else numbers.setdefault(png(frame.picture), len(numbers) + 1),
            "facts": frame.facts,
            "actions": frame.actions,
            "reward": round(frame.reward, 4),
            "value": round(frame.value, 4),
            "probabilities": [round(p, 4) for p in frame.probabilities],
        }
        for frame in film.frames
    ]
    return {
        "name": film.name,
        "actions": film.action_names,
        "legend": {name: f"rgb{color}" for name, color in film.legend.items()},
        "frames": frames,
        "pictures": [base64.b64encode(picture).decode() for picture in numbers],
    }


def moving_picture(film: Film, *, frame_ms: int = 120) -> bytes | None:
    """Return a film as a GIF; None where its environment cannot be drawn."""
    pictures = [frame.picture for frame in film.frames if frame.picture is not None]
    return gif([_enlarged(picture) for picture in pictures], frame_ms=frame_ms) if pictures else None


def _enlarged(picture: Bytes) -> Bytes:
    times = -(-SMALLEST // min(picture.shape[:2]))
    return np.repeat(np.repeat(picture, times, axis=0), times, axis=1)


def in_words(films: Sequence[Film], checkpoint: Mapping[str, Any]) -> str:
    """Return what was played, by which policy, and how it came out."""
    parts = [
        f"{f'{film.name}: ' if film.name else ''}reward {film.reward:.2f} in {len(film.frames)} steps"
        f"{' (cut by the time limit)' if film.cut else ''}"
        for film in films
    ]
    step = checkpoint["update"] * json.loads(checkpoint["config"])["trainer"]["batch_size"]
    return f"Policy after {step:,} steps; episode {films[0].number} of the evaluation. " + "; ".join(parts) + "."
