"""What the shipped settings reach, seed by seed, and what that costs.

    python -m benchmarks.trainer.shipped env=gymnasium env.id=CartPole-v1 trainer.total_timesteps=50000 [--seeds 5]

Any override of the sweep's groups can be given. Prints a line a seed, and with ``--out FILE`` keeps them as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.trainer.workloads import shipped
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.training import Training


def one(overrides: list[str], seed: int) -> dict[str, float]:
    """Return the reward of the last evaluation, over all and by simulation, and what the run cost."""
    config = parse(shipped(*overrides, f"seed={seed}", "device=cpu"))
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as run_dir:
        metrics = Training(config, Path(run_dir), torch.device("cpu"), lambda _: None).run()
    rewards = {name: round(value, 3) for name, value in metrics.items() if name.split(".")[-1] == "reward"}
    return {"seed": seed, **rewards, "cpu_s": round(time.process_time() - began_s, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(arguments.seeds):
        rows.append(one(arguments.overrides, seed))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        arguments.out.write_text(json.dumps({"overrides": arguments.overrides, "runs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
