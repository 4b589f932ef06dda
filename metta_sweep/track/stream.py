"""System metrics that were measured where a run is done, sent as the client sends those that it measures itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.graphql import HTTP_S, GraphQL, tried

EVENTS = "wandb-events.jsonl"
"""The stream that W&B draws its system panels from."""


def send_usage(graphql: GraphQL, wandb_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Send all system metrics of a run that is open, a few times where need be: a line keeps its place.

    Raises:
        TryLaterError: It was not taken.
    """
    content: dict[str, Any] = {"files": {EVENTS: {"offset": 0, "content": [json.dumps(row) for row in rows]}}}
    tried(lambda: _post(graphql, wandb_id, content))


def _post(graphql: GraphQL, wandb_id: str, content: Mapping[str, Any]) -> None:
    place = "/".join(quote(str(part), safe="") for part in (graphql.entity, graphql.project, wandb_id))
    try:
        reply = graphql.http.post(
            f"{graphql.url}/files/{place}/file_stream", json=content, auth=("api", graphql.key), timeout=HTTP_S
        )
        reply.raise_for_status()
    except requests.RequestException as error:
        raise TryLaterError(f"system metrics were not taken ({type(error).__name__})") from error
