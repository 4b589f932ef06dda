"""A real SLURM of one node, in a folder, under the user that runs the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
SEARCH_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
CONFIG = """
ClusterName=metta
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
KillWait=3
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:2 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
"""


def missing() -> str:
    """Return why no cluster can be started here, or nothing."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    absent = [name for name in PROGRAMS if shutil.which(name, path=SEARCH_PATH) is None]
    return f"not installed: {', '.join(absent)} (devops/install_slurm.sh)" if absent else ""


class SlurmCluster:
    """munged, slurmctld and slurmd, started by this object and ended by it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.config = self.folder / "slurm.conf"
        self.environment = {"SLURM_CONF": str(self.config), "PATH": SEARCH_PATH}
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._write_config()
        self._start_munged()
        self.start_controller()
        self._start("slurmd", "-D", "-f", str(self.config), "-N", self.host)
        self._wait_until_idle()

    @property
    def host(self) -> str:
        return socket.gethostname().split(".")[0]

    def _write_config(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        for number in range(2):
            os.mknod(self.folder / f"gpu{number}", 0o020666, os.makedev(1, 3))
        values = {"host": self.host, "user": "root", "folder": self.folder, "cpus": os.cpu_count()}
        ports = {"controller_port": free_port(), "node_port": free_port()}
        self.config.write_text(CONFIG.format(**values, **ports))
        (self.folder / "gres.conf").write_text(f"NodeName={self.host} Name=gpu File={self.folder}/gpu[0-1]\n")

    def _start_munged(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key-file": key, "socket": self.folder / "munge.socket", "pid-file": self.folder / "munge.pid"}
        files |= {"seed-file": self.folder / "munge.seed", "log-file": self.folder / "munge.log"}
        options = [f"--{name}={path}" for name, path in files.items()]
        self._start("munged", "--foreground", "--force", *options)
        until_s = time.monotonic() + 10
        while not (self.folder / "munge.socket").exists() and time.monotonic() < until_s:
            time.sleep(0.02)

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [str(shutil.which(name, path=SEARCH_PATH)), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def start_controller(self) -> None:
        """Start slurmctld; what it had saved of an earlier one goes on."""
        self._start("slurmctld", "-D", "-i", "-f", str(self.config))

    def stop_controller(self) -> None:
        """End slurmctld as a service manager does; it saves its state."""
        self._daemons["slurmctld"].terminate()
        self._daemons["slurmctld"].wait()

    def run(self, *command: str) -> str:
        """Return the output of a SLURM command."""
        found = subprocess.run(
            command, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        return found.stdout

    def _wait_until_idle(self) -> None:
        until_s = time.monotonic() + 30
        while "idle" not in self.run("sinfo", "-h", "-o", "%T"):
            if time.monotonic() > until_s:
                logs = "\n".join(file.read_text(errors="replace")[-2000:] for file in self.folder.glob("*.log"))
                self.close()
                raise TimeoutError(f"SLURM did not come up\n{logs}")
            time.sleep(0.1)

    def close(self) -> None:
        """End the jobs and the daemons and remove the folder."""
        if not self.folder.exists():
            return
        self.run("scancel", "--full", "--signal=KILL", "--user=root")
        for name in ("slurmd", "slurmctld", "munged"):
            daemon = self._daemons.get(name)
            if daemon is not None:
                daemon.terminate()
                try:
                    daemon.wait(5)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
