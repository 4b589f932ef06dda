"""One thread for small matrices: on busy cores two wait for each other a thousand times as long as a product takes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a function's linear algebra run on one thread; what the process had before holds again afterwards.

    So a suggestion is the same, to its last bit, whatever ``OMP_NUM_THREADS`` says.
    """

    @functools.wraps(function)
    def alone(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        pools = _pools_with_torch if "torch" in sys.modules else _pools_without_torch
        with pools().limit(limits=1):
            return function(*args, **kwargs)

    return alone


# The libraries that are loaded are looked for once, and once more when torch has brought its own.
_pools_without_torch = functools.cache(ThreadpoolController)
_pools_with_torch = functools.cache(ThreadpoolController)
