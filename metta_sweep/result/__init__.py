"""The files of a run: their names, how a trainer writes them, how they are read without trust.

Standard library only: a training script can ``import metta_sweep`` and call :func:`report` and :func:`finish` without
paying for torch, and a program in another language can write the same files.

==============  =====================================================================================
``paths``       every file name in a run directory
``writing``     what a trainer calls
``values``      which numbers are taken for a metric, a cost, a step count
``bounded``     files that somebody else wrote: regular ones only, never waiting, never beyond a limit
``reading``     ``result.json`` and ``metrics.jsonl``: the one place where they are read
==============  =====================================================================================
"""

from metta_sweep.result.paths import (
    GOAL_VARIABLE,
    METRIC_VARIABLE,
    RUN_DIR_VARIABLE,
    WANDB_VALUES_VARIABLE,
    RunPaths,
)
from metta_sweep.result.reading import (
    Evaluation,
    ResultError,
    RunResult,
    newest_evaluation,
    read_evaluations,
    read_result,
)
from metta_sweep.result.writing import finish, finish_metrics, report, report_metrics

__all__ = [
    "GOAL_VARIABLE",
    "METRIC_VARIABLE",
    "RUN_DIR_VARIABLE",
    "WANDB_VALUES_VARIABLE",
    "Evaluation",
    "ResultError",
    "RunPaths",
    "RunResult",
    "finish",
    "finish_metrics",
    "newest_evaluation",
    "read_evaluations",
    "read_result",
    "report",
    "report_metrics",
]
