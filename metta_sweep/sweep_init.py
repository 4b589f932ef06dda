"""The sweep as a Hydra app: ``python -m metta_sweep.sweep_init run=NAME ++sweep_params=sweep/FILE [overrides]``."""

import sys

from metta_sweep.commands.cli import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))
