"""A secret of the environment never gets into a config, by whatever way it is asked for."""

from __future__ import annotations

import pytest

SECRET = "0123456789abcdef-of-the-account"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:WANDB_API_KEY}",
        "${oc.env:NOTHING,${oc.env:WANDB_API_KEY}}",
        "${oc.env:${oc.env:POINTER}}",
        "${oc.decode:${oc.env:clientSecret}}",
        "${oc.env:PLAIN_NAME}",
        "prefix-${oc.env:PLAIN_NAME}-suffix",
    ],
)
def test_no_interpolation_brings_a_secret_in(desk, swept, monkeypatch, text):
    for name in ("WANDB_API_KEY", "clientSecret", "PLAIN_NAME"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("POINTER", "WANDB_API_KEY")
    said = desk.message(swept(f"  command: python train.py --login {text!r}\n"))
    assert SECRET not in said
    assert "written to disk" in said or "write the variable's name itself" in said


def test_other_variables_are_read_as_they_are(desk, swept, monkeypatch):
    monkeypatch.setenv("SCRATCH_DIR", "/scratch/somebody")
    asked = desk.ask(swept("  command: 'python train.py --out ${oc.env:SCRATCH_DIR}'\n"))
    assert asked.command[-1] == "/scratch/somebody"
