"""Run the benchmark of real sweeps: a file a sweep, so that it can be cut short and goes on where it was.

OMP_NUM_THREADS=1 python -m benchmarks.sweeps.run --out OUT [--contenders a,b] [--tasks a,b] [--seeds 5]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.sweeps.contenders import CONTENDERS
from benchmarks.sweeps.search import search, summary
from benchmarks.sweeps.tasks import TASKS
from benchmarks.sweeps.training import Run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--seeds", type=int, default=5)
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    tasks = told.tasks.split(",")
    warm_up(tasks)
    for seed in range(told.seeds):
        for task in tasks:
            for name in told.contenders.split(","):
                if not _path(told.out, name, task, seed).exists():
                    _sweep(told.out, name, task, seed)


def warm_up(tasks: Sequence[str]) -> None:
    """Load what the first training of a task loads, so that no run pays for it."""
    for task in (TASKS[name] for name in tasks):
        config = task.config(task.center, 0)
        few = config.trainer.model_copy(update={"total_timesteps": config.trainer.batch_size})
        list(Run(config.model_copy(update={"trainer": few})).train())


def _sweep(out: Path, name: str, task: str, seed: int) -> None:
    """Do one sweep and keep it; with confirmation it is kept first, as the other file says that both are there."""
    started = time.process_time()
    contender = CONTENDERS[name](TASKS[task], seed)
    sweep, confirmed = search(TASKS[task], contender, seed)
    if confirmed is not None:
        _keep(_path(out, f"{name}_confirm", task, seed), summary(confirmed, contender))
    _keep(_path(out, name, task, seed), summary(sweep, contender))
    last = sweep.path[-1] if sweep.path else {}
    took_s = time.process_time() - started
    sys.stdout.write(f"{seed} {task:8} {name:14} {len(sweep.runs):3} runs  {last.get('value')}  {took_s:.0f} s\n")
    sys.stdout.flush()


def _keep(path: Path, found: dict[str, object]) -> None:
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(found), encoding="utf-8")
    beside.replace(path)


def _path(out: Path, name: str, task: str, seed: int) -> Path:
    return out / f"{name}.{task}.{seed}.json"


if __name__ == "__main__":
    main()
