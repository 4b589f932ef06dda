"""Peer: Syne Tune on its local backend, loaded where it was saved. Arguments: FOLDER, TRIALS or ``report``.

Started by its own backend with ``--x`` it is the trial.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TRIAL = Path(__file__).parents[1] / "trial.py"


def as_trial():
    from syne_tune import Reporter

    folder, x = os.environ["FAULTS_FOLDER"], sys.argv[sys.argv.index("--x") + 1]
    with tempfile.TemporaryDirectory(dir=folder) as place:
        result = Path(place) / "result.json"
        subprocess.run([sys.executable, TRIAL, folder, result, x], check=True)
        if result.exists():
            Reporter()(loss=json.loads(result.read_text())["loss"])


def tuner(trials):
    from syne_tune import StoppingCriterion, Tuner
    from syne_tune.backend import LocalBackend
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.baselines import RandomSearch

    saved = Path(os.environ["SYNETUNE_FOLDER"]) / "s"
    if (saved / "tuner.dill").exists():
        return Tuner.load(str(saved))
    return Tuner(
        trial_backend=LocalBackend(entry_point=__file__),
        scheduler=RandomSearch({"x": uniform(0.0, 1.0)}, metrics=["loss"]),
        stop_criterion=StoppingCriterion(max_num_trials_finished=trials),
        n_workers=1,
        sleep_time=0.2,
        results_update_interval=1.0,
        max_failures=5,
        tuner_name="s",
        suffix_tuner_name=False,
    )


def report():
    from syne_tune.experiments import load_experiment

    results = load_experiment("s").results
    losses = [] if results is None or "loss" not in results else list(results.groupby("trial_id")["loss"].last())
    print(json.dumps({"completed": len(losses), "running": 0, "states": [str(loss) for loss in losses]}))


if "--x" in sys.argv:
    as_trial()
else:
    os.environ["FAULTS_FOLDER"], os.environ["SYNETUNE_FOLDER"] = sys.argv[1], sys.argv[1]
    if sys.argv[2] == "report":
        report()
    else:
        tuner(int(sys.argv[2])).run()
