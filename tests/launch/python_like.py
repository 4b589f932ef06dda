"""Writes down what it finds around it; run by a warm fork and by ``python -m``."""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import sys
import threading
from pathlib import Path

import numpy as np

WARM = __name__ != "__main__"


def _descriptors() -> list[str]:
    """Return what is open, the run's own directory left out of the names."""
    links = [Path(f"/proc/self/fd/{number}") for number in range(64)]
    return sorted(link.readlink().name.replace("my.r.1", "my.r.0") for link in links if link.is_symlink())


def main(arguments: list[str]) -> int:
    seen = {
        "warm": WARM,
        "argv": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "arguments": arguments,
        "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "sigpipe": signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
        "descriptors": _descriptors(),
        "random": [random.random(), float(np.random.rand())],
        "threads": threading.active_count(),
        "session": os.getsid(0) == os.getpid(),
    }
    (Path(os.environ["METTA_SWEEP_RUN_DIR"]) / "seen.json").write_text(json.dumps(seen))
    sys.stdout.write("from main\n")
    atexit.register(lambda: sys.stdout.write("from an exit handler\n"))
    threading.Timer(0.1, lambda: sys.stdout.write("from a thread\n")).start()
    return 5


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
