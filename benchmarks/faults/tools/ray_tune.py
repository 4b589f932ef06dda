"""Peer: Ray Tune, restored where it can be. Arguments: FOLDER, TRIALS or ``report``."""

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray
from ray import tune

TRIAL = Path(__file__).parents[1] / "trial.py"
folder = Path(sys.argv[1])
experiment = str(folder / "s")


def train(config):
    with tempfile.TemporaryDirectory(dir=config["folder"]) as place:
        result = Path(place) / "result.json"
        subprocess.run([config["python"], TRIAL, config["folder"], result, str(config["x"])], check=True)
        tune.report({"loss": json.loads(result.read_text())["loss"]})


def tuner(trials):
    if tune.Tuner.can_restore(experiment):
        return tune.Tuner.restore(experiment, trainable=train, resume_unfinished=True, resume_errored=False)
    return tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={"x": tune.uniform(0.0, 1.0), "folder": str(folder), "python": sys.executable},
        tune_config=tune.TuneConfig(num_samples=trials, metric="loss", mode="min", max_concurrent_trials=1),
        run_config=tune.RunConfig(name="s", storage_path=str(folder), verbose=0),
    )


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=100_000_000)
if sys.argv[2] == "report":
    grid = tuner(0).get_results()
    losses = [result.metrics.get("loss") if result.metrics else None for result in grid]
    done = [loss for result, loss in zip(grid, losses, strict=True) if result.error is None and loss is not None]
    failed = sum(result.error is not None for result in grid)
    states = ["FINITE" if math.isfinite(loss) else str(loss) for loss in done] + ["ERROR"] * failed
    print(json.dumps({"completed": len(done), "running": len(losses) - len(done) - failed, "states": states}))
else:
    tuner(int(sys.argv[2])).fit()
