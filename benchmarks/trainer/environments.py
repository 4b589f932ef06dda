"""Agent-steps per CPU-second of the native environments alone, under random play.

python -m benchmarks.trainer.environments [--out FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path

import numpy as np
import yaml
from pydantic import TypeAdapter

from benchmarks.trainer.workloads import CONFIGS
from metta_sweep.envs.config import EnvConfig
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Step

ROWS = (16, 64, 256, 1024, 4096)


def speed(name: str, rows: int, seconds: float, *, stagger: bool) -> float:
    """Measure one environment; staggered episodes start at different ages, as in training: some end each step."""
    config = TypeAdapter(EnvConfig).validate_python(yaml.safe_load((CONFIGS / "env" / f"{name}.yaml").read_text()))
    env = make_env(config, rows=rows)
    out = Step.empty(env.spec)
    env.reset(0, out.observations, stagger=stagger)
    actions = np.random.default_rng(0).integers(0, env.spec.actions.size, (64, rows))
    best = 0.0
    for _ in range(5):
        steps, start = 0, time.process_time()
        while time.process_time() - start < seconds / 5:
            env.step(actions[steps % 64], out)
            steps += 1
        best = max(best, steps * rows / (time.process_time() - start))
        env.drain()
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, dict[str, int]] = {}
    for name, stagger in itertools.product(("altar", "pong", "cogeval"), (False, True)):
        shown = f"{name}, staggered" if stagger else name
        for rows in ROWS:
            figure = round(speed(name, rows, arguments.seconds, stagger=stagger))
            figures.setdefault(shown, {})[str(rows)] = figure
            print(f"{shown:20} {rows:5} rows  {figure / 1e6:6.2f}M agent-steps per CPU-second", flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
