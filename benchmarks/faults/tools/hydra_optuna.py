"""Peer: hydra-optuna-sweeper with SQLite storage. Arguments: FOLDER, TRIALS or ``report``."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TRIAL = Path(__file__).parents[1] / "trial.py"


def main(config):
    folder = Path(os.environ["FAULTS_FOLDER"])
    with tempfile.TemporaryDirectory(dir=folder) as place:
        result = Path(place) / "result.json"
        subprocess.run([sys.executable, TRIAL, folder, result, str(config.x)], check=True)
        return json.loads(result.read_text())["loss"]


def states(folder):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{folder}/hydra.db"
    if not any(summary.study_name == "s" for summary in optuna.get_all_study_summaries(storage)):
        return []
    return [trial.state.name for trial in optuna.load_study(study_name="s", storage=storage).trials]


if sys.argv[2:3] == ["report"]:
    found = states(sys.argv[1])
    print(json.dumps({"completed": found.count("COMPLETE"), "running": found.count("RUNNING"), "states": found}))
elif "FAULTS_FOLDER" not in os.environ:
    folder, trials = sys.argv[1:3]
    left = max(0, int(trials) - states(folder).count("COMPLETE"))
    sweeper = {"n_trials": left, "n_jobs": 1, "study_name": "s", "storage": f"sqlite:///{folder}/hydra.db"}
    words = [f"hydra.sweeper.{name}={value}" for name, value in sweeper.items()]
    command = [sys.executable, __file__, "--multirun", "hydra/sweeper=optuna", "+x=interval(0.0,1.0)", *words]
    os.chdir(folder)
    if left:
        os.execve(sys.executable, command, {**os.environ, "FAULTS_FOLDER": folder})
else:
    import hydra

    hydra.main(version_base=None, config_path=None, config_name=None)(main)()
