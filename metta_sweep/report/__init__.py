"""Reading a sweep: from its state to rows, and from rows to what a person or a program reads.

The package shares its name with :func:`metta_sweep.report`, which a training script calls. Importing a
submodule puts the module in the place of that function, so the module can be called as the function.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from metta_sweep import result
from metta_sweep.report.place import Place
from metta_sweep.report.progress import Progress
from metta_sweep.report.rows import SweepRows, rows_of
from metta_sweep.report.summary import Format, summary

__all__ = ["Format", "Place", "Progress", "SweepRows", "rows_of", "summary"]


class _CallableModule(types.ModuleType):
    def __call__(self, **report: Any) -> None:
        result.report(**report)


sys.modules[__name__].__class__ = _CallableModule
