"""A request in one line: write a sweep file, ask for it, look at what came out."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from metta_sweep.config.ask import ask
from metta_sweep.config.asked import Asked
from metta_sweep.errors import RequestError
from metta_sweep.launch.registry import settings_by_kind
from metta_sweep.trainer.schema import schema

LEARNING_RATE = """
    parameters:
      trainer.learning_rate: {distribution: log_normal, min: 0.0001, max: 0.01}
"""


class Desk:
    """A working directory in which sweeps are asked for."""

    def __init__(self, cwd: Path) -> None:
        self.cwd = cwd

    def write(self, text: str | bytes, name: str = "asked.yaml") -> Path:
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def ask(self, sweep: str | bytes | None, *overrides: str) -> Asked:
        words = [*overrides]
        if sweep is not None:
            self.write(sweep)
            words.append("++sweep_params=asked.yaml")
        if not any(word.startswith("run=") for word in words):
            words.append("run=test")
        return ask(words, training=schema, cwd=self.cwd, launchers=settings_by_kind())

    def message(self, sweep: str | bytes | None, *overrides: str) -> str:
        with pytest.raises(RequestError) as caught:
            self.ask(sweep, *overrides)
        assert caught.value.exit_code == 2
        assert len(caught.value.problems) >= 1
        return str(caught.value)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("DATA_DIR", raising=False)
    return Desk(tmp_path)


@pytest.fixture
def swept() -> Callable[[str], str]:
    """Return a sweep file of one parameter with more lines inside ``sweep``."""

    def text(more: str = "") -> str:
        inside = textwrap.indent(textwrap.dedent(more).strip("\n"), "    ")
        return f"sweep:{LEARNING_RATE}{inside}\n"

    return text
