"""Reads a whole sweep from W&B: ours with its journal, or somebody else's. It never loads the client."""

from __future__ import annotations

import json
from typing import Any

import yaml

from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.ranges import IDENTITY_MARK, JOURNAL_FILE, overview_id
from metta_sweep.track.register import sweep_at
from metta_sweep.track.server import download, files_of, sent_runs


def fetch(graphql: GraphQL, sweep_id: str) -> dict[str, Any]:
    """Return the sweep's config, its runs, and its journal where it is one of ours: a handful of requests.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`; there may be no such sweep.
    """
    sweep = sweep_at(graphql, sweep_id)
    if sweep is None:
        raise TryLaterError(f"there is no sweep {sweep_id} in {graphql.entity}/{graphql.project}")
    config = _config(sweep["config"])
    runs = sorted(sent_runs(graphql, sweep_id).values(), key=lambda run: (run.created_at, run.wandb_id))
    _, _, identity = str(config.get("description", "")).rpartition(IDENTITY_MARK)
    ours = [run.own for run in runs if run.own]
    is_shared = any("machine" in own for own in ours)
    own = bool(ours) and bool(identity) and not is_shared
    return {
        "is_shared": is_shared,
        "config": config,
        "name": config.get("name") or sweep_id,
        "runs": [
            {"id": run.wandb_id, "name": run.name, "state": run.state, "config": run.config, "summary": run.summary}
            for run in runs
        ],
        "journal": _journal(graphql, overview_id(str(config["name"]), identity)) if own else None,
    }


def _config(text: str) -> dict[str, Any]:
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TryLaterError("its config is invalid YAML") from error
    if not isinstance(config, dict):
        raise TryLaterError("its config is not a mapping")
    return config


def _journal(graphql: GraphQL, wandb_id: str) -> list[dict[str, Any]]:
    """Return the events that the sweep's overview run keeps."""
    address = files_of(graphql, wandb_id).get(JOURNAL_FILE)
    if address is None:
        raise TryLaterError("its overview run keeps no journal")
    try:
        return [json.loads(line) for line in download(graphql, address).splitlines()]
    except ValueError as error:
        raise TryLaterError("the journal in its overview run is damaged") from error
