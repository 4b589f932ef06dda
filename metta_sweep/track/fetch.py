"""Reads a sweep from W&B and prints it as JSON: ``python -m metta_sweep.track.fetch ENTITY/PROJECT/SWEEP``.

A process of its own, as the mirror is: the command that imports a sweep never loads the client.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from metta_sweep.track.errors import RefusedError, TryLaterError
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.ranges import IDENTITY_MARK, JOURNAL_FILE, overview_id
from metta_sweep.track.register import sweep_at
from metta_sweep.track.server import download, files_of, sent_runs
from metta_sweep.track.watchdog import REFUSED, TRY_AGAIN


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the sweep; return 0, or a status that says whether to try again, with the reason on standard error."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    entity, project, sweep_id = path.split("/")
    try:
        graphql = GraphQL.of_environment(os.environ, entity=entity, project=project)
        sys.stdout.write(json.dumps(fetch(graphql, sweep_id)))
    except (RefusedError, TryLaterError) as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED if isinstance(error, RefusedError) else TRY_AGAIN
    return 0


def fetch(graphql: GraphQL, sweep_id: str) -> dict[str, Any]:
    """Return the sweep's config, its runs, and its journal where it is one of ours: a handful of requests.

    Raises:
        TryLaterError, RefusedError: See :meth:`GraphQL.ask`; there may be no such sweep.
    """
    sweep = sweep_at(graphql, sweep_id)
    if sweep is None:
        raise TryLaterError(f"there is no sweep {sweep_id} in {graphql.entity}/{graphql.project}")
    config = yaml.safe_load(sweep["config"])
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


def _journal(graphql: GraphQL, wandb_id: str) -> list[dict[str, Any]]:
    """Return the events that the sweep's overview run keeps."""
    address = files_of(graphql, wandb_id).get(JOURNAL_FILE)
    if address is None:
        raise TryLaterError("its overview run keeps no journal")
    return [json.loads(line) for line in download(graphql, address).splitlines()]


if __name__ == "__main__":
    sys.exit(main())
