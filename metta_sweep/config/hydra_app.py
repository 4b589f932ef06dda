"""Hydra's own answers about a sweep's config: ``--cfg``, ``--info``, ``--shell-completion``, ``--hydra-help``.

Hydra gives them itself. It only loads its config through :class:`SweepLoader`, which composes as a sweep does, so
that what is shown is what the sweep uses.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.defaults_list import DefaultsList
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.object_type import ObjectType
from hydra.errors import ConfigCompositionException, HydraException
from hydra.types import RunMode
from hydra.version import setbase
from omegaconf import DictConfig, OmegaConf, flag_override
from omegaconf.errors import OmegaConfBaseException

from metta_sweep.config.ask import in_order
from metta_sweep.config.composition import VERSION_BASE, composed, hydra_overrides
from metta_sweep.config.flags import Typed, read_flags
from metta_sweep.config.interpolation import first_line
from metta_sweep.config.request import Request, read_request
from metta_sweep.config.sweep_files import STORE_GROUP
from metta_sweep.config.training_schema import TrainingKeys, TrainingSchema
from metta_sweep.errors import RequestError

PROGRAM = "sweep.sh"
"""What a shell completes: Hydra's completion knows programs and files, not ``python -m``."""


def answer_question(arguments: Sequence[str], *, training: TrainingSchema, cwd: Path) -> bool:
    """Answer what Hydra's flags ask about the config of a sweep; return whether they ask anything.

    Args:
        arguments: The words as typed.
        training: What the bundled trainer knows about its config.
        cwd: Working directory.

    Raises:
        RequestError: The config cannot be composed, or the flags do not go together.
        SystemExit: Hydra has said what is wrong with a flag.

    Side effects:
        Writes the answer to standard output.
    """
    typed = read_flags(arguments, cwd=cwd.absolute())
    if typed.question is None:
        return False
    if typed.problems:
        raise RequestError(*in_order(typed.problems))
    setbase(VERSION_BASE)
    loader = SweepLoader(typed, TrainingKeys.of(training))
    try:
        _answer(Hydra(task_name=typed.places.job, config_loader=loader), typed, typed.question)
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error.__cause__, RequestError):
            raise RequestError(*in_order(error.__cause__.problems)) from error
        raise RequestError.of(first_line(error)) from error
    return True


def _answer(hydra: Hydra, typed: Typed, flags: argparse.Namespace) -> None:
    asked = {
        "--cfg": flags.cfg,
        "--info": flags.info,
        "--shell-completion": flags.shell_completion,
        "--hydra-help": flags.hydra_help,
    }
    given = [flag for flag, value in asked.items() if value]
    if len(given) != 1:
        what = f"need one of {', '.join(asked)}, got {' and '.join(given) or 'none'}"
        raise RequestError.of(what, fix="--resolve and --package go with --cfg")
    if flags.cfg:
        hydra.show_cfg(typed.places.job, typed.words, flags.cfg, flags.package, flags.resolve)
    elif flags.info:
        logging.getLogger("hydra.core.utils").setLevel(logging.INFO)  # composing inside it is not a part of the answer
        hydra.show_info(flags.info, typed.places.job, typed.words)
    elif flags.hydra_help:
        hydra.hydra_help(None, get_args_parser(), argparse.Namespace(overrides=[]))
    else:
        _complete(hydra, typed)


def _complete(hydra: Hydra, typed: Typed) -> None:
    sys.argv[0] = PROGRAM
    try:
        hydra.shell_completion(typed.places.job, typed.words)
    except ValueError as error:  # an unknown shell, or nothing to do
        raise RequestError.of(str(error), key="--shell-completion") from error


class SweepLoader(ConfigLoaderImpl):
    """Loads the config of a sweep from the words of its command line, sweep files and ``sweep.<group>`` blocks too."""

    def __init__(self, typed: Typed, keys: TrainingKeys) -> None:
        super().__init__(config_search_path=create_config_search_path(str(typed.places.bundled)))
        self._typed = typed
        self._keys = keys

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """Return the composed config with Hydra's own settings; those alone where there is no config name.

        Raises:
            ConfigCompositionException: The request is wrong; its cause lists what is.
        """
        if config_name is None:
            return super().load_configuration(None, overrides, run_mode, from_shell, validate_sweep_overrides)
        request = self._read(overrides)
        try:
            tree = composed(request.places, request.line, request.files)
        except RequestError as error:
            raise ConfigCompositionException(str(error)) from error
        whole = OmegaConf.create({"hydra": tree.hydra})
        with flag_override(whole, ["struct", "readonly"], [False, False]):
            whole.hydra.overrides.task = list(overrides)
            whole.merge_with(tree.config)
        return whole

    def compute_defaults_list(self, config_name: str | None, overrides: list[str], run_mode: RunMode) -> DefaultsList:
        """Return the defaults list of the request."""
        request = self._read(overrides)
        translated = hydra_overrides(request.places, request.line, request.files)
        defaults = super().compute_defaults_list(config_name, translated, run_mode)
        names = {f"{STORE_GROUP}_{number}/file": path for number, path in enumerate(request.files.paths)}
        for entry in defaults.defaults:
            if entry.config_path in names:
                entry.config_path = request.places.shown(names[entry.config_path])
        return defaults

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """Return the options of a group for a shell's completion; sweep files are the options of ``sweep_params``."""
        del overrides
        if group_name.lstrip("+") == "sweep_params":
            files = [f"sweep/{name}" for name in self._typed.places.options("sweep")]
            return files if results_filter is ObjectType.CONFIG else []
        options: list[str] = super().get_group_options(group_name, results_filter, config_name, [])
        if group_name == "" and results_filter is ObjectType.GROUP:
            return ["sweep_params" if option == "sweep" else option for option in options]
        return options

    def _read(self, words: Sequence[str]) -> Request:
        try:
            request = read_request(replace(self._typed, words=list(words)), self._keys)
            if request.problems:
                raise RequestError(*request.problems)
        except RequestError as error:
            raise ConfigCompositionException(str(error)) from error
        return request
