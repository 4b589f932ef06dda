"""The sweeper block of a Hydra app's config (Optuna or Ax) as a sweep file of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from metta_sweep.config.foreign.draft import Draft
from metta_sweep.config.foreign.hydra_ranges import ax_range, optuna_range, override_range
from metta_sweep.config.migration import Migration
from metta_sweep.config.yaml_comments import read_comments
from metta_sweep.config.yaml_source import YamlSource
from metta_sweep.trees import get

_SWEEPER = "hydra.sweeper"
_AX = "ax_config"
_PARAMETERS = ("params", "search_space")
_COUNTS = ("n_trials", "max_trials")
_READ = frozenset({*_PARAMETERS, *_COUNTS, "direction", _AX, "_target_"})
_STAND_IN = "my_app.py"


def is_hydra(data: Mapping[str, Any]) -> bool:
    """Return whether a file is a Hydra app's config with the parameters of a sweeper in it."""
    sweeper = get(data, _SWEEPER)
    if not isinstance(sweeper, Mapping):
        return False
    return any(isinstance(block.get(key), Mapping) for block in (sweeper, _ax(sweeper)) for key in _PARAMETERS)


def migrate_hydra(text: str, source: YamlSource) -> Migration:
    """Return the sweeper block of a Hydra app's config as a sweep file of ours; the app's own config stays with it.

    Args:
        text: The file.
        source: The same, read.
    """
    draft = Draft(comments=read_comments(text, source))
    draft.comments.above.clear()  # they speak of the app's config, which stays where it is
    draft.comments.beside.clear()
    sweeper = get(source.data, _SWEEPER)
    ax = _ax(sweeper)
    for path, block in ((_SWEEPER, sweeper), (f"{_SWEEPER}.{_AX}", ax)):
        for key in _PARAMETERS:
            _parameters(draft, f"{path}.{key}", block.get(key), ax_range if block is ax else optuna_range)
        _count(draft, path, block)
    _goal(draft, sweeper, ax)
    _program(draft)
    for key in [key for key in sweeper if key not in _READ]:
        draft.leave(f"{_SWEEPER}.{key}", sweeper[key], "it is a setting of that sweeper")
    for key in [key for key in ax if key not in {*_READ, "experiment"}]:
        draft.leave(f"{_SWEEPER}.{_AX}.{key}", ax[key], "it is a setting of that sweeper")
    return draft.migration()


def _ax(sweeper: Mapping[str, Any]) -> Mapping[str, Any]:
    block = sweeper.get(_AX)
    return block if isinstance(block, Mapping) else {}


def _parameters(draft: Draft, path: str, params: Any, read: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
    for name, spec in params.items() if isinstance(params, Mapping) else ():
        try:
            if isinstance(spec, Mapping):
                leaf = read(spec)
            else:
                leaf = override_range(name, spec) if isinstance(spec, str) else {"values": [spec]}
        except ValueError as error:
            draft.leave(f"{path}.{name}", spec, str(error))
        else:
            draft.parameter(f"{path}.{name}", name.lstrip("+"), leaf)


def _count(draft: Draft, path: str, block: Mapping[str, Any]) -> None:
    for key in _COUNTS:
        count = block.get(key)
        if isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= 1_000_000:
            draft.rollout_count = count
        elif count is not None:
            draft.leave(f"{path}.{key}", count, "it is not a number of runs")


def _goal(draft: Draft, sweeper: Mapping[str, Any], ax: Mapping[str, Any]) -> None:
    """Take over the direction; the value that a Hydra app returns is called ``return``."""
    experiment = ax.get("experiment")
    minimized = experiment.get("minimize", False) if isinstance(experiment, Mapping) else False
    goal = sweeper.get("direction", "minimize" if not ax or minimized else "maximize")
    if goal not in ("minimize", "maximize"):
        draft.leave(f"{_SWEEPER}.direction", goal, "the values of one return are not told apart; minimize was written")
        goal = "minimize"
    draft.settings |= {"metric": "return", "goal": goal, "results": {"from": "hydra"}}


def _program(draft: Draft) -> None:
    words = f"python {_STAND_IN} {{overrides}}{' seed={seed}' if draft.is_seeded else ''}"
    draft.settings["command"] = words
    draft.comments.beside["sweep.command"] = "# write the app's own file here"
    draft.say(f"command: the file does not name the app; {_STAND_IN} stands in for it")
