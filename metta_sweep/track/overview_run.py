"""The overview as a W&B run: curves that go on where they ended, charts that are drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from metta_sweep.track.client import Client, client_errors
from metta_sweep.track.facts import OWN_KEY
from metta_sweep.track.overview import DECIDED, OVERVIEW_ROWS_PREFIX, Overview, Table

OVERVIEW_JOB = "overview"
"""Job type of the run that shows the sweep as a whole; it stands beside the sweep's runs, not among them."""

OVERVIEW_S = 8.0
"""Seconds for the overview, without which the mirror is whole all the same."""


def send_overview(
    client: Client, shown: Overview, *, name: str, wandb_id: str, config: Mapping[str, Any], files: Path
) -> None:
    """Bring the sweep's overview run up to date.

    Args:
        client: Says where.
        shown: What it shows.
        name: Its shown name.
        wandb_id: Its id.
        config: What identifies and describes the sweep.
        files: A folder; its files are sent as they are.

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
            resume="allow",
            reinit="create_new",
            dir=str(client.folder),
            settings=client.run_settings(None, sweep_id=None, finish_s=OVERVIEW_S),
        )
        run.define_metric(f"{OVERVIEW_ROWS_PREFIX}*", step_metric=DECIDED)
        for step in range(run.starting_step, len(shown.curves)):
            is_last = step == len(shown.curves) - 1
            run.log({**shown.curves[step], **(_charts(shown) if is_last else {})}, step=step, commit=True)
        run.summary.update({OWN_KEY: dict(shown.summary)})
        for path in filter(Path.is_file, files.rglob("*")):
            run.save(str(path), base_path=str(files), policy="now")
        run.finish(exit_code=0)


def _charts(shown: Overview) -> dict[str, Any]:
    """Return the overview's charts and the table of all rollouts."""
    scatter, metric, front = wandb.plot.scatter, shown.metric, _table(shown.front)
    cost = _table(shown.chosen("cost_s", "metric"))
    guessed = _table(shown.chosen("predicted_score", "metric"))
    return {
        "pareto_front": wandb.plot.line(front, "cost_s", "metric", title=f"Pareto front: best {metric} at a cost"),
        "cost_and_metric": scatter(cost, "cost_s", "metric", title=f"Cost and {metric}"),
        "predicted_and_actual": scatter(guessed, "predicted_score", "metric", title=f"Predicted and actual {metric}"),
        "rollouts": _table(shown.rollouts),
    }


def _table(table: Table) -> wandb.Table:
    return wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows], allow_mixed_types=True)
