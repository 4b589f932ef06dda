import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "gpytorch", "hydra", "omegaconf", "wandb", "scipy", "pandas", "plotly")


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    return done.stdout.strip()


@pytest.mark.slow
def test_reading_a_sweep_imports_nothing_heavy() -> None:
    code = f"import sys, metta_sweep.report; print([name for name in {HEAVY} if name in sys.modules])"
    assert in_a_fresh_process(code) == "[]"


@pytest.mark.slow
def test_a_training_script_can_report_after_the_package_of_the_same_name_was_imported(tmp_path: Path) -> None:
    code = (
        f"import metta_sweep, metta_sweep.report\nmetta_sweep.report(step=1, run_dir={str(tmp_path)!r}, reward=0.5)\n"
    )
    in_a_fresh_process(code)
    assert '"reward": 0.5' in (tmp_path / "metrics.jsonl").read_text()
