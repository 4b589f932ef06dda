"""The one trial of every tool: notes its start and end in a ledger that no tool knows of, and leaves a loss.

    trial.py FOLDER RESULT X

The trial that starts as number ``odd_at`` of ``FOLDER/settings.json`` behaves as ``odd`` says: ``hang``, ``nan``,
``inf``, or ``nothing`` (exit 0 without a result).
"""

import json
import os
import sys
import time
from pathlib import Path

folder, result, x = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3].split("=")[-1])
settings = json.loads((folder / "settings.json").read_text())


def note(what):
    with (folder / "ledger").open("a") as ledger:
        ledger.write(f"{what} {x!r} {os.getpid()}\n")


note("start")
number = (folder / "ledger").read_text().count("start ")
odd = settings["odd"] if number == settings["odd_at"] else ""
time.sleep(1e6 if odd == "hang" else settings["seconds"])
loss = {"nan": float("nan"), "inf": float("inf")}.get(odd, (x - 0.3) ** 2)
if odd != "nothing":
    metrics = {"loss": loss}
    result.with_suffix(".part").write_text(json.dumps({"metrics": metrics, **metrics}))
    result.with_suffix(".part").rename(result)
note("end")
