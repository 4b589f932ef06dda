"""A large sweep is read back in a few requests."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.track.server.loopback import LoopbackServer
from tests.track.told import environment

READ = """
import json, os, sys
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.server import sent_runs
graphql = GraphQL.of_environment(os.environ, entity=None, project="p")
graphql.check()
sent = sent_runs(graphql, sys.argv[2])
assert "wandb" not in sys.modules
print(json.dumps({run.name: [run.seal, run.config["lr"]] for run in sent.values()}))
"""


def fill(server: LoopbackServer, count: int) -> str:
    world = server.world
    config = "method: custom\nparameters: {lr: {min: 0.0, max: 1.0}}\n"
    sweep = world.upsert_sweep({"config": config, "projectName": "p"})
    for k in range(count):
        config = json.dumps({"lr": {"value": k / count}})
        given = {"modelName": "p", "name": f"id{k}", "displayName": f"r{k}", "sweep": sweep.sweep_id, "config": config}
        run, _ = world.upsert_run(given)
        run.state, run.summary = "finished", {"metta_sweep": {"seal": f"s{k}"}}
    return sweep.sweep_id


@pytest.mark.slow
def test_a_thousand_runs_are_read_in_two_requests(server, tmp_path):
    sweep_id = fill(server, 1000)
    command = [sys.executable, "-c", READ, str(tmp_path), sweep_id]
    done = subprocess.run(command, env=environment(server), capture_output=True, text=True, timeout=250, check=True)
    assert json.loads(done.stdout) == {f"r{k}": [f"s{k}", k / 1000] for k in range(1000)}
    assert server.requests.total() <= 2, server.requests
