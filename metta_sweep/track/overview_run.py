"""The overview as a W&B run: curves that go on where they ended, the answer and a table that are written anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from metta_sweep.track.client import Client, client_errors
from metta_sweep.track.facts import OWN_KEY, digest
from metta_sweep.track.overview import BEST_BY_COST, DECIDED, OVERVIEW_ROWS_PREFIX, TOTAL_COST, Overview, Table

OVERVIEW_JOB = "overview"
"""Job type of the run that shows the sweep as a whole; it stands beside the sweep's runs, not among them."""

OVERVIEW_S = 8.0
"""Seconds for the overview, without which the mirror is whole all the same."""


def send_overview(
    client: Client,
    shown: Overview,
    *,
    name: str,
    wandb_id: str,
    config: Mapping[str, Any],
    files: Path,
    answer: str = "",
    is_new: bool = False,
) -> None:
    """Bring the sweep's overview run up to date.

    Args:
        client: Says where.
        shown: What it shows.
        name: Its shown name.
        wandb_id: Its id.
        config: What identifies and describes the sweep.
        files: A folder; its files are sent as they are.
        answer: The report's answer as a page; empty where there is none.
        is_new: Whether the server has nothing of it: it is not asked then.

    Raises:
        TryLaterError, RefusedError: See :class:`Client`.
    """
    with client_errors():
        run = wandb.init(
            entity=client.place.entity,
            project=client.place.project,
            id=wandb_id,
            name=name,
            job_type=OVERVIEW_JOB,
            config=dict(config),
            resume=None if is_new else "allow",
            reinit="create_new",
            dir=str(client.folder),
            settings=client.run_settings(None, sweep_id=None, finish_s=OVERVIEW_S),
        )
        run.define_metric(f"{OVERVIEW_ROWS_PREFIX}*", step_metric=DECIDED)
        run.define_metric(BEST_BY_COST, step_metric=TOTAL_COST)
        summary: Any = run.summary
        own, drawn = summary.get(OWN_KEY) or {}, digest(json.dumps(shown.summary, sort_keys=True, default=str))
        for row in shown.curves[int(summary.get(DECIDED) or 0) :]:
            run.log(dict(row), commit=True)
        if own.get("drawn") != drawn:  # another machine may have drawn the same
            page = {"answer": wandb.Html(answer, inject=False)} if answer else {}
            run.log({**page, "rollouts": _table(shown.rollouts)}, commit=True)
            summary.update({OWN_KEY: {**shown.summary, "drawn": drawn}})
        for path in filter(Path.is_file, files.rglob("*")):
            run.save(str(path), base_path=str(files), policy="now")
        run.finish(exit_code=0)


def _table(table: Table) -> wandb.Table:
    return wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows], allow_mixed_types=True)
