from __future__ import annotations

import numpy as np

from metta_sweep.results.npz import NpzReader
from tests.results.conftest import values_of


def test_the_evaluations_of_stable_baselines_are_read_as_means_and_each_once(source):
    here = source(path="logs/*.npz", wanted={"loss": "results"})
    (here.cwd / "logs").mkdir()
    reader, path = NpzReader(here), here.cwd / "logs" / "evaluations.npz"
    lengths = np.ones((2, 3))
    np.savez(path, timesteps=[10, 20], results=[[1.0, 2, 3], [2, 3, 4]], ep_lengths=lengths)
    assert values_of(reader.read(final=True)) == [(10.0, 2.0), (20.0, 3.0)]
    np.savez(path, timesteps=[10, 20, 30], results=[[1.0, 2, 3], [2, 3, 4], [9, 9, 9]], ep_lengths=np.ones((3, 3)))
    assert values_of(reader.read(final=True)) == [(30.0, 9.0)]


def test_pickled_objects_are_never_loaded_and_numbers_beside_them_are_read(source):
    here = source(path="*.npz")
    reader = NpzReader(here)
    np.savez(here.cwd / "a.npz", loss=np.float32(0.5), bad=np.array([{"a": 1}], dtype=object), name=np.array(["x"]))
    assert values_of(reader.read(final=True)) == [(None, 0.5)]


def test_half_a_file_is_said_at_the_end(source):
    here = source(path="*.npz")
    reader = NpzReader(here)
    np.savez(here.cwd / "whole.npz", loss=1.0)
    content = (here.cwd / "whole.npz").read_bytes()
    (here.cwd / "whole.npz").unlink()
    (here.cwd / "a.npz").write_bytes(content[: len(content) // 2])
    assert values_of(reader.read(final=True)) == []
    assert "cannot be read" in " ".join(here.notes.news())
