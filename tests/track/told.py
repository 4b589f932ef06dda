"""A sweep on disk, told event by event: a journal and run directories as the controller and its runs leave them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.result import finish_metrics, report_metrics
from metta_sweep.secrecy import Redaction
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import to_json
from metta_sweep.sweep.state import SweepState
from tests.factories import History, prediction
from tests.track.server import LoopbackServer
from tests.track.server.loopback import KEY


def environment(server: LoopbackServer | None = None, **more: str) -> dict[str, str]:
    """Return an environment in which nothing but the loopback server can be reached or found."""
    usual = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    home = str(Path(os.environ.get("PYTEST_HOME", "/nonexistent")))
    bounded = {"WANDB_ERROR_REPORTING": "false", "WANDB_CONFIG_DIR": home, "NETRC": f"{home}/netrc", "HOME": home}
    bounded["WANDB__FILE_STREAM_TRANSMIT_INTERVAL"] = "2"  # seconds: tests wait for what is seen
    known = {"WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY} if server is not None else {}
    return {**usual, **bounded, "OMP_NUM_THREADS": "1", **known, **more}


class ToldSweep:
    """Writes what a ``History`` tells, as it goes on."""

    def __init__(self, data_dir: Path, name: str = "my_test", *, pid: int = 0, **asked: Any) -> None:
        self.paths = SweepPaths(data_dir, name)
        self.history = History(name=name, asked=asked)
        self.history.events[0] = replace(self.history.events[0], pid=pid)
        self._journal = SqliteJournal.open(self.paths, create=True)
        self._written = 0
        self.write()

    def write(self) -> ToldSweep:
        """Write the events that were told since the last time."""
        new = self.history.events[self._written :]
        for event in new:
            self._journal.append([to_json(event)])
        self._written += len(new)
        return self

    def close(self) -> ToldSweep:
        """Let go of the journal."""
        self.write()
        self._journal.close()
        return self

    def run_dir(self, number: int, **config: Any) -> Path:
        """Make a run's directory as the controller does."""
        paths = self.paths.run(self.history.run(number))
        run = self.history.state.runs[self.history.run(number)]
        params = self.history.state.rollouts[run.rollout].suggestion.params
        paths.root.mkdir(parents=True, exist_ok=True)
        trainer = {name.partition(".")[2]: value for name, value in params.items()}
        content = {"run": run.run_id, "seed": run.seed, "trainer": {**trainer, "total_timesteps": 2048}, **config}
        paths.config.write_text(yaml.safe_dump(content))
        paths.suggestion.write_text(yaml.safe_dump({"origin": "protein", "params": dict(params)}))
        return paths.root

    def report(self, number: int, *values: float, first_step: int = 512) -> ToldSweep:
        """Report evaluations at steps 512, 1024, …"""
        for k, value in enumerate(values):
            metrics = {"reward": value, "heart.get": value / 2}
            report_metrics(metrics, step=first_step + 512 * k, run_dir=self.paths.run(self.history.run(number)).root)
        return self

    def finish(self, number: int, value: float) -> ToldSweep:
        """Leave a result, and have the controller record it."""
        finish_metrics(
            {"reward": value}, cost_s=10.0, steps=2048, run_dir=self.paths.run(self.history.run(number)).root
        )
        self.history.finish(number, value)
        return self.write()

    def whole_run(self, value: float, *, evaluations: int = 3, **suggested: Any) -> ToldSweep:
        """Tell a rollout of one run from suggestion to result."""
        self.history.suggest(predicted=prediction(), **suggested)
        number = len(self.history.state.runs) - 1
        self.history.start(number)
        self.write()
        self.run_dir(number)
        self.report(number, *(value * (k + 1) / evaluations for k in range(evaluations)))
        return self.finish(number, value)

    @property
    def state(self) -> SweepState:
        return self.history.state


NO_SECRETS = Redaction()
