"""Before anything starts: every choice of every group is composed, every searched key found, every value tried."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from hydra_protein_sweeper.grammar import written
from hydra_protein_sweeper.problems import Problem, did_you_mean, first_line
from hydra_protein_sweeper.space import Space, bare


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The app's config with one option of each searched group."""

    chosen: Mapping[str, Any]
    """Option by group."""
    config: DictConfig
    """What it composes to, without Hydra's own part: that is large, and copied for every value that is tried."""
    choices: Mapping[str, Any]
    """The option of every group."""


@dataclass(slots=True, kw_only=True)
class Checked:
    """A space that was held against the app's config."""

    parameters: dict[str, dict[str, Any]]
    """The parameters, completed: a choice starts where the app's config stands, a key that not every option of a group
    has counts under those that have it."""
    has_seed: bool = False
    """Whether the app's config has the key ``seed``."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, one line each."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong."""


def check(space: Space, config: DictConfig, loader: ConfigLoader) -> Checked:
    """Hold a space against the app's config.

    Args:
        space: What is searched and held.
        config: The config that Hydra has composed for the whole sweep.
        loader: Composes configs.
    """
    checked = Checked(parameters=dict(space.parameters))
    composing = _Composing(config, loader, list(space.held.values()))
    groups = {key: leaf["values"] for key, leaf in space.parameters.items() if composing.is_group(key, leaf)}
    base = composing.variant({}, checked.problems, "the app's config")
    if base is None:
        return checked
    checked.has_seed = "seed" in base.config
    variants = list(_variants(groups, composing, checked.problems))
    for key in groups:
        _start(checked, key, base.choices.get(bare(key)))
    for key, leaf in space.parameters.items():
        if key not in groups:
            _check_key(checked, key, leaf, variants or [base])
            _start(checked, key, OmegaConf.select(base.config, bare(key), default=None))
    if not checked.problems:
        _try_together(checked, groups, (variants or [base])[0])
    return checked


class _Composing:
    """Composes the app's config as a run will."""

    def __init__(self, config: DictConfig, loader: ConfigLoader, held: Sequence[str]) -> None:
        self._config, self._loader, self._held = config, loader, held
        self._name = config.hydra.job.config_name
        self._given = list(config.hydra.overrides.hydra)

    def is_group(self, key: str, leaf: Mapping[str, Any]) -> bool:
        """Return whether a parameter chooses among the options of a config group."""
        return "values" in leaf and bool(self.options(key))

    def options(self, key: str) -> list[str]:
        """Return the options of a group; none where there is no such group."""
        try:
            return self._loader.get_group_options(bare(key), config_name=self._name, overrides=self._given)
        except HydraException:
            return []

    def compose(self, overrides: Mapping[str, Any]) -> DictConfig:
        """Return the config with these values.

        Raises:
            HydraException: It does not compose.
        """
        words = [f"{key}={written(value)}" for key, value in overrides.items()]
        return self._loader.load_sweep_config(self._config, [*self._held, *words])

    def variant(self, chosen: Mapping[str, Any], problems: list[Problem], key: str) -> Variant | None:
        """Return the config with these options; None where it does not compose, which is noted."""
        try:
            config = self.compose(chosen)
        except (HydraException, OmegaConfBaseException) as error:
            problems.append(Problem(key=key, message=f"does not compose: {first_line(error)}"))
            return None
        choices = dict(config.hydra.runtime.choices)
        with open_dict(config), read_write(config):
            del config["hydra"]
        return Variant(chosen=chosen, config=config, choices=choices)


def _variants(groups: Mapping[str, Sequence[Any]], composing: _Composing, problems: list[Problem]) -> Iterator[Variant]:
    """Yield the config with each option of each group, the other groups at their first."""
    first = {key: options[0] for key, options in groups.items()}
    for number, (key, options) in enumerate(groups.items()):
        there = composing.options(key)
        for option in options:
            if isinstance(option, str) and option not in there:
                fix = did_you_mean(option, there)
                problems.append(
                    Problem(key=f"{key}={option}", message=f"the group {bare(key)} has no {option}", fix=fix)
                )
            elif number == 0 or option != options[0]:  # all at their first are composed once
                variant = composing.variant({**first, key: option}, problems, f"{key}={written(option)}")
                if variant is not None:
                    yield variant


def _start(checked: Checked, key: str, value: Any) -> None:
    """Let the search of a choice begin where the app's own config stands."""
    leaf = checked.parameters[key]
    if "mean" not in leaf and any(type(value) is type(one) and value == one for one in leaf.get("values", ())):
        checked.parameters[key] = {**leaf, "mean": value}


