"""The layout's promises: imports point one way, and light parts stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "metta_sweep"

LAYERS = (
    ("sweep_init", "function"),
    ("commands",),
    ("launch", "results", "track", "report"),
    ("store",),
    ("sweep", "optuna"),
    ("optimize",),
    ("config",),
    ("space",),
    ("decoding", "errors", "expression", "extras", "goal", "invocation", "nearest", "result", "secrecy", "trees"),
)
"""From top to bottom: a part may import what stands below it. The trainer's side stands apart."""

TRAINER_SIDE = ("train", "trainer", "envs")
SHARED_WITH_TRAINER = ("result", "expression", "extras")
OVER_THE_WALL = ("sweep_init", "commands")
"""What may look at the trainer's side: to hand its schema to the configuration, and to play an episode again."""

RANK = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}


def parts():
    return sorted({path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")})


def imports_of(part):
    """Yield (file, imported part) for every import of our own package, also those inside functions."""
    files = [PACKAGE / f"{part}.py"] if (PACKAGE / f"{part}.py").exists() else sorted((PACKAGE / part).rglob("*.py"))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module] if node.module != "metta_sweep" else [f"metta_sweep.{a.name}" for a in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                pieces = name.split(".")
                if pieces[0] == "metta_sweep" and len(pieces) > 1:
                    yield file.relative_to(PACKAGE.parent), pieces[1]


def test_every_part_has_its_place():
    assert set(parts()) - {"__init__"} <= set(RANK) | set(TRAINER_SIDE)


@pytest.mark.parametrize("part", [part for part in parts() if part in RANK])
def test_imports_point_downwards(part):
    wrong = [
        f"{file} imports {imported}"
        for file, imported in imports_of(part)
        if imported != part
        and imported in {*RANK, *TRAINER_SIDE}
        and not (RANK.get(imported, -1) > RANK[part])
        and not (part in OVER_THE_WALL and imported in TRAINER_SIDE)
    ]
    assert wrong == []


@pytest.mark.parametrize("part", [part for part in parts() if part in TRAINER_SIDE])
def test_the_trainer_knows_nothing_of_the_sweep(part):
    allowed = {*TRAINER_SIDE[TRAINER_SIDE.index(part) :], *SHARED_WITH_TRAINER}
    wrong = [f"{file} imports {imported}" for file, imported in imports_of(part) if imported not in allowed]
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("metta_sweep", ("torch", "numpy", "hydra", "omegaconf", "wandb", "pydantic", "rich")),
        ("metta_sweep.result", ("torch", "numpy", "hydra", "omegaconf", "wandb", "pydantic", "rich")),
        ("metta_sweep.sweep.loop", ("torch", "hydra", "omegaconf", "wandb", "rich")),
        ("metta_sweep.space", ("torch", "hydra", "omegaconf", "wandb", "rich")),
        ("metta_sweep.optimize.protein", ("torch", "gpytorch", "hydra", "omegaconf", "wandb", "rich")),
        ("metta_sweep.optimize.worker", ("torch", "gpytorch", "hydra", "omegaconf", "wandb", "rich")),
        ("metta_sweep.store", ("torch", "hydra", "omegaconf", "wandb", "rich")),
        ("metta_sweep.report", ("torch", "hydra", "omegaconf", "wandb")),
        ("metta_sweep.track", ("torch", "hydra", "omegaconf", "wandb")),
        ("metta_sweep.trainer.config", ("torch", "hydra", "omegaconf", "wandb", "gpytorch", "scipy")),
        ("metta_sweep.train", ("hydra", "wandb", "gpytorch", "scipy", "rich")),
        ("metta_sweep.commands", ("torch", "wandb", "gpytorch")),
    ],
)
def test_light_parts_stay_light(module, heavy):
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.slow
def test_protein_alone_needs_neither_hydra_nor_wandb():
    code = (
        "import sys; from metta_sweep import Protein\n"
        "p = Protein({'x': {'min': 0.0, 'max': 1.0, 'distribution': 'uniform'}})\n"
        "for k in range(6):\n"
        "    s = p.suggest(); p.observe(s.params, score=k, cost=1.0)\n"
        "print([name for name in ('hydra', 'omegaconf', 'wandb', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
