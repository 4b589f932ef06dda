"""No key leaves, and nothing else is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.secrecy import REDACTED, Redaction, is_secret

KEY = "0123456789abcdef0123456789abcdef01234567"


NAMES = [
    "api_key",
    "apikey",
    "API_KEYS",
    "wandb_api_key",
    "WANDB_API_KEY",
    "OPENAI_APIKEY",
    "openaiApiKey",
    "token",
    "hf_token",
    "ACCESS_TOKENS",
    "authTokens",
    "GH_PAT",
    "db.password",
    "PGPASSWORD",
    "DB_PASS",
    "mysqlPwd",
    "passwd",
    "passphrase",
    "secret",
    "clientSecret",
    "aws_secret_key",
    "AWS_SECRET_ACCESS_KEY_ID",
    "credentials",
    "service-credentials",
    "DEPLOY_KEY",
    "ssh_private_keys",
]
PLAIN = [
    "tokenizer",
    "max_tokens",
    "num_tokens",
    "pad_token_id",
    "eos_token",
    "monkey",
    "keyboard",
    "num_key_heads",
    "key_dim",
    "secretary",
    "forward_pass",
    "first_pass",
    "passes",
    "n_keys",
    "primary_key",
    "sort_key",
    "compass",
    "path",
    "pattern",
    "bypass",
]


@pytest.mark.parametrize("name", NAMES)
def test_entries_named_as_secrets_are_redacted(name):
    assert is_secret(name)
    assert Redaction().of_config({"env": {name: "hush"}}) == {"env": {name: REDACTED}}
    assert "hush" not in Redaction().of_text(f"env:\n  {name}: hush\n  seed: 1\n")
    assert "hush" not in Redaction().of_code(f"+    {name} = 'hush hush'\n")


@pytest.mark.parametrize("name", PLAIN)
def test_entries_that_only_look_alike_are_kept(name):
    assert not is_secret(name)
    assert Redaction().of_config({name: "plain"}) == {name: "plain"}
    assert Redaction().of_text(f"{name}: plain\n") == f"{name}: plain\n"


@pytest.mark.parametrize(
    "line",
    [
        "+password = 'hush hush'",
        '-    client = connect(token="hush hush", retries=3)',
        '+  "apiKey": "hush hush",',
        " DB_PASS=hush-hush",
        "+export PGPASSWORD=hush-hush",
        "+  password: hush-hush",
    ],
)
def test_a_secret_that_is_written_out_in_code_is_left_out_of_its_diff(line):
    cleaned = Redaction().of_code(f"@@ -1 +1 @@\n{line}\n context\n")
    assert "hush" not in cleaned
    assert cleaned.count("\n") == 3


@pytest.mark.parametrize(
    "line",
    ["+    key = jax.random.PRNGKey(0)", "+    token: str", "-    key, sub = split(key)", "+key: the first column"],
)
def test_code_that_only_handles_keys_stays_as_it_is(line):
    assert Redaction().of_code(line + "\n") == line + "\n"


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


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["relu", "a b", ""]),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from(["lr", "env", "name", "x.y"]), below),
    )
)
def test_a_config_without_secrets_is_unchanged(config):
    assert Redaction().of_config(config) == config


def test_the_working_directory_is_no_password():
    found = Redaction.of_environment(
        {"PWD": "/home/me/project", "OLDPWD": "/home/me/other", "DB_PWD": "hunter2hunter2"}
    )
    assert found.known == ("hunter2hunter2",)
