"""Peer: hydra-optuna-sweeper over a no-op task, its own default sampler. Run by measure.py with --multirun."""

import subprocess
import tempfile
from pathlib import Path

import hydra

TRIAL = Path(__file__).with_name("trial.sh")


@hydra.main(version_base=None, config_path=None, config_name=None)
def main(config):
    del config
    with tempfile.TemporaryDirectory() as run_dir:
        subprocess.run([TRIAL, run_dir], check=True)
    return 1.0


if __name__ == "__main__":
    main()
