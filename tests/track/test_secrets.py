"""Keys come from the environment and stay there: not in the journal, logs, files, command lines, nor at W&B."""

from __future__ import annotations

import sys

import pytest

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from tests.track.server.loopback import KEY
from tests.track.test_whole_sweep import SWEEP_FILE, TRIAL, environ_of, run

pytestmark = pytest.mark.slow
TOKEN = "ghp_0123456789abcdefghijklmnopqrstu"
WATCH = """
import pathlib, subprocess
pathlib.Path({seen!r}).write_bytes(subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True).stdout)
"""


def test_a_key_of_the_environment_or_of_a_yaml_is_seen_nowhere(server, tmp_path, no_process_left):
    seen, trial, file = tmp_path / "command_lines", tmp_path / "trial.py", tmp_path / "short.yaml"
    trained = TRIAL.format(root=sys.path[0], seconds=0.3, met=str(tmp_path / "met"), machines=1)
    trial.write_text(WATCH.format(seen=str(seen)) + trained)
    written = SWEEP_FILE.format(rollouts=2, python=sys.executable, trial=trial)
    file.write_text(f"{written}  model_hub:\n    token: {TOKEN}\n    name: small\n")
    environ = {**environ_of(server, tmp_path), "MY_SECRET": "s3cr3t-of-the-environment"}
    line = [sys.executable, "-m", "metta_sweep.commands", "run", "run=safe", f"++sweep_params={file}"]
    said = run(tmp_path, line, environ)
    sweep = SweepPaths(tmp_path / "data", "safe")
    assert "W&B: 2 runs, all there" in said
    at_w_and_b = "".join(run.files_text() for run in server.world.runs.values())
    assert "small" in at_w_and_b
    assert "trial.py" in seen.read_text()
    local = "".join(path.read_text(errors="replace") for path in sweep.root.rglob("*") if path.is_file())
    for secret in (KEY, "s3cr3t-of-the-environment"):
        assert secret not in said + str(read_events(sweep)) + local + seen.read_text()
    for secret in (KEY, "s3cr3t-of-the-environment", TOKEN):
        assert secret not in at_w_and_b + str(server.world.sweeps)
