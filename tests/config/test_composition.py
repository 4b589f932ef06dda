"""Composition and resolution: one tree, then plain values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from metta_sweep.config.catalogue import purpose
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.resolution import Resolution
from metta_sweep.errors import RequestError
from tests.config.conftest import Desk

SWEEP = "sweep:\n  parameters:\n    trainer.gamma: {distribution: uniform, min: 0.9, max: 0.99}\n"


def resolution(**tree: object) -> Resolution:
    return Resolution(config=OmegaConf.create(tree), verbatim={"expr"})


class TestResolution:
    def test_references_and_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SWEEP_TEST", "x")
        values = resolution(a={"b": "${c}", "d": ["${oc.env:SWEEP_TEST}", "${.0}"], "e": "\\${c}"}, c=3)
        assert values.root("a") == {"b": 3, "d": ["x", "x"], "e": "${c}"}
        assert values.failures == []

    def test_a_reference_to_a_mapping(self) -> None:
        assert resolution(a="${b}", b={"c": "${d}"}, d=1).root("a") == {"c": 1}

    def test_expressions_keep_their_texts(self) -> None:
        assert resolution(a={"expr": "${b} // 4", "c": "${b}"}, b=8).root("a") == {"expr": "${b} // 4", "c": 8}

    def test_every_failure_is_told_and_the_rest_is_there(self) -> None:
        values = resolution(
            a={"b": "${nothing}", "c": "${oc.env:SWEEP_TEST_NOT_SET}", "d": 1, "e": "???", "f": "${a.f}"}
        )
        assert values.root("a") == {"b": None, "c": None, "d": 1, "e": None, "f": None}
        assert [path for path, _, _ in values.failures] == ["a.b", "a.c", "a.e", "a.f"]

    def test_only_what_is_asked_for_is_resolved(self) -> None:
        values = resolution(sweep={"metric": "${m}", "trainer": "${nothing}"}, m="x")
        assert values.below("sweep", ("metric",)) == {"metric": "x"}
        assert values.below("nothing", ("metric",)) == {}
        assert values.root("nothing") is None
        assert values.failures == []


class TestPlaces:
    def test_the_projects_configs_are_found_without_a_checkout_around(self, tmp_path: Path) -> None:
        places = ConfigPlaces.of(tmp_path)
        assert (places.bundled / "sweep_job.yaml").is_file()
        assert places.own == ()
        assert "my_test_sweep" in places.options("sweep")
        assert "sweep" not in places.groups()

    def test_the_checkouts_configs_are_no_second_place(self) -> None:
        root = ConfigPlaces.of(Path("/")).bundled.parent
        assert ConfigPlaces.of(root).own == ()

    def test_a_sweep_file_is_a_name_or_a_path(self, desk: Desk) -> None:
        desk.write(SWEEP, "configs/sweep/mine.yaml")
        desk.write(SWEEP, "elsewhere/mine.yaml")
        places = ConfigPlaces.of(desk.cwd)
        for name in ("sweep/mine", "mine", "sweep/mine.yaml", "configs/sweep/mine.yaml"):
            assert places.sweep_file(name) == desk.cwd / "configs" / "sweep" / "mine.yaml"
        assert places.sweep_file("elsewhere/mine.yaml") == desk.cwd / "elsewhere" / "mine.yaml"
        assert places.sweep_file(str(desk.cwd / "elsewhere" / "mine.yaml")).parent.name == "elsewhere"

    @pytest.mark.parametrize("name", ["", " ", "nothing", "sweep_job", "/", "..", "x" * 5000, "a\x00b", "a\nb", "*"])
    def test_what_names_no_file_is_told(self, desk: Desk, name: str) -> None:
        with pytest.raises(RequestError) as caught:
            ConfigPlaces.of(desk.cwd).sweep_file(name)
        assert "sweep/my_test_sweep" in str(caught.value)


class TestHydra:
    def test_a_composition_leaves_hydra_as_it_was(self, desk: Desk) -> None:
        assert not GlobalHydra.instance().is_initialized()
        desk.ask(SWEEP)
        assert not GlobalHydra.instance().is_initialized()

    @pytest.mark.slow
    def test_one_request_leaves_nothing_to_the_next(self, desk: Desk) -> None:
        desk.write("sweep: {trainer: {gae_lambda: 0.5}}\n", "configs/sweep/base.yaml")
        first = desk.ask(f"defaults: [base]\n{SWEEP}  trainer: {{num_workers: 4}}\n")
        second = desk.ask(SWEEP)
        assert (first.training["trainer"]["num_workers"], first.training["trainer"]["gae_lambda"]) == (4, 0.5)
        assert (second.training["trainer"]["num_workers"], second.training["trainer"]["gae_lambda"]) == (1, 0.95)

    def test_a_mapping_typed_on_the_command_line_is_merged(self, desk: Desk) -> None:
        optimizer = desk.ask(SWEEP, "trainer.optimizer={beta1: 0.5}").training["trainer"]["optimizer"]
        assert (optimizer["beta1"], optimizer["beta2"]) == (0.5, 0.999)

    def test_a_removed_key_that_was_never_there(self, desk: Desk) -> None:
        told = desk.message(SWEEP, "~trainer.gae_lamda")
        assert (
            told
            == "command line: trainer.gae_lamda: there is nothing to remove\n  fix: did you mean ~trainer.gae_lambda?"
        )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("# @package _global_\n# One purpose,\n# on two lines.\n\n# Another.\na: 1\n", "One purpose, on two lines."),
        ("a: 1\n# b\n", ""),
        ("", ""),
    ],
)
def test_a_files_purpose_is_its_first_comment(text: str, line: str) -> None:
    assert purpose(text) == line


def test_reading_a_request_needs_no_torch() -> None:
    heavy = "{'torch', 'gpytorch', 'wandb', 'metta_sweep.trainer', 'metta_sweep.optimize.protein'}"
    code = f"import sys, metta_sweep.config; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
