"""System metrics that were measured where a run is done, sent as the client sends those that it measures itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.graphql import HTTP_S, GraphQL

EVENTS = "wandb-events.jsonl"
"""The stream that W&B draws its system panels from."""


def send_usage(graphql: GraphQL, wandb_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Send all system metrics of a run that is open; a line that is sent twice lies in its own place.

    Raises:
        TryLaterError: It was not taken.
    """
    place = "/".join(quote(str(part), safe="") for part in (graphql.entity, graphql.project, wandb_id))
    content: dict[str, Any] = {"files": {EVENTS: {"offset": 0, "content": [json.dumps(row) for row in rows]}}}
    try:
        reply = graphql.http.post(
            f"{graphql.url}/files/{place}/file_stream", json=content, auth=("api", graphql.key), timeout=HTTP_S
        )
        reply.raise_for_status()
    except requests.RequestException as error:
        raise TryLaterError(f"system metrics were not taken ({type(error).__name__})") from error
