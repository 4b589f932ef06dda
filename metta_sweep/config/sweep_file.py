"""The sweep file as a person wrote it: what may stand in it, and where each key stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from metta_sweep.config.environment import ENV, without_variables
from metta_sweep.config.interpolation import refused
from metta_sweep.config.parameters import flat_parameters
from metta_sweep.config.training_schema import TrainingKeys
from metta_sweep.config.yaml_source import YamlSource, brief
from metta_sweep.errors import Problem
from metta_sweep.nearest import did_you_mean, nearest
from metta_sweep.trees import copied, nested

ROOT_KEYS = ("rollout_count", "num_samples", "sweep", "defaults")
"""Keys at the root of a sweep file."""
SWEEP_KEYS = (
    "parameters",
    "metric",
    "goal",
    "weights",
    "bounds",
    "constraints",
    "optimizer",
    "protein",
    "limits",
    "confirm",
    "early_stop",
    "command",
    "results",
    "points",
    "from",
    "common_seeds",
    "description",
    "workdir",
)
"""Keys inside ``sweep``; every other one is an override of the training config's group of that name."""
POINTS_WORDS = frozenset(
    {
        "start_with",
        "starting_points",
        "start_points",
        "initial_points",
        "init_points",
        "initial_params",
        "known_points",
        "enqueue",
        "points_to_evaluate",
        "evaluate_first",
        "warm_start",
        "x0",
    }
)
"""What other tools call points that are run first."""
AT_ROOT_TOO = ("optimizer", "protein")
"""Keys inside ``sweep`` that are laid over the root key of the same name."""
EXPRESSION_KEYS = frozenset({"expr", "constraints"})
"""Keys whose texts are expressions: ``${a.b}`` in them means the path, not its base value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFile:
    """A sweep file whose structure was checked; what was wrong is left out of it and listed."""

    source: YamlSource
    """The file and the lines of its keys."""
    root: Mapping[str, Any]
    """``rollout_count`` and ``num_samples``, as far as the file gives them."""
    settings: Mapping[str, Any]
    """The keys of ``sweep`` that are the sweep's own; parameters by dotted path."""
    blocks: Mapping[str, Any]
    """The overrides of the training config, dotted keys written out as mappings."""
    defaults: Sequence[Any]
    """The file's defaults list as written."""
    problems: tuple[Problem, ...]
    """What is wrong with the file."""
    unusable: bool
    """Whether it cannot be composed at all."""

    def node(self) -> dict[str, Any]:
        """Return the file as a node of Hydra's config store, without its defaults list."""
        sweep = {**self.settings, **self.blocks}
        if ENV in self.settings and isinstance(self.blocks.get(ENV), Mapping):
            sweep[ENV] = {**self.blocks[ENV], **self.settings[ENV]}
        node: dict[str, Any] = copied({**self.root, "sweep": sweep})
        return node


def read_sweep(source: YamlSource, *, training: TrainingKeys, free: bool) -> SweepFile:
    """Check the structure of a sweep file.

    Args:
        source: The file.
        training: The root keys of the training config.
        free: Whether any other group may be overridden: an external command knows its own.
    """
    sweep = source.data.get("sweep")
    unreadable = [*source.problems, *_interpolation_problems(source)]
    problems = [*unreadable, *_root_problems(source, training)]
    if sweep is not None and not isinstance(sweep, dict):
        problems.append(source.problem("sweep", f"need a mapping, got {brief(sweep)}"))
    content = sweep if isinstance(sweep, dict) else {}
    free = free or content.get("command") is not None
    content, variables = without_variables(content) if free else (content, {})
    settings = {key: value for key, value in content.items() if key in SWEEP_KEYS}
    settings |= {ENV: variables} if variables else {}
    if isinstance(settings.get("parameters"), dict):
        settings["parameters"] = _flat(source, settings["parameters"], problems)
    others = {key: value for key, value in content.items() if key not in SWEEP_KEYS}
    blocks: dict[str, Any] = {}
    for key, value in others.items():
        problem = _block_problem(source, key, value, training, free=free, swept=settings.get("parameters") or ())
        if problem is None:
            blocks[key] = {} if value is None else value
        else:
            problems.append(problem)
    defaults = source.data.get("defaults") or []
    return SweepFile(
        source=source,
        root={key: source.data[key] for key in ("rollout_count", "num_samples") if key in source.data},
        settings=settings,
        blocks=nested(blocks),
        defaults=defaults if isinstance(defaults, list) else [defaults],
        problems=tuple(problems),
        unusable=bool(unreadable),
    )


