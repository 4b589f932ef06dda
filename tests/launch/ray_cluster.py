"""A real Ray cluster on this machine's loopback: a head and, where asked, further nodes."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.launch.slurm_cluster import free_port

START_PATIENCE_S = 90.0


def missing() -> str:
    """Return why no cluster can be started here, or nothing."""
    return "" if importlib.util.find_spec("ray") else "the package ray is not installed"


class RayCluster:
    """Nodes started by this object and ended by it, by their process ids."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            "RAY_ADDRESS": self.address,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}",
        }
        self.nodes: list[subprocess.Popen[bytes]] = []
        port = self.address.rpartition(":")[2]
        head = ("--head", f"--port={port}", "--node-ip-address=127.0.0.1", "--include-dashboard=false")
        self.start_node(*head, f"--temp-dir={self.folder}", "--num-cpus=4", "--num-gpus=2")

    def start_node(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a node and wait until it is up."""
        log = self.folder / f"node-{len(self.nodes)}.out"
        ray = Path(sys.executable).with_name("ray")
        with log.open("wb") as output:
            node = subprocess.Popen(
                [str(ray), "start", "--block", "--disable-usage-stats", "--object-store-memory=100000000", *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self.nodes.append(node)
        until_s = time.monotonic() + START_PATIENCE_S
        while "Ray runtime started" not in log.read_text(errors="replace"):
            if node.poll() is not None or time.monotonic() > until_s:
                words = log.read_text(errors="replace")[-2000:]
                self.close()
                raise TimeoutError(f"Ray did not come up\n{words}")
            time.sleep(0.1)
        return node

    def join(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a further node."""
        return self.start_node(f"--address={self.address}", "--num-cpus=1", *options)

    def end_node(self, node: subprocess.Popen[bytes]) -> None:
        """Kill everything that belongs to a node."""
        try:
            tree = [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]
        except psutil.NoSuchProcess:
            tree = []
        for process in tree:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        node.wait()

    def close(self) -> None:
        """End every node and remove the folder."""
        if not self.folder.exists():
            return
        for node in reversed(self.nodes):
            self.end_node(node)
        shutil.rmtree(self.folder, ignore_errors=True)
