"""No key leaves, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.track.redaction import REDACTED, Redaction

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "name",
    ["api_key", "wandb_api_key", "WANDB_API_KEY", "token", "hf_token", "db.password", "secret", "aws_secret_key"],
)
def test_entries_named_as_secrets_are_redacted(name):
    assert Redaction().of_config({"env": {name: "hush"}}) == {"env": {name: REDACTED}}
    assert "hush" not in Redaction().of_text(f"env:\n  {name}: hush\n  seed: 1\n")


@pytest.mark.parametrize("name", ["tokenizer", "max_tokens", "monkey", "keyboard", "num_key_heads", "secretary"])
def test_entries_that_only_look_alike_are_kept(name):
    assert Redaction().of_config({name: "plain"}) == {name: "plain"}
    assert Redaction().of_text(f"{name}: plain\n") == f"{name}: plain\n"


def test_numbers_are_never_secrets():
    assert Redaction().of_config({"token": 50257, "key": True}) == {"token": 50257, "key": True}
    assert Redaction().of_text("token: 50257\n") == "token: 50257\n"


def test_secrets_of_the_environment_are_found_wherever_they_stand():
    redaction = Redaction.of_environment({"WANDB_API_KEY": KEY, "HOME": "/home/somebody", "MY_TOKEN": "short"})
    assert redaction.of_config({"note": f"key={KEY}", "home": "/home/somebody"}) == {
        "note": f"key={REDACTED}",
        "home": "/home/somebody",
    }
    assert redaction.of_values("short") == "short"


@pytest.mark.parametrize("secret", ["sk-" + "a" * 30, "ghp_" + "b" * 36, "hf_" + "c" * 30, "AKIA" + "D" * 16])
def test_well_known_forms_are_found_without_a_name(secret):
    assert secret not in Redaction().of_text(f"args: [--login, {secret}]\n")


def test_a_password_in_a_url_is_found():
    assert Redaction().of_values("redis://user:hush@host/0") == f"redis://{REDACTED}@host/0"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["relu", "a b", ""]),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from(["lr", "env", "name", "x.y"]), below),
    )
)
def test_a_config_without_secrets_is_unchanged(config):
    assert Redaction().of_config(config) == config
