"""From the C file to a library: compiled once a machine, kept in the user's cache.

The name of the library holds all that it depends on, the source, the compiler and its options, so that it is never
stale, and several runs that start at once may each compile it: the last one's rename wins, and all are alike.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

SOURCE = Path(__file__).with_name("kernel.c")
OPTIONS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC")
FOR_CPU = {"AVX2": ("-mavx2", "-mfma"), "AVX512": ("-mavx2", "-mfma")}
"""Options by what torch says of the processor; not ``-march=native``, so that machines of a kind compute alike."""
PATIENCE_S = 60.0


def library(capability: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the compiled library; None where there is no compiler, or it fails.

    Args:
        capability: What the processor can do, as ``torch.backends.cpu.get_cpu_capability`` says.
        environment: ``CC`` names the compiler, ``XDG_CACHE_HOME`` the folder of caches.

    Side effects:
        Compiles, and writes the library into the cache, unless it is there.
    """
    first, *words = shlex.split(environment.get("CC") or "cc")
    compiler = shutil.which(first, path=environment.get("PATH"))
    if compiler is None:
        return None
    options = (*OPTIONS, *FOR_CPU.get(capability, ()))
    try:
        parts = [SOURCE.read_text(encoding="utf-8"), compiler, *words, *options, platform.machine()]
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        kept = _cache(environment) / f"kernel-{name}.so"
        if not kept.exists():
            _compile([compiler, *words, *options], kept)
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return None
    return kept


def _cache(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "metta_sweep"


def _compile(command: list[str], kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder) / kept.name
        words = [*command, "-o", str(made), str(SOURCE), "-lm"]
        subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE_S)
        made.replace(kept)
