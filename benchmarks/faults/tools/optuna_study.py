"""Peer: Optuna, SQLite storage, trials as subprocesses, failures caught. Arguments: FOLDER, TRIALS or ``report``."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import optuna

TRIAL = Path(__file__).parents[1] / "trial.py"
folder = Path(sys.argv[1])
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(study_name="s", storage=f"sqlite:///{folder}/optuna.db", load_if_exists=True)


def objective(trial):
    x = trial.suggest_float("x", 0.0, 1.0)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        result = Path(place) / "result.json"
        subprocess.run([sys.executable, TRIAL, folder, result, str(x)], check=True)
        return json.loads(result.read_text())["loss"]


states = [trial.state.name for trial in study.trials]
if sys.argv[2] == "report":
    print(json.dumps({"completed": states.count("COMPLETE"), "running": states.count("RUNNING"), "states": states}))
else:
    study.optimize(objective, n_trials=max(0, int(sys.argv[2]) - states.count("COMPLETE")), catch=(Exception,))
