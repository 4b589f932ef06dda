"""What a run uses is noted where it runs, and nothing that fails there harms it."""

from __future__ import annotations

import json
import os
import time

from metta_sweep.launch.attempt import usage
from metta_sweep.launch.attempt.usage import Usage, machine


def looked(path, pids, *, times):
    noted, now_s = Usage(path), time.monotonic()
    for k in range(times):
        noted.look(now_s + 1.0 + 11.0 * k, lambda: pids)
    return path


def test_each_note_has_cpu_memory_and_threads_of_all_processes(tmp_path):
    path = looked(tmp_path / "usage.jsonl", [os.getpid()], times=2)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first.keys() == second.keys() == {"t", "rss_mb", "threads", "cpu", "host_memory"}
    assert first["rss_mb"] > 1
    assert first["threads"] >= 1


def test_between_two_notes_nothing_is_looked_at(tmp_path):
    noted, asked = Usage(tmp_path / "usage.jsonl"), []
    now_s = time.monotonic() + 1.0
    for k in range(50):
        noted.look(now_s + 0.1 * k, lambda: asked.append(1) or [])
    assert len(asked) == 1


def test_processes_that_are_gone_and_places_that_cannot_be_written_harm_nothing(tmp_path):
    looked(tmp_path / "usage.jsonl", [2**22 - 1], times=1)
    looked(tmp_path / "gone" / "usage.jsonl", [os.getpid()], times=2)


def test_the_notes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(usage, "MOST_BYTES", 200)
    assert looked(tmp_path / "usage.jsonl", [os.getpid()], times=20).stat().st_size < 400


def test_the_machine_is_described():
    assert {"os", "python", "cpu_count", "memory"} <= machine().keys()
