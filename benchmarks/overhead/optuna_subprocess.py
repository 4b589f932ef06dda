"""Peer: Optuna with SQLite storage that starts the no-op trial as a subprocess. Arguments: trials, folder."""

import subprocess
import sys
import tempfile
from pathlib import Path

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)
trials, folder = int(sys.argv[1]), Path(sys.argv[2])
trial_script = Path(__file__).with_name("trial.sh")


def objective(trial):
    trial.suggest_float("lr", 1e-5, 1e-2, log=True)
    trial.suggest_float("gamma", 0.9, 0.999)
    with tempfile.TemporaryDirectory(dir=folder) as run_dir:
        subprocess.run([trial_script, run_dir], check=True)
    return 1.0


study = optuna.create_study(storage=f"sqlite:///{folder}/optuna.db", direction="maximize")
study.optimize(objective, n_trials=trials)
