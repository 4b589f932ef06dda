"""The one door: whichever tool wrote a sweep file, it becomes one of ours."""

from __future__ import annotations

from metta_sweep.config.foreign.hydra_sweeper import is_hydra, migrate_hydra
from metta_sweep.config.foreign.puffer import is_puffer, migrate_puffer
from metta_sweep.config.foreign.python_space import migrate_python
from metta_sweep.config.foreign.wandb_sweep import is_wandb, migrate_wandb
from metta_sweep.config.migration import Migration, migrate
from metta_sweep.config.yaml_source import parse_yaml
from metta_sweep.errors import RequestError


def migrate_any(text: str, *, shown: str, function: str = "") -> Migration:
    """Return another tool's sweep file in the form of this project.

    Args:
        text: The old file.
        shown: Its name for messages; one of Python's ends in ``.py``.
        function: The function of a Python file that is meant.

    Raises:
        RequestError: It is not valid YAML, not a valid .ini file, or a Python file without one search space.
    """
    if shown.endswith(".py"):
        return migrate_python(text, shown=shown, function=function)
    if function:
        raise RequestError.of("only a Python file has functions", key="--function", fix="leave it out")
    if is_puffer(text):
        return migrate_puffer(text, shown=shown)
    source = parse_yaml(text, shown=shown)
    if not source.problems and is_wandb(source.data):
        return migrate_wandb(text, source)
    if not source.problems and is_hydra(source.data):
        return migrate_hydra(text, source)
    return migrate(text, shown=shown)
