"""Reads a sweep from W&B and prints it as JSON: ``python -m metta_sweep.track.fetch ENTITY/PROJECT/SWEEP``.

A process of its own, as the mirror is: the command that imports a sweep never loads the client.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metta_sweep.track.client import Client, Place, RefusedError, TryLaterError, client_errors, prepare_environment
from metta_sweep.track.facts import OWN_KEY
from metta_sweep.track.mirroring import JOURNAL_FILE, overview_id
from metta_sweep.track.ranges import IDENTITY_MARK
from metta_sweep.track.watchdog import REFUSED, TRY_AGAIN


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the sweep; return 0, or a status that says whether to try again, with the reason on standard error."""
    (path,) = sys.argv[1:] if arguments is None else arguments
    entity, project, sweep_id = path.split("/")
    with tempfile.TemporaryDirectory() as folder:
        prepare_environment(Path(folder))
        try:
            client = Client(Place(entity=entity, project=project), offline=False, folder=Path(folder))
            sys.stdout.write(json.dumps(fetch(client, sweep_id, Path(folder))))
        except (RefusedError, TryLaterError) as error:
            sys.stderr.write(f"{error}\n")
            return REFUSED if isinstance(error, RefusedError) else TRY_AGAIN
    return 0


def fetch(client: Client, sweep_id: str, folder: Path) -> dict[str, Any]:
    """Return the sweep's config, its runs, and its journal where it is one of ours: a handful of requests.

    Args:
        client: Says where.
        sweep_id: The sweep.
        folder: Where the journal is downloaded to.
    """
    api, place = client.api(), client.place
    with client_errors():
        sweep = api.sweep(f"{place.entity}/{place.project}/{sweep_id}")  # type: ignore[no-untyped-call]  # as it is
        config = dict(sweep.config)
    runs = sorted(client.sent_runs(sweep_id).values(), key=lambda run: (run.created_at, run.wandb_id))
    _, _, identity = str(config.get("description", "")).rpartition(IDENTITY_MARK)
    ours = [run.config[OWN_KEY] for run in runs if OWN_KEY in run.config]
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
        "journal": _journal(client, overview_id(str(config["name"]), identity), folder) if own else None,
    }


def _journal(client: Client, run_id: str, folder: Path) -> list[dict[str, Any]]:
    """Return the events that the sweep's overview run keeps."""
    api, place = client.api(), client.place
    with client_errors():
        run = api.run(f"{place.entity}/{place.project}/{run_id}")
        run.file(JOURNAL_FILE).download(root=str(folder), replace=True).close()
    lines = (folder / JOURNAL_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    sys.exit(main())
