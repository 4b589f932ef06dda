"""The GraphQL fields that the client may ask for, as resolvers over the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.track.server.graphql import GraphQLError
from tests.track.server.world import ENTITY, RemoteRun, RemoteSweep, World

FEATURES = ("SWEEPS_QUERY_FILTERING",)


class Schema:
    """Resolvers of the root fields."""

    def __init__(self, world: World, storage_url: str) -> None:
        self._world = world
        self._storage_url = storage_url

    def root(self) -> dict[str, Callable[..., Any]]:
        """Return the root fields of queries and mutations."""
        return {
            "viewer": self._viewer,
            "serverInfo": lambda: {"features": [{"name": name, "isEnabled": True} for name in FEATURES]},
            "organization": lambda name: {"featureFlags": lambda rampIDType: []},  # noqa: N803
            "createArtifact": self._create_artifact,
            "createArtifactManifest": self._create_manifest,
            "createArtifactFiles": self._create_artifact_files,
            "commitArtifact": self._commit_artifact,
            "entity": lambda name: {**_entity(name), "organization": {"coreWeaveOrganizationId": None}},
            "model": self._model,
            "project": self._project,
            "upsertSweep": self._upsert_sweep,
            "upsertBucket": self._upsert_bucket,
            "createRunFiles": self._create_run_files,
            "notifyScriptableRunAlert": self._alert,
            "markRunFilesUploaded": lambda input: {"success": True},
        }

    def _viewer(self) -> dict[str, Any]:
        return {
            "id": "viewer",
            "entity": ENTITY,
            "username": ENTITY,
            "name": ENTITY,
            "email": "tester@example.com",
            "flags": "{}",
            "teams": {"edges": []},
        }

    def _model(self, name: str, entityName: str | None) -> dict[str, Any]:  # noqa: N803
        return {
            "id": name,
            "name": name,
            "entity": _entity(entityName or ENTITY),
            "bucket": self._bucket(name, entityName),
        }

    def _bucket(self, project: str, entity: str | None) -> Callable[..., Any]:
        def bucket(name: str, missingOk: bool = False) -> dict[str, Any] | None:  # noqa: N803
            run = self._world.runs.get((entity or ENTITY, project, name))
            return None if run is None else _run(run)

        return bucket

    def _project(self, name: str, entityName: str | None) -> dict[str, Any] | None:  # noqa: N803
        entity = entityName or ENTITY
        runs = [run for run in self._world.runs.values() if (run.entity, run.project) == (entity, name)]
        sweeps = [s for s in self._world.sweeps.values() if (s.entity, s.project) == (entity, name)]
        if not runs and not sweeps:
            return None
        return {
            "id": name,
            "internalId": "1",
            "name": name,
            "entity": _entity(entity),
            "readOnly": False,
            "totalSweeps": len(sweeps),
            "sweep": lambda **given: next((self._sweep(s) for s in sweeps if s.sweep_id == given["sweepName"]), None),
            "sweeps": lambda first, after=None, filters="{}": _page(
                [self._sweep(s) for s in sweeps], first, after, filters
            ),
            "artifact": lambda name: None,
            "runCount": lambda filters: len(_chosen(runs, filters)),
            "runs": lambda filters, first, after=None, order="": _page(
                [_run(run) for run in _chosen(runs, filters)], first, after, order
            ),
            "run": lambda name: next((self._run_with_files(run) for run in runs if run.run_id == name), None),
        }

    def _run_with_files(self, run: RemoteRun) -> dict[str, Any]:
        def files(
            names: list[str] | None = None, first: int = 50, after: str | None = None, **_: Any
        ) -> dict[str, Any]:
            found = [self._file(run, name) for name in run.files if not names or name in names]
            return _page(found, first, after)

        return {**_run(run), "fileCount": len(run.files), "files": files}

    def _file(self, run: RemoteRun, name: str) -> dict[str, Any]:
        url = f"{self._storage_url}/{run.entity}/{run.project}/{run.run_id}/{name}"
        return {
            "id": name,
            "name": name,
            "url": url,
            "directUrl": url,
            "sizeBytes": len(run.files[name]),
            "mimetype": "application/octet-stream",
            "updatedAt": run.created_at,
            "md5": "",
        }

    def _sweep(self, sweep: RemoteSweep) -> dict[str, Any]:
        runs = self._world.runs_of(sweep.sweep_id)
        return {
            "__typename": "Sweep",
            "id": sweep.sweep_id,
            "name": sweep.sweep_id,
            "displayName": sweep.display_name,
            "method": sweep.config["method"],
            "state": sweep.state,
            "description": sweep.description,
            "bestLoss": None,
            "config": sweep.config_text,
            "createdAt": sweep.created_at,
            "updatedAt": sweep.created_at,
            "runCount": len(runs),
            "runCountExpected": None,
            "controllerRunName": None,
        }

    def _create_artifact(self, input: Mapping[str, Any]) -> dict[str, Any]:
        sequence = {"id": "sequence", "latestArtifact": None, "name": input["artifactCollectionName"]}
        artifact = self._world.create_artifact(input)
        return {"artifact": {"id": artifact.artifact_id, "state": "PENDING", "artifactSequence": sequence}}

    def _commit_artifact(self, input: Mapping[str, Any]) -> dict[str, Any]:
        self._world.artifacts[input["artifactID"]].committed = True
        return {"artifact": {"id": input["artifactID"], "digest": ""}}

    def _create_manifest(self, input: Mapping[str, Any]) -> dict[str, Any]:
        place = f"{input['entityName']}/{input['projectName']}/{input['runName']}"
        upload = {"uploadUrl": f"{self._storage_url}/{place}/artifact/{input['name']}", "uploadHeaders": []}
        return {"artifactManifest": {"id": "manifest", "file": {"id": "file", **upload}}}

    def _create_artifact_files(self, input: Mapping[str, Any]) -> dict[str, Any]:
        nodes = [
            {
                "storagePath": item["name"],
                "uploadUrl": f"{self._storage_url}/artifact/{item['artifactID']}/any/{item['name']}",
                "uploadHeaders": [],
                "uploadMultipartUrls": None,
                "artifact": {"id": item["artifactID"]},
            }
            for item in input["artifactFiles"]
        ]
        return {"files": {"edges": [{"node": node} for node in nodes]}}

    def _upsert_sweep(self, input: Mapping[str, Any]) -> dict[str, Any]:
        sweep = self._world.upsert_sweep(input)
        project = {"id": sweep.project, "name": sweep.project, "entity": _entity(sweep.entity)}
        return {"sweep": {**self._sweep(sweep), "project": project}, "configValidationWarnings": []}

    def _upsert_bucket(self, input: Mapping[str, Any]) -> dict[str, Any]:
        run, inserted = self._world.upsert_run(input)
        project = {"id": run.project, "name": run.project, "entity": _entity(run.entity)}
        return {"bucket": {**_run(run), "project": project}, "inserted": inserted}

    def _alert(self, input: Mapping[str, Any]) -> dict[str, Any]:
        if len(input["title"]) >= 64 or input["severity"] not in ("INFO", "WARN", "ERROR"):
            raise ValueError("an alert needs a title of less than 64 characters and a severity")
        key = (input["entityName"], input["projectName"], input["runName"])
        self._world.alerts.append({**input, "run": self._world.runs[key].display_name})
        return {"success": True}

    def _create_run_files(self, input: Mapping[str, Any]) -> dict[str, Any]:
        place = f"{input['entityName']}/{input['projectName']}/{input['runName']}"
        files = [{"name": name, "uploadUrl": f"{self._storage_url}/{place}/{name}"} for name in input["files"]]
        return {"runID": input["runName"], "uploadHeaders": [], "files": files}


def _entity(name: str) -> dict[str, str]:
    return {"id": name, "name": name}


def _run(run: RemoteRun) -> dict[str, Any]:
    tail = [json.dumps(row) for row in run.raw_history[-1:]]
    return {
        "id": run.run_id,
        "projectId": "1",
        "name": run.run_id,
        "displayName": run.display_name,
        "description": "",
        "sweepName": run.sweep,
        "state": run.state,
        "config": json.dumps(run.raw_config),
        "wandbConfig": lambda keys: json.dumps({"t": run.raw_config.get("_wandb", {}).get("value", {}).get("t", {})}),
        "group": run.group,
        "jobType": run.job_type,
        "commit": None,
        "readOnly": False,
        "createdAt": run.created_at,
        "heartbeatAt": run.created_at,
        "tags": run.tags,
        "notes": run.notes,
        "systemMetrics": "{}",
        "summaryMetrics": json.dumps(run.summary),
        "historyLineCount": run.count("wandb-history.jsonl"),
        "eventsLineCount": run.count("wandb-events.jsonl"),
        "logLineCount": run.count("output.log"),
        "historyTail": json.dumps(tail),
        "eventsTail": "[]",
        "historyKeys": {},
        "user": {"name": ENTITY, "username": ENTITY},
    }


def _chosen(runs: list[RemoteRun], filters: str) -> list[RemoteRun]:
    """Return the runs that a filter by sweep or name lets through."""
    wanted = json.loads(filters or "{}")
    unknown = set(wanted) - {"sweep", "name", "group", "jobType"}
    if unknown:
        raise GraphQLError(f"unknown filters {sorted(unknown)}")
    return [run for run in runs if all(_value(run, name) == value for name, value in wanted.items())]


def _value(run: RemoteRun, name: str) -> Any:
    return {"sweep": run.sweep, "name": run.run_id, "group": run.group, "jobType": run.job_type}[name]


def _page(nodes: list[dict[str, Any]], first: int, after: str | None, *_: Any) -> dict[str, Any]:
    start = int(after or 0)
    chosen = nodes[start : start + first]
    edges = [{"node": node, "cursor": str(start + i + 1)} for i, node in enumerate(chosen)]
    end = start + len(chosen)
    info = {"__typename": "PageInfo", "endCursor": str(end), "hasNextPage": end < len(nodes)}
    return {"edges": edges, "pageInfo": info}
