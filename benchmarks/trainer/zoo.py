"""The shipped settings beside Stable-Baselines3 with those of rl-baselines3-zoo: reward and CPU-seconds, seed by seed.

    python -m benchmarks.trainer.zoo --sb3-python V/bin/python [--only Acrobot-v1]

A run is a process with one thread, ours and SB3's by turns. Both learn from the same number of steps (each completes
its last batch); CPU-seconds are those of learning alone. Then both play the same :data:`EPISODES` episodes with the
likeliest actions, and again with drawn ones. What the results hold is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results" / "zoo.json"
TASKS = {"Acrobot-v1": (100_000, 5), "Pendulum-v1": (200_000, 3), "LunarLander-v3": (500_000, 3)}
"""Steps and seeds of each environment."""
EPISODES = 30
CONTENDERS = {"ours": "contender_zoo", "sb3": "peer_zoo"}


def play(env_id: str, act: Callable[[Any], Any]) -> float:
    """Return the mean return of the fixed episodes."""
    import gymnasium

    env, returns = gymnasium.make(env_id), []
    for episode in range(EPISODES):
        seen, _ = env.reset(seed=10_000 + episode)
        total, over = 0.0, False
        while not over:
            seen, reward, terminal, truncation, _ = env.step(act(seen))
            total, over = total + float(reward), terminal or truncation
        returns.append(total)
    return round(statistics.mean(returns), 2)


def one(contender: str, env_id: str, seed: int) -> dict[str, Any]:
    """Run in this process."""
    import importlib

    import torch

    torch.set_num_threads(1)
    learned = importlib.import_module(f"benchmarks.trainer.{CONTENDERS[contender]}").learn(
        env_id, TASKS[env_id][0], seed
    )
    return {
        "env": env_id,
        "contender": contender,
        "seed": seed,
        "steps": learned.steps,
        "likeliest": play(env_id, learned.likeliest),
        "drawn": play(env_id, learned.drawn),
        "cpu_s": round(learned.cpu_s, 1),
    }


def in_a_process(python: str, contender: str, env_id: str, seed: int) -> dict[str, Any]:
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [python, "-m", "benchmarks.trainer.zoo", "--one", contender, env_id, str(seed)]
    found = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    row: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=3, metavar=("CONTENDER", "ENV", "SEED"))
    parser.add_argument("--sb3-python", help="without it SB3 is left out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--peers-alone", action="store_true")
    parser.add_argument("--only", choices=TASKS, nargs="+", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=5, help="at most so many")
    arguments = parser.parse_args()
    if arguments.one:
        contender, env_id, seed = arguments.one
        print(json.dumps(one(contender, env_id, int(seed))))
        return
    pythons = {"ours": None if arguments.peers_alone else sys.executable, "sb3": arguments.sb3_python}
    rows = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    done = {(row["env"], row["contender"], row["seed"]) for row in rows}
    for env_id in arguments.only:
        for seed in range(min(arguments.seeds, TASKS[env_id][1])):
            for contender, python in pythons.items():
                if python and (env_id, contender, seed) not in done:
                    rows.append(in_a_process(python, contender, env_id, seed))
                    print(json.dumps(rows[-1]), flush=True)
                    arguments.out.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    for env_id in TASKS:
        means: dict[str, dict[str, float]] = {}
        for contender in CONTENDERS:
            own = [row for row in rows if (row["env"], row["contender"]) == (env_id, contender)]
            if own:
                means[contender] = {
                    key: statistics.mean(row[key] for row in own) for key in ("likeliest", "drawn", "cpu_s")
                }
                rewards = " ".join(f"{row['likeliest']:.1f}" for row in own)
                print(f"{env_id:15} {contender:5} {len(own)} seeds", means[contender], rewards)
        if len(means) == 2:
            print(f"{env_id:15} CPU-seconds of SB3's: {means['ours']['cpu_s'] / means['sb3']['cpu_s']:.2f}")


if __name__ == "__main__":
    main()
