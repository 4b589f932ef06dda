"""A training of a handful of keys, for laws that do not depend on the bundled trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.trees import leaves


@dataclass(frozen=True)
class FakeRule:
    expression: str
    message: str


KINDS = {
    "device": str,
    "seed": int,
    "run": str,
    "trainer.steps": int,
    "trainer.rate": float,
    "trainer.batch": int,
    "trainer.part": int,
    "trainer.name": str,
    "env.size": int,
}


class FakeTraining:
    """Knows a few keys and their types, and that a batch is made of whole parts."""

    rules: Sequence[FakeRule] = (FakeRule("trainer.batch % trainer.part == 0", "batch must be a multiple of part"),)

    def problems(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = [problem for path, value in leaves(config) if (problem := self._problem(path, value))]
        values = dict(leaves(config))
        broken = not found and values["trainer.batch"] % values["trainer.part"]
        return [*found, *([("trainer.part", "batch must be a multiple of part, got some")] if broken else [])]

    def _problem(self, path: str, value: Any) -> tuple[str, str] | None:
        kind = KINDS.get(path)
        if kind is None:
            return path, "unknown key"
        fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
        fits = fits or (kind is int and isinstance(value, float) and value.is_integer())
        return None if fits and not isinstance(value, bool) else (path, f"need {kind.__name__}, got {value!r}")

    def here(self, gpus: int | None) -> FakeTraining:
        return self

    def metrics(self, config: Mapping[str, Any]) -> None:
        return None

    def notes(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        return []

    def has_path(self, dotted: str) -> bool:
        return dotted in KINDS

    def paths(self) -> list[str]:
        return list(KINDS)


BASE = {
    "device": "cpu",
    "seed": 0,
    "trainer": {"steps": 100, "rate": 0.1, "batch": 8, "part": 4, "name": "x"},
    "env": {"size": 3},
}
