"""Anybody may leave a request; the controller reads each, and what is none harms nothing."""

from __future__ import annotations

from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.requests import RequestFile, leave_request, left_requests


def test_requests_are_read_in_order_and_only_when_there_are_new_ones(tmp_path):
    paths = SweepPaths(tmp_path, "s")
    paths.root.mkdir(parents=True)
    file = RequestFile(paths)
    assert file.read() == ()
    leave_request(paths, {"x": 1})
    leave_request(paths, {"x": 2})
    assert [request.point for request in file.read()] == [{"x": 1}, {"x": 2}]
    assert file.read() == ()


def test_what_is_no_request_is_passed_over(tmp_path):
    paths = SweepPaths(tmp_path, "s")
    paths.root.mkdir(parents=True)
    paths.requests.write_text('{"id": "a", "point": {"x": 1}}\nnonsense\n{"id": 2}\n[]\n{"id": "b", "poi')
    assert [request.id for request in left_requests(paths)] == ["a"]
