"""Which Ray cluster a launcher uses, and the connection to it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import threading
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.launch.ray.own import OwnCluster, Use, scratch_folder

_FIX = "ray start --head, or RAY_ADDRESS=host:port; RAY_AUTH_MODE=token where the cluster asks for a token"


def connected(address: str | None, *, namespace: str, start: bool) -> tuple[Any, Use | None]:
    """Return the module ``ray``, connected, and what keeps a cluster of our own alive, where it is one.

    Ray looks for the token of a cluster when it is imported, so the cluster is chosen before.

    Args:
        address: The cluster, where one is named.
        namespace: Ray's namespace of this process.
        start: Whether a cluster may be started on this machine where there is none.

    Raises:
        RequestError: Ray is not installed, or there is no cluster.
    """
    _check_installed()
    named, use = _chosen(address or os.environ.get("RAY_ADDRESS"), start=start)
    where = use.connect() if use is not None else named
    ray = importlib.import_module("ray")
    try:
        _connect(ray, where, namespace)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise _unusable(f"no Ray cluster answers: {str(error).splitlines()[0]}", _FIX) from error
    return ray, use


def _check_installed() -> None:
    with contextlib.suppress(ValueError):  # of a module that was forbidden to be loaded
        if importlib.util.find_spec("ray") is not None:
            return
    raise _unusable("launcher=ray needs the package ray", how_to_install("ray"))


def _chosen(named: str | None, *, start: bool) -> tuple[str, Use | None]:
    """Return the address of a cluster and, where it is one of our own, its use.

    In this order: the one that is named, one of our own that runs, the one that ``ray start`` has left word of on this
    machine, a new one of our own. Ray's own ``auto`` would also find what some program keeps to itself.
    """
    if named:
        return named, None
    own = OwnCluster.of_this_user()
    use = own.join(start=False)
    word = _left_word() if use is None else None
    if word:
        show_token(os.environ)
        return word, None
    use = use or own.join(start=start)
    if use is None:
        raise _unusable("no Ray cluster is named, and none was started on this machine", _FIX)
    return use.address, use


def _left_word() -> str | None:
    """Return the address that ``ray start`` has left on this machine; ``ray stop`` removes it."""
    try:
        return (scratch_folder() / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def show_token(environ: MutableMapping[str, str]) -> None:
    """Have Ray show the user's token, where there is one, as ``ray start --head`` asks for it.

    Ray itself does so only where it looks for the cluster, not where it is told an address; a mode that is set stays.
    """
    file = Path(environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    if "RAY_AUTH_TOKEN" in environ or file.exists():
        environ.setdefault("RAY_AUTH_MODE", "token")


def _connect(ray: Any, address: str, namespace: str) -> None:
    """Connect this process; the handlers of its signals are left as they were.

    Beside the main thread Ray touches none, and none could be put back.
    """
    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGINT) if is_main else ()
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        ray.init(
            address=address,
            namespace=namespace,
            log_to_driver=False,
            configure_logging=False,
            ignore_reinit_error=True,
        )
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _unusable(message: str, fix: str) -> RequestError:
    return RequestError(Problem(key="launcher", message=message, fix=fix))