def _flat(source: YamlSource, parameters: dict[str, Any], problems: list[Problem]) -> dict[str, Any]:
    """Return parameters by dotted path; one that is written twice, nested and dotted, is a problem."""
    flat: dict[str, Any] = {}
    for path, leaf in flat_parameters(parameters):
        if path in flat:
            problems.append(source.problem(f"sweep.parameters.{path}", "is given twice", fix="remove one of them"))
        flat.setdefault(path, leaf)
    return flat


def _root_problems(source: YamlSource, training: TrainingKeys) -> Iterator[Problem]:
    if not source.data and not source.problems:
        yield Problem(message="the file is empty, need a sweep", file=source.file, fix="copy configs/sweep/empty.yaml")
    for key, value in source.data.items():
        if key in ROOT_KEYS:
            continue
        if key.partition(".")[0] in training.roots:
            yield source.problem(key, "has no effect here: overrides belong under sweep:", fix=_moved(key, value))
        elif key in SWEEP_KEYS:
            yield source.problem(key, "belongs under sweep:", fix=_moved(key, value))
        elif isinstance(value, dict) and value and all(isinstance(inner, dict) for inner in value.values()):
            yield source.problem(key, f"need one of {', '.join(ROOT_KEYS)} at the root", fix=_moved(key, value))
        else:
            fix = did_you_mean(key, [*ROOT_KEYS, *(f"sweep.{known}" for known in SWEEP_KEYS)])
            yield source.problem(key, f"need one of {', '.join(ROOT_KEYS)} at the root", fix=fix)


def _moved(key: str, value: Any) -> str:
    """Return the edit that moves a root-level block under ``sweep``, as YAML."""
    block = yaml.safe_dump({"sweep": {key: value}}, sort_keys=False, default_flow_style=False).rstrip()
    lines = block.splitlines()
    shown = [*lines[:12], f"  … ({len(lines) - 12} more lines)"] if len(lines) > 13 else lines
    return "move it under sweep:\n" + "\n".join(f"      {line}" for line in shown)


def _interpolation_problems(source: YamlSource) -> Iterator[Problem]:
    for path, message, fix in refused(source.data, expressions=EXPRESSION_KEYS):
        yield source.problem(path, message, fix=fix)


def _block_problem(
    source: YamlSource, key: str, value: Any, training: TrainingKeys, *, free: bool, swept: Collection[str]
) -> Problem | None:
    path, group = f"sweep.{key}", key.partition(".")[0]
    if free and key not in POINTS_WORDS and any(each.startswith(f"{group}.") for each in swept):
        return None  # a group of the program's own, whatever it is called
    if key in POINTS_WORDS:
        return source.problem(path, "is not known here", fix="write points: [{PARAMETER: VALUE, …}, …]")
    if group in training.roots or (free and not nearest(key, SWEEP_KEYS)):
        return None if free else _wrong_block(source, key, value, training)
    if key in ("rollout_count", "num_samples"):
        return source.problem(path, "belongs at the root of the file", fix=f"write {key}: {value} beside sweep:")
    known = [*SWEEP_KEYS, *training.roots]
    listed = f"need one of {', '.join(SWEEP_KEYS)} or a group of the training config ({', '.join(training.roots)})"
    return source.problem(path, listed, fix=did_you_mean(key, known))


def _wrong_block(source: YamlSource, key: str, value: Any, training: TrainingKeys) -> Problem | None:
    if "." in key or value is None or isinstance(value, dict) or key in training.values:
        return None
    return source.problem(f"sweep.{key}", f"need a mapping of overrides, got {brief(value)}")
