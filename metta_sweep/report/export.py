"""Every run as one flat record: for spreadsheets, notebooks and other programs."""

from __future__ import annotations

import csv
import enum
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metta_sweep.errors import RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.report.as_json import json_text
from metta_sweep.report.place import HasRunPaths
from metta_sweep.report.rows import RolloutRow, RunRow, rows_of
from metta_sweep.report.wording import printable
from metta_sweep.space.parameter import spell
from metta_sweep.sweep.state import SweepState

if TYPE_CHECKING:
    import pandas

VERSION = 1
"""Version of the records; columns may be added within a version, none changes its meaning."""


class Target(enum.StrEnum):
    """What to export to."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    OPTUNA = "optuna"


def records(state: SweepState, *, paths: HasRunPaths) -> list[dict[str, Any]]:
    """Return one flat record a run, in order, every record with the same keys.

    ``docs/reading_results.md`` says what each column means. A value that does not exist is None: a parameter that is
    not active, a metric that was not reported, a prediction before there was a model.
    """
    rows = rows_of(state)
    names = list(rows.short)
    metrics = list(dict.fromkeys(name for run in rows.runs for name in run.metrics))
    return [
        {
            **_run(rollout, run, paths),
            "on_front": rollout.index in rows.front if rows.spec.has_front else None,
            "breaks": "; ".join(map(str, rollout.broken)) or None,
            **_suggestion(rollout),
            **{f"param.{name}": rollout.params.get(name) for name in names},
            **{f"metric.{name}": run.metrics.get(name) for name in metrics},
        }
        for rollout in rows.rollouts
        for run in (*rollout.runs, *rollout.confirmations)
    ]


def _run(rollout: RolloutRow, run: RunRow, paths: HasRunPaths) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "rollout": rollout.index,
        "purpose": "confirmation" if run.confirms else "search",
        "state": str(run.state),
        "seed": run.seed,
        "metric": run.metric,
        "cost_s": run.cost_s,
        "steps": run.steps,
        "share": run.share,
        "stopped_early": None if run.judgement is None else run.judgement.reason,
        "discarded": run.discarded,
        "attempts": run.attempts,
        "failure": None if run.failure is None else str(run.failure.kind),
        "failure_message": None if run.failure is None else run.failure.message,
        "rollout_mean": rollout.mean,
        "rollout_standard_error": rollout.standard_error,
        "directory": str(paths.run(run.run_id).root),
    }


_FORMULA = ("=", "+", "-", "@")
"""How a text begins that a spreadsheet takes for a formula."""
_PREDICTED = ("score", "score_low", "score_high", "cost", "cost_low", "cost_high", "success")


def _suggestion(rollout: RolloutRow) -> dict[str, Any]:
    said = rollout.suggestion
    predicted = {f"predicted_{name}": getattr(said.predicted, name, None) for name in _PREDICTED}
    return {"origin": said.origin, "reason": said.reason, **predicted}


def as_csv(found: Sequence[dict[str, Any]]) -> str:
    """Return the records as CSV (RFC 4180, UTF-8, with a header); None is empty, numbers are exact.

    Text is shown as it is everywhere: control characters are left out, and an apostrophe stands before what a
    spreadsheet would compute.
    """
    file = io.StringIO()
    if found:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([_cell(name) for name in found[0]])
        writer.writerows([_cell(value) for value in record.values()] for record in found)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple | Mapping):
        value = spell(value)
    if isinstance(value, str):
        text = "\n".join(map(printable, value.split("\n")))
        return f"'{text}" if text.startswith(_FORMULA) else text
    return str(value).lower() if isinstance(value, bool) else value


def frame(found: Sequence[dict[str, Any]]) -> pandas.DataFrame:
    """Return the records as a data frame with one row a run.

    Raises:
        RequestError: pandas is not installed; the message says how to install it.
    """
    try:
        import pandas
    except ImportError:
        raise RequestError.of("a data frame needs pandas", fix=how_to_install("report")) from None
    return pandas.DataFrame.from_records(list(found))


def export(state: SweepState, *, paths: HasRunPaths, to: Target | str, out: Path | None = None) -> str:
    """Write every run of a sweep.

    Args:
        state: The sweep so far.
        paths: Finds the directory of a run.
        to: ``csv``, ``json``, ``parquet``, or ``optuna`` for a study in an SQLite file, one trial a rollout.
        out: The file to write; the text is returned where it is left out.

    Returns:
        The text, or an empty string where it was written to a file.

    Raises:
        RequestError: A form that is not text is asked for without a file, or a package for it is missing.
    """
    target = Target(to)
    if target is Target.OPTUNA:
        return _optuna(state, out)
    found = records(state, paths=paths)
    if target is Target.PARQUET:
        return _parquet(found, out)
    text = as_csv(found) if target is Target.CSV else json_text({"version": VERSION, "runs": found})
    if out is None:
        return text
    out.write_text(text, encoding="utf-8")
    return ""


def _optuna(state: SweepState, out: Path | None) -> str:
    from metta_sweep.report.optuna_storage import write_study

    if out is None:
        raise RequestError.of("a study is not text: it needs a file", key="--to", fix="add --out FILE.db")
    write_study(state, out)
    return ""


def _parquet(found: Sequence[dict[str, Any]], out: Path | None) -> str:
    if out is None:
        raise RequestError.of("parquet is not text: it needs a file", key="--to", fix="add --out FILE.parquet")
    try:
        frame(found).to_parquet(out, index=False)
    except ImportError:
        raise RequestError.of("parquet needs pyarrow", key="--to", fix="pip install pyarrow") from None
    return ""
