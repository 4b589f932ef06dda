"""The one door to the readers: our own, and more by the entry point ``metta_sweep.readers``."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from metta_sweep.errors import RequestError
from metta_sweep.results.port import Reader, ReaderFactory, Source

GROUP = "metta_sweep.readers"
"""The entry point by which another package adds a reader: a callable that takes a :class:`Source`."""

OWN = {
    "report": "metta_sweep.results.jsonl:ReportReader",
    "stdout": "metta_sweep.results.stdout:StdoutReader",
    "csv": "metta_sweep.results.csv:CsvReader",
    "jsonl": "metta_sweep.results.jsonl:JsonlReader",
    "json": "metta_sweep.results.json:JsonReader",
    "npz": "metta_sweep.results.npz:NpzReader",
    "tensorboard": "metta_sweep.results.tensorboard:TensorboardReader",
    "wandb": "metta_sweep.results.wandb:WandbReader",
    "mlflow": "metta_sweep.results.mlflow:MlflowReader",
    "hydra": "metta_sweep.results.hydra:HydraReader",
}
"""Where each reader is; it is imported when it is used."""


def reader_names() -> list[str]:
    """Return the names of all readers, our own first."""
    return [*OWN, *sorted({entry.name for entry in entry_points(group=GROUP)} - set(OWN))]


def new_reader(name: str, source: Source) -> Reader:
    """Return a reader by its name.

    Raises:
        RequestError: There is no such reader, or it cannot be loaded.
    """
    return _factory(name)(source)


def _factory(name: str) -> ReaderFactory:
    if name in OWN:
        module, _, attribute = OWN[name].partition(":")
        own: ReaderFactory = getattr(importlib.import_module(module), attribute)
        return own
    entry = next(iter(entry_points(group=GROUP, name=name)), None)
    if entry is None:
        fix = f"use one of {', '.join(reader_names())}"
        raise RequestError.of(f"there is no reader {name!r}", key="sweep.results.from", fix=fix)
    try:
        loaded: ReaderFactory = entry.load()
    except Exception as error:  # somebody else's package: whatever its import raises is told, not passed on
        message = f"the reader {name!r} ({entry.value}) cannot be loaded: {error!r}"
        raise RequestError.of(message, key="sweep.results.from") from error
    return loaded
