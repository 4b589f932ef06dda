"""metta_sweep: the same command starts and resumes. Arguments: FOLDER, TRIALS or ``report``."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TRIAL = Path(__file__).parents[1] / "trial.py"
SWEEP = """
rollout_count: {trials}
sweep:
  metric: loss
  goal: minimize
  command: ["{python}", "{trial}", "{folder}", "{{run_dir}}/result.json", "{{args}}"]
  parameters:
    x: {{min: 0.0, max: 1.0, distribution: uniform}}
"""

folder = Path(sys.argv[1])
environment = {**os.environ, "DATA_DIR": str(folder), "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled"}
command = [sys.executable, "-m", "metta_sweep.commands"]
if sys.argv[2] == "report":
    told = subprocess.run(
        [*command, "summarize", "s", "--format", "json"], env=environment, cwd=folder, capture_output=True, check=True
    )
    runs = [run for row in json.loads(told.stdout)["rollouts"] for run in row["runs"]]
    states = [run["state"] for run in runs]
    print(json.dumps({"completed": states.count("finished"), "running": states.count("running"), "states": states}))
else:
    file = folder / "sweep.yaml"
    file.write_text(SWEEP.format(trials=sys.argv[2], python=sys.executable, trial=TRIAL, folder=folder))
    words = ["run", "run=s", f"++sweep_params={file}", "launcher.run_time_limit=20"]
    os.chdir(folder)
    os.execve(sys.executable, [*command, *words], environment)
