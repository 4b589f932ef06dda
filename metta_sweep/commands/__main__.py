"""``python -m metta_sweep.commands COMMAND``."""

import sys

from metta_sweep.commands.cli import main

sys.exit(main())
