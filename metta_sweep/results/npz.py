"""Arrays in an ``.npz`` file, written whole again and again: stable-baselines' ``evaluations.npz``, ``np.savez``."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from metta_sweep.results.files import OwnFile
from metta_sweep.results.numbers import step_of
from metta_sweep.results.port import Point, Source
from metta_sweep.results.whole import LIMIT_BYTES, WholeFiles

if TYPE_CHECKING:
    import numpy as np

STEPS = ("step", "steps", "timesteps")
"""Arrays of steps where nobody names one."""


class NpzReader:
    """Reads arrays of numbers: the first axis goes along training, the mean over the others is the value."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._files = WholeFiles(source, "**/*.npz")
        self.seen = self._files.seen

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        for file, content in self._files.new_contents(final=final):
            yield from self._points(content, file, final=final)

    def _points(self, content: bytes, file: OwnFile, *, final: bool) -> Iterator[Point]:
        try:
            arrays = _arrays(content)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
            if final:  # before that it may be half written
                self._source.notes.say(f"{file.shown} cannot be read: {str(error)[:200]}")
            return
        column = self._source.step or next((name for name in STEPS if name in arrays), "")
        steps = arrays.get(column)
        for name, values in arrays.items():
            if name == column:
                continue
            for at in range(self._files.take(file, name, len(values)), len(values)):
                step = step_of(steps[at]) if steps is not None and at < len(steps) else None
                self.seen.add(file.shown, name, values[at], step)
                for ours in self._source.ours(name):
                    yield Point(name=ours, value=values[at], place=file.shown, step=step)


def _arrays(content: bytes) -> dict[str, list[float]]:
    """Return the series of every array of numbers in a file.

    Raises:
        ValueError: Unpacked it is too large, or holds pickled objects.
    """
    import numpy as np

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(each.file_size for each in archive.infolist()) > LIMIT_BYTES:
            raise ValueError("unpacked it is too large")
    with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
        found = {name: _array(loaded, name) for name in loaded.files}
    return {name: _series(array) for name, array in found.items() if array is not None}


def _array(loaded: np.lib.npyio.NpzFile, name: str) -> np.ndarray | None:
    try:
        array: np.ndarray = loaded[name]
    except ValueError:  # an array of pickled objects
        return None
    return array if array.dtype.kind in "fiu" else None


def _series(array: np.ndarray) -> list[float]:
    if array.ndim == 0:
        return [float(array)]
    series: list[float] = array.reshape(len(array), -1).mean(axis=1, dtype=float).tolist() if array.size else []
    return series
