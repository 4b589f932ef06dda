"""A function by its name: how another process finds it, without anything being pickled."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.function.calling import Function, name_of

MAIN = "__mp_main__"
"""Name of a script's module where it is loaded for one of its functions, as multiprocessing has it."""

_loading: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Where a function is defined."""

    qualname: str
    """Its name in its module, with dots where it is in a class."""
    module: str = ""
    """Its module; empty where that is a script."""
    file: str = ""
    """The script, absolute; empty where it is in a module."""
    search_path: tuple[str, ...] = ()
    """Where this process finds modules."""

    @classmethod
    def of(cls, function: Function) -> Reference:
        """Return where a function is defined.

        Raises:
            RequestError: Another process could not find it by its name; it says what to do.
        """
        qualname, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "")
        if not qualname or not module or "<" in qualname or _found(module, qualname) is not function:
            raise _unfindable(function)
        search_path = tuple(str(Path(entry).absolute()) for entry in sys.path)
        if module != "__main__":
            return cls(qualname=qualname, module=module, search_path=search_path)
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        if spec is not None and spec.name:
            return cls(qualname=qualname, module=spec.name, search_path=search_path)
        if file is None or not Path(file).is_file():
            raise RequestError.of(
                f"{qualname} is defined in a notebook or a shell, where another process does not find it",
                key="workers",
                fix=f"put it into a file train.py and write   from train import {qualname}   or leave workers out",
            )
        return cls(qualname=qualname, file=str(Path(file).absolute()), search_path=search_path)

    def to_argument(self) -> str:
        """Return the reference as one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, argument: str) -> Reference:
        """Return the reference that :meth:`to_argument` gave."""
        content: Mapping[str, Any] = json.loads(argument)
        return cls(**{**content, "search_path": tuple(content["search_path"])})

    def load(self) -> Function:
        """Import what defines the function and return it.

        Raises:
            AttributeError: It is not there any more.
            Exception: Whatever its module raises.
        """
        sys.path[:] = [*self.search_path, *(entry for entry in sys.path if entry not in self.search_path)]
        _loading.append(self.file or self.module)
        try:
            found: Any = _script(self.file) if self.file else importlib.import_module(self.module)
            for part in self.qualname.split("."):
                found = getattr(found, part)
        finally:
            _loading.pop()
        function: Function = found
        return function


def check_not_loading() -> None:
    """Refuse to begin a sweep in a process that only loads a module for one of its functions.

    Raises:
        RequestError: It says where the call belongs.
    """
    if _loading:
        raise RequestError.of(
            f"{_loading[-1]} calls metta_sweep.run while one of its own runs loads it: "
            'put it below   if __name__ == "__main__":'
        )


def _script(file: str) -> Any:
    """Return the module of a script, loaded once, under a name by which it knows that it is not run."""
    loaded = sys.modules.get(MAIN)
    if loaded is not None and getattr(loaded, "__file__", None) == file:
        return loaded
    spec = importlib.util.spec_from_file_location(MAIN, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MAIN] = module
    spec.loader.exec_module(module)
    return module


def _found(module: str, qualname: str) -> Any:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _unfindable(function: Function) -> RequestError:
    what = type(function).__name__ if not hasattr(function, "__qualname__") else name_of(function)
    return RequestError.of(
        f"other processes find a function by its name in its module, and {what} cannot be found there",
        key="workers",
        fix="define it with def at the top of a module, with what it needs in its config; or leave workers out, and "
        "it is called in this process",
    )
