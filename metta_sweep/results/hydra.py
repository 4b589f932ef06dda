"""What a Hydra app's main returns; a callback that is handed over as an override leaves it in the run's directory.

The callback is ``metta_sweep_client.hydra.ReturnValue``: standard library only, on the run's PYTHONPATH where the
trainer's environment does not have it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from metta_sweep.results.numbers import flat
from metta_sweep.results.port import Point, Source
from metta_sweep.results.seen import Seen

FILE = "returned.json"
"""What the callback writes: ``{"value": …}``, or ``{"type": …}`` where that is not a value that JSON has."""

OVERRIDE = "++hydra.callbacks.metta_sweep._target_=metta_sweep_client.hydra.ReturnValue"
"""The word that adds the callback to a Hydra app's command line."""

NAME = "return"
"""What a plain number is called."""

PLACE = "the return value of main"


class HydraReader:
    """Reads the value that a function under ``@hydra.main`` has returned."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._path = source.run.root / FILE
        self._path.unlink(missing_ok=True)
        self.seen = Seen("what the function under @hydra.main returns")

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what was returned, once the run is over."""
        if not final:
            return
        content = self._content()
        if content is None:
            return
        self.seen.place(PLACE)
        value = content.get("value")
        numbers = list(flat(value, "" if isinstance(value, dict) else NAME))
        if not numbers:
            self._source.notes.say(
                f"the function under @hydra.main returned {content.get('type', type(value).__name__)}: have it return "
                "a number, or a mapping of numbers"
            )
        for name, number in numbers:
            self.seen.add(PLACE, name, number)
            for ours in self._source.ours(name):
                yield Point(name=ours, value=number, place=PLACE)

    def _content(self) -> dict[str, Any] | None:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._source.notes.say(
                f"no return value was left: the callback {OVERRIDE.rpartition('=')[2]} did not run; the command must "
                "end in the words of a Hydra app, and its Python must find metta_sweep_client"
            )
            return None
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None
