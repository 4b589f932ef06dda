from __future__ import annotations

import pytest

from metta_sweep.results import globs
from metta_sweep.results.globs import TooManyEntriesError, find

FILES = ("a.csv", "runs/x/e.1", "runs/x/y/e.2", "runs/z.csv", "node_modules/p/b.csv", "logs/version_0/metrics.csv")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("a.csv", ["a.csv"]),
        ("*.csv", ["a.csv"]),
        ("**/*.csv", ["a.csv", "logs/version_0/metrics.csv", "runs/z.csv"]),
        ("runs/**", ["runs/x/e.1", "runs/x/y/e.2", "runs/z.csv"]),
        ("runs/*/e.[12]", ["runs/x/e.1"]),
        ("runs/**/e.?", ["runs/x/e.1", "runs/x/y/e.2"]),
        ("./logs/version_*/metrics.csv", ["logs/version_0/metrics.csv"]),
        ("node_modules/**", ["node_modules/p/b.csv"]),
        ("nowhere/**", []),
    ],
)
def test_a_pattern_fits_as_in_a_shell(folder, pattern, fits):
    assert sorted(path.relative_to(folder).as_posix() for path in find(pattern, folder)) == fits


def test_an_absolute_pattern_does_not_depend_on_the_working_directory(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert [path.name for path in find(f"{folder}/*.csv", elsewhere)] == ["a.csv"]


def test_a_search_ends_where_there_is_too_much_to_look_at(folder, monkeypatch):
    monkeypatch.setattr(globs, "ENTRIES", 3)
    with pytest.raises(TooManyEntriesError):
        list(find("**/*.csv", folder))


def test_a_loop_of_links_is_not_followed(folder):
    (folder / "runs" / "loop").symlink_to(folder)
    assert len(list(find("**/e.*", folder))) == 2