def _check_key(checked: Checked, key: str, leaf: Mapping[str, Any], variants: Sequence[Variant]) -> None:
    """Note a key that the config does not have, and values that it does not take."""
    where = [variant for variant in variants if _is_active(leaf, variant.chosen)]
    there = where if key.startswith("+") else [variant for variant in where if _has(variant.config, bare(key))]
    if where and not there:
        message, fix = "the app's config has no such key", _nearest(bare(key), where)
        checked.problems.append(Problem(key=key, message=message, fix=fix))
    elif len(there) < len(where):
        _make_conditional(checked, key, leaf, where, there)
    for variant in there[:1]:
        for value in _values(leaf):
            problem = _refused(variant.config, key, value)
            if problem:
                checked.problems.append(Problem(key=f"{key}={written(value)}", message=problem))
                break


def _is_active(leaf: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    """Return whether a parameter counts under the options of the groups; conditions on others are not judged here."""
    for other, wanted in (leaf.get("when") or {}).items():
        options = wanted if isinstance(wanted, list) else [wanted]
        if other in chosen and chosen[other] not in options:
            return False
    return True


def _has(config: DictConfig, key: str) -> bool:
    above, _, last = key.rpartition(".")
    try:
        node = OmegaConf.select(config, above) if above else config
        return last in node if isinstance(node, DictConfig) else OmegaConf.select(config, key) is not None
    except OmegaConfBaseException:
        return False


def _nearest(key: str, variants: Sequence[Variant]) -> str:
    """Return what may be written for a key that is not there."""
    above, _, last = key.rpartition(".")
    nodes = [OmegaConf.select(one.config, above, default=None) if above else one.config for one in variants]
    names = list(dict.fromkeys(str(name) for node in nodes if isinstance(node, DictConfig) for name in node))
    added = f"a new key is added with +{key}"
    return f"{did_you_mean(last, names)} ({added})" if names else added


def _make_conditional(
    checked: Checked, key: str, leaf: Mapping[str, Any], where: Sequence[Variant], there: Sequence[Variant]
) -> None:
    """Let a parameter count under the options whose config has it, where one group decides that."""
    for group in where[0].chosen:
        having, lacking = ([variant.chosen[group] for variant in part] for part in (there, _without(where, there)))
        if not set(map(str, having)) & set(map(str, lacking)) and "when" not in leaf:
            options = list(dict.fromkeys(having))
            condition = {group: options[0] if len(options) == 1 else options}
            checked.parameters[key] = {**leaf, "when": condition}
            listed = " or ".join(map(str, options))
            others = ", ".join(map(str, dict.fromkeys(lacking)))
            checked.notes.append(f"{key} counts where {group} is {listed}: {others} has no such key")
            return
    lacking = [" ".join(f"{group}={option}" for group, option in one.chosen.items()) for one in _without(where, there)]
    fix = f"write it under hydra.sweeper.params as a mapping with when: {{GROUP: OPTION}}: {key}"
    checked.problems.append(Problem(key=key, message=f"there is no such key with {'; '.join(lacking)}", fix=fix))


def _without(where: Sequence[Variant], there: Sequence[Variant]) -> list[Variant]:
    return [variant for variant in where if not any(variant is one for one in there)]


def _values(leaf: Mapping[str, Any]) -> list[Any]:
    """Return values that are tried: all of a list, the bounds of a range."""
    if isinstance(leaf.get("values"), list):
        return list(leaf["values"])
    whole = leaf.get("integer") or leaf.get("distribution") in ("int_uniform", "uniform_pow2")
    bounds = [leaf[name] for name in ("min", "max") if isinstance(leaf.get(name), int | float)]
    is_fraction = not whole and leaf.get("distribution") and "step" not in leaf
    return [float(bound) for bound in bounds] + ([_between(bounds)] if is_fraction and len(bounds) == 2 else bounds)


def _between(bounds: Sequence[float]) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * 0.4142135623


def _refused(config: DictConfig, key: str, value: Any) -> str:
    """Return why the config does not take a value; empty where it does."""
    trial = deepcopy(config)
    try:
        OmegaConf.update(trial, bare(key), value, merge=True, force_add=key.startswith("+"))
    except (ConfigKeyError, ConfigAttributeError) as error:
        return f"the app's config has no such key: {first_line(error)}"
    except OmegaConfBaseException as error:
        return first_line(error)
    return ""


def _try_together(checked: Checked, groups: Mapping[str, Any], variant: Variant) -> None:
    """Set one value of every parameter as a run's command line will: what no single value shows is found as well."""
    trial, parser = deepcopy(variant.config), OverridesParser.create()
    for key, leaf in checked.parameters.items():
        values = _values(leaf) if key not in groups and _is_active(leaf, variant.chosen) else []
        for value in values[:1]:
            word = f"{key}={written(value)}"
            try:
                read = parser.parse_override(word).value()
                OmegaConf.update(trial, bare(key), read, merge=True, force_add=key.startswith("+"))
            except (HydraException, OmegaConfBaseException) as error:
                checked.problems.append(Problem(key=word, message=first_line(error)))
