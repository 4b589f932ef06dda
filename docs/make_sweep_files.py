"""Write docs/sweep_files.md from the sweep files of the project."""

from pathlib import Path

from metta_sweep.commands.controller import compose
from metta_sweep.config.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "sweep_files.md"


def page() -> str:
    """Return the page for the files as they are."""
    files = sorted((ROOT / "configs" / "sweep").glob("*.yaml"))
    return catalogue(files, lambda name: compose(["run=x", f"++sweep_params=sweep/{name}", "cmd=plan"]))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
