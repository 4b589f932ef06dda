"""The parameters of Hydra's Optuna and Ax sweepers: overrides with sweeps in them, or mappings of the older form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metta_sweep.config.foreign.ranges import interval, options, stepped
from metta_sweep.space.reading import MAX_OPTIONS


def override_range(name: str, text: str) -> dict[str, Any]:
    """Return the parameter that an override means: ``interval(0, 1)``, ``tag(log, int(interval(1, 8)))``, ``1,2,3``.

    What is not a sweep is a value that every run has. Bounds are included, as the Optuna sweeper has it.

    Raises:
        ValueError: It is not an override that Hydra can read, or no such range; the message says why.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"{name}={text}")
    except (HydraException, RecursionError) as error:
        raise ValueError("Hydra cannot read it as an override") from error
    sweep = override._value
    if isinstance(sweep, IntervalSweep):
        whole = isinstance(sweep.start, int) and isinstance(sweep.end, int)
        return interval(sweep.start, sweep.end, log="log" in sweep.tags, whole=whole or "int" in sweep.tags)
    if isinstance(sweep, RangeSweep) and not sweep.shuffle:
        return stepped(sweep.start, sweep.stop, sweep.step, log="log" in sweep.tags)
    if isinstance(sweep, RangeSweep):
        _check_length(sweep.start, sweep.stop, sweep.step)
    if isinstance(sweep, ChoiceSweep | RangeSweep):
        return options([_plain(value) for value in override.sweep_iterator()])
    return {"values": [_plain(override.value())]}


def optuna_range(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter of the Optuna sweeper's ``search_space``: ``{type: float, low: …, high: …, log: true}``.

    Raises:
        ValueError: It cannot be read; the message says why.
    """
    kind = spec.get("type")
    if kind == "categorical":
        return options(spec.get("choices"))
    if kind not in ("int", "float"):
        raise ValueError(f"the type {kind!r} is not known")
    low, high, log = spec.get("low"), spec.get("high"), spec.get("log") is True
    if spec.get("step") is not None:
        return stepped(low, high, spec["step"], log=log)
    return interval(low, high, log=log, whole=kind == "int")


def ax_range(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter of the Ax sweeper: ``{type: range, bounds: [0, 1], log_scale: true}``.

    Raises:
        ValueError: It cannot be read; the message says why.
    """
    kind = spec.get("type")
    if kind == "fixed" and "value" in spec:
        return {"values": [spec["value"]]}
    if kind == "choice":
        return options(spec.get("values"))
    bounds = spec.get("bounds")
    if kind != "range" or not isinstance(bounds, list) or len(bounds) != 2:
        raise ValueError("it is neither fixed with a value, nor a choice of values, nor a range with two bounds")
    inferred = "int" if all(isinstance(bound, int) for bound in bounds) else "float"
    whole = spec.get("value_type", inferred) == "int"
    return interval(*bounds, log=spec.get("log_scale") is True, whole=whole)


def _check_length(start: Any, stop: Any, step: Any) -> None:
    """Refuse a range with more values than a list may have, or with none.

    Raises:
        ValueError: It is one; the message says why.
    """
    if step == 0 or not 0 < (stop - start) / step <= MAX_OPTIONS:
        raise ValueError(f"it has no values, or more than {MAX_OPTIONS}")


def _plain(value: Any) -> Any:
    """Return a value of Hydra's grammar as YAML has it: a quoted text is a text."""
    from hydra.core.override_parser.types import QuotedString

    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return {str(key): _plain(part) for key, part in value.items()} if isinstance(value, dict) else value
