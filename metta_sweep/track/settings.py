"""What was asked about W&B, and which mode that means here: decided without importing the client or asking a person."""

from __future__ import annotations

import configparser
import enum
import importlib.util
import netrc
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from metta_sweep.config.settings import WandbSettings
from metta_sweep.extras import how_to_install

PUBLIC_URL = "https://api.wandb.ai"
"""The public service."""

DEFAULT_PROJECT = "metta-sweep"
"""Project where neither the request nor the environment names one."""

DEFAULT_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""Hosts under which keys for the public service are kept in a netrc file."""


class Mode(enum.StrEnum):
    """What the mirror does."""

    ONLINE = "online"
    OFFLINE = "offline"
    OFF = "off"


def project_of(settings: WandbSettings, environ: Mapping[str, str]) -> str:
    """Return the project that runs go to."""
    return settings.project or environ.get("WANDB_PROJECT") or DEFAULT_PROJECT


def entity_of(settings: WandbSettings, environ: Mapping[str, str]) -> str | None:
    """Return the user or team that runs go to; None for the account's own."""
    return settings.entity or environ.get("WANDB_ENTITY") or None


def resolve_mode(settings: WandbSettings, environ: Mapping[str, str]) -> tuple[Mode, str]:
    """Return the mode and one line that says which it is and why.

    Nothing is asked of a person or of the network, and no outcome is an error: what cannot be done now can be done
    later from the journal.

    Args:
        settings: The request.
        environ: The environment: WANDB_API_KEY, WANDB_BASE_URL, WANDB_MODE, NETRC, HOME.
    """
    asked = _asked(settings, environ)
    later = "`metta-sweep sync NAME` sends it later"
    if asked == "off":
        return Mode.OFF, "W&B: off, as asked"
    if importlib.util.find_spec("wandb") is None:
        return Mode.OFF, f"W&B: off, the client is not installed ({how_to_install('wandb')}); {later}"
    if asked == "offline":
        return Mode.OFFLINE, f"W&B: offline, as asked; {later}, and so does `wandb sync`"
    source = key_source(environ)
    if source is None:
        why = "online was asked for, but there is no key" if asked == "online" else "no key"
        return Mode.OFFLINE, f"W&B: offline, {why} (set WANDB_API_KEY or run `wandb login`); {later}"
    return Mode.ONLINE, f"W&B: online, with the key of {source}"


def writes_offline(settings: WandbSettings, environ: Mapping[str, str]) -> bool:
    """Return whether offline runs were asked for; where only a key is missing the journal alone serves a later sync."""
    return _asked(settings, environ) == "offline"


def mirrors(settings: WandbSettings, mode: Mode, environ: Mapping[str, str]) -> bool:
    """Return whether a mirror works beside the sweep: it sends, or writes offline runs that were asked for."""
    return mode is Mode.ONLINE or (mode is Mode.OFFLINE and writes_offline(settings, environ))


def _asked(settings: WandbSettings, environ: Mapping[str, str]) -> str:
    """Return the mode that was asked for; WANDB_MODE decides where the request leaves it open."""
    if settings.mode != "auto":
        return settings.mode
    usual = {"offline": "offline", "dryrun": "offline", "disabled": "off", "online": "auto"}
    return usual.get(environ.get("WANDB_MODE", "").lower(), "auto")


def key_source(environ: Mapping[str, str]) -> str | None:
    """Return where the client will find a key, or None where it would ask for one."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if environ.get(name):
            return name
    path = _netrc_path(environ)
    return str(path) if path is not None and _password(path, _hosts(environ)) else None


def find_key(environ: Mapping[str, str]) -> str | None:
    """Return the key of this environment, or None where there is none."""
    if environ.get("WANDB_API_KEY"):
        return environ["WANDB_API_KEY"]
    path = _netrc_path(environ)
    return _password(path, _hosts(environ)) if path is not None else None


def _netrc_path(environ: Mapping[str, str]) -> Path | None:
    if environ.get("NETRC"):
        return Path(environ["NETRC"]).expanduser()
    home = Path(environ.get("HOME", "~")).expanduser()
    return next((path for path in (home / ".netrc", home / "_netrc") if path.exists()), None)


def _password(path: Path, hosts: tuple[str, ...]) -> str | None:
    try:
        entries = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError):
        return None
    return next((entries[host][2] for host in hosts if host in entries and entries[host][2]), None)


def base_url(environ: Mapping[str, str]) -> str | None:
    """Return the server that the environment or the client's settings name; None for the public service."""
    return environ.get("WANDB_BASE_URL") or _base_url_of_settings(environ)


def page_url(url: str, environ: Mapping[str, str]) -> str:
    """Return the address of the pages that belong to an API's address, as the client derives it."""
    if environ.get("WANDB_APP_URL"):
        return environ["WANDB_APP_URL"].rstrip("/")
    for api, app in (
        ("://api.wandb.test", "://app.wandb.test"),
        ("://api.wandb.", "://wandb."),
        ("://api.", "://app."),
    ):
        if api in url:
            return url.replace(api, app).rstrip("/")
    return url.rstrip("/")


def _hosts(environ: Mapping[str, str]) -> tuple[str, ...]:
    base = base_url(environ)
    return (urlsplit(base).netloc,) if base else DEFAULT_HOSTS


def _base_url_of_settings(environ: Mapping[str, str]) -> str | None:
    """Return the server of the client's own settings file, written by ``wandb login --host``."""
    folder = environ.get("WANDB_CONFIG_DIR") or str(Path(environ.get("HOME", "~")).expanduser() / ".config" / "wandb")
    parser = configparser.ConfigParser(default_section="default")
    try:
        parser.read(Path(folder) / "settings")
    except (OSError, configparser.Error):
        return None
    return parser.defaults().get("base_url")
