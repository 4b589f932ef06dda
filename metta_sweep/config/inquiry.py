"""A composed request on its way to be answered: everything wrong with it is collected, then told at once."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from omegaconf import OmegaConf
from pydantic import ValidationError

from metta_sweep.config.aims import Aims, as_bound, bounds_on_settings, read_aims, unsupported
from metta_sweep.config.command_line import CommandLine
from metta_sweep.config.composition import Composed
from metta_sweep.config.config_files import held_by
from metta_sweep.config.environment import ENV, env_problems, without_variables
from metta_sweep.config.interpolation import refused
from metta_sweep.config.job import (
    AT_ROOT,
    IN_SWEEP,
    JOB_KEYS,
    LOCAL_ONLY,
    JobSettings,
    Launchers,
    job_problems,
    workdir_problems,
)
from metta_sweep.config.origins import Origins
from metta_sweep.config.parameters import Swept, flat_parameters, known_fix
from metta_sweep.config.resolution import Resolution
from metta_sweep.config.results import results_problems
from metta_sweep.config.sweep_file import EXPRESSION_KEYS, SWEEP_KEYS
from metta_sweep.config.training_schema import TrainingKeys, TrainingSchema
from metta_sweep.config.yaml_source import YamlSource, brief
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import closest, did_you_mean, listing, nearest
from metta_sweep.secrecy import Redaction
from metta_sweep.space import SearchSpace
from metta_sweep.space.given import checked_points
from metta_sweep.trees import MISSING, get, leaves, put, with_values

_WANTED = re.compile(r"Interpolation key '([^']+)' not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A request with nothing wrong in it, in parts."""

    line: CommandLine
    """The command line."""
    tree: Composed
    """The composed tree."""
    origins: Origins
    """Where its values came from."""
    job: JobSettings
    """The sweep's own settings."""
    aims: Aims
    """What is asked of the metrics that runs report."""
    protein: Mapping[str, Any]
    """The optimizer's settings, as its reader made them."""
    values: Mapping[str, Any]
    """Resolved root keys."""
    training: Mapping[str, Any]
    """The resolved base config of a run."""
    swept: Swept
    """The parameters."""
    pinned: Mapping[str, Any]
    """Parameters that the command line holds at a value."""
    space: SearchSpace
    """The search space."""
    points: tuple[Mapping[str, Any], ...]
    """Points to run first, by dotted path."""
    notes: tuple[str, ...]
    """What a person should know."""


@dataclass(slots=True, kw_only=True)
class Inquiry:
    """Looks into one composed request."""

    line: CommandLine
    schema: TrainingSchema
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
    keys: TrainingKeys
    tree: Composed
    origins: Origins
    problems: list[Problem]
    gpus: Callable[[float | str], int | None] = lambda _: None
    launchers: Launchers = field(default_factory=lambda: LOCAL_ONLY)
    readers: Callable[[], Collection[str]] = tuple
    notes: list[str] = field(default_factory=list)

    def findings(self) -> Findings:
        """Return the request in parts.

        Raises:
            RequestError: With every problem found.
        """
        self._check_texts()
        sweep, values = self._resolved()
        aims = self._aims(sweep, values)
        job = self._job(aims, sweep, values)
        if job is not None and job.launcher.RUNS_HERE:
            self.schema = self.schema.here(self.gpus(job.launcher.gpus_per_run))
        protein = self._optimizer_settings(values.get("protein"), job)
        free = bool(values.get("command") or sweep.get("command"))
        self._check_files(free=free)
        training = self._training(values, free=free)
        command = values.get("command") or sweep.get("command")
        self._check_secrets({**training, "command": command, "sweep": {"env": sweep.get("env")}})
        declared = self._declared(sweep)
        left = {path: leaf for path, leaf in declared.items() if not self.line.gives(path)}
        own = held_by(job.command) if job is not None and job.command else {}
        swept = Swept(declared=left, training=training, schema=None if free else self.schema, own=own)
        space = self._space(swept, sweep.get("constraints"))
        for key, message, fix in bounds_on_settings(aims, list(declared), [path for path, _ in leaves(training)]):
            self._wrong(f"sweep.{key}", message, fix)
        if job is not None and space is not None and not free:
            self._check_metrics(aims, training, space)
            center = with_values(training, space.center())
            self.notes += [f"{key}: {message}" for key, message in self.schema.notes(center)]
        points = (
            self._points(job.points, space, shared=job.wandb.share) if job is not None and space is not None else []
        )
        if not left:
            self._note_emptiness(pinned=bool(declared))
        if self.problems or job is None or space is None:
            raise RequestError(*self.problems)
        return Findings(
            line=self.line,
            tree=self.tree,
            origins=self.origins,
            job=job,
            aims=aims,
            protein=protein,
            values=values,
            training=training,
            swept=swept,
            pinned={path: get(training, path) for path in declared if path not in left},
            space=space,
            points=tuple(points),
            notes=tuple(self.notes),
        )

    def _check_texts(self) -> None:
        """Look at every text before anything in it is resolved.

        Raises:
            RequestError: A file is not valid YAML, or holds an interpolation that may not be used.
        """
        raw = OmegaConf.to_container(self.tree.config, resolve=False)
        unreadable = [problem for file in self.origins.files for problem in file.problems]
        forbidden = list(refused(raw, expressions=EXPRESSION_KEYS))
        self.problems += unreadable
        for path, message, fix in forbidden:
            self._wrong(path, message, fix)
        if unreadable or forbidden:
            raise RequestError(*self.problems)

    def _resolved(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the plain values inside ``sweep`` and those of the other root keys."""
        resolution = Resolution(config=self.tree.config, verbatim=EXPRESSION_KEYS)
        values = {str(key): resolution.root(str(key)) for key in self.tree.config if key != "sweep"}
        sweep = resolution.below("sweep", [*SWEEP_KEYS, ENV])
        _, variables = without_variables(sweep)
        sweep[ENV] = variables if values.get("command") or sweep.get("command") else {}
        known = [path for path, _ in leaves(values)]
        for path, message, fix in resolution.failures:
            wanted = _WANTED.search(message)
            close = nearest(wanted[1], known) if wanted else None
            self._wrong(path, message, f"did you mean {close}?" if close else fix)
        return sweep, values

    def _check_files(self, *, free: bool) -> None:
        """Note root keys that nobody reads."""
        for file in self.origins.files:
            self.problems += self._root_problems(file) if file.at_root else []
        known = [*JOB_KEYS, *self.keys.roots]
        for key in map(str, self.tree.config):
            if key not in known and not (free and key in self.tree.blocks) and not self.line.gives(key):
                self._wrong(key, "there is no such setting", did_you_mean(key, known))

    def _root_problems(self, file: YamlSource) -> Iterator[Problem]:
        """Yield what a file of root keys has in the place of a group."""
        for key, value in file.data.items():
            if key == "hydra":
                yield file.problem(key, "settings of Hydra itself are not used", fix="remove it")
            elif key in self.keys.roots and key not in self.keys.values and not isinstance(value, Mapping):
                fix = f"to choose a group write   defaults: [override /{key}: {value}]"
                yield file.problem(
                    key, f"need a mapping, got {brief(value)}", fix=fix if isinstance(value, str) else ""
                )

    def _wrong(self, key: str, message: str, fix: str = "") -> None:
        """Note a problem unless its key has one already: what follows from a mistake is none of its own."""
        problem = self.origins.located(Problem(message=message, key=key, fix=fix))
        if not any((problem.file, problem.key) == (other.file, other.key) for other in self.problems):
            self.problems.append(problem)

    def _check_secrets(self, asked: Mapping[str, Any]) -> None:
        """Note every text that holds the value of a secret of the environment, however it came there."""
        redaction = Redaction.of_environment(os.environ)
        for path, text in leaves(asked):
            if isinstance(text, str) and redaction.of_known(text) != text:
                message = "holds the value of a secret of the environment: it would be written to disk"
                self._wrong(path, message, "remove it; the runs see the environment as it is")

    def _aims(self, sweep: Mapping[str, Any], values: Mapping[str, Any]) -> Aims:
        """Return what is asked of the metrics; note what is wrong with it, and what does not go together with it."""
        aims, problems = read_aims(sweep)
        protein = values.get("protein")
        settings = protein if isinstance(protein, Mapping) else {}
        for key, message, fix in [*problems, *unsupported(aims, sweep, settings)]:
            self._wrong(key if key.startswith("protein.") else f"sweep.{key}", message, fix)
        return aims

    def _job(self, aims: Aims, sweep: Mapping[str, Any], values: Mapping[str, Any]) -> JobSettings | None:
        content = {key: values[key] for key in AT_ROOT if key in values}
        content |= {key: sweep[key] for key in IN_SWEEP if sweep.get(key) is not None}
        content |= {"metric": aims.metric, "goal": aims.goal}
        content = {key: value for key, value in content.items() if key not in ("weights", "bounds")}
        command = values.get("command") or sweep.get("command")
        content |= {"command": command} if command is not None else {}
        content["data_dir"] = content.get("data_dir") or "./train_dir"  # DATA_DIR may be set and empty
        try:
            job = JobSettings.model_validate(content, context={"launchers": self.launchers})
        except ValidationError as error:
            for key, message, fix in job_problems(error, content, self.launchers):
                inside = key.partition(".")[0] in IN_SWEEP or (key == "command" and not values.get("command"))
                self._wrong(f"sweep.{key}" if inside else key, message, fix)
            return None
        for key, message, fix in [*env_problems(job.env), *workdir_problems(job)]:
            self._wrong(f"sweep.{key}", message, fix)
        if job.results is not None:
            known = self.readers()
            has_command = job.command is not None
            for found in results_problems(job.results, metrics=aims.names, known=known, has_command=has_command):
                key, message, fix = found
                self._wrong(f"sweep.{key}", message, fix)
        return job

    def _optimizer_settings(self, settings: Any, job: JobSettings | None) -> Mapping[str, Any]:
        """Return the optimizer's settings; what a run may cost is also the most that it proposes."""
        if settings is not None and not isinstance(settings, Mapping):
            self._wrong("protein", f"need a mapping of settings, got {brief(settings)}")
            return {}
        asked = dict(settings or {})
        name = JobSettings.model_fields["optimizer"].default if job is None else job.optimizer
        cap_s = job.limits.run_cost_s if job is not None else None
        try:
            read = self.optimizer(name, asked)
            given_s = asked.get("max_suggestion_cost")
            if cap_s is None or (given_s is not None and given_s <= cap_s):
                return read
            return self.optimizer(name, {**asked, "max_suggestion_cost": cap_s})
        except RequestError as error:
            self.problems += [self.origins.located(problem) for problem in error.problems]
            return {}

    def _training(self, values: Mapping[str, Any], *, free: bool) -> dict[str, Any]:
        """Return the base config of a run; with an external command only what was asked for."""
        if not free:
            return {key: values[key] for key in self.keys.roots if values.get(key) is not None}
        training: dict[str, Any] = {"seed": values.get("seed")}
        blocks = [path for path, _ in leaves(self.tree.blocks)]
        typed = [given.key for given in self.line.values]
        for path in [*blocks, *typed]:
            value = get(values, path)
            if path.partition(".")[0] not in JOB_KEYS and value is not MISSING:
                put(training, path, value)
        return training

    def _declared(self, sweep: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters by dotted path; keys typed on the command line are merged in."""
        parameters = sweep.get("parameters")
        if not isinstance(parameters, Mapping):
            if parameters is not None:
                self._wrong("sweep.parameters", f"need a mapping of parameters, got {brief(parameters)}")
            return {}
        declared: dict[str, Any] = {}
        for path, leaf in flat_parameters(parameters):
            both = isinstance(leaf, Mapping) and isinstance(declared.get(path), Mapping)
            declared[path] = {**declared[path], **leaf} if both else leaf
        return declared

    def _space(self, swept: Swept, constraints: Any) -> SearchSpace | None:
        raw = OmegaConf.to_container(self.tree.config, resolve=False)
        inside = {key: raw[key] for key in self.keys.roots if key in raw} if isinstance(raw, dict) else {}
        self.notes += [*swept.follow(inside), *swept.quoted_lists()]
        swept.check_forms()
        swept.check_paths()
        swept.mark_integers()
        wrong_base = swept.refused(None)
        texts = [text for text in constraints if isinstance(text, str)] if isinstance(constraints, list) else []
        space = swept.space(texts, with_rules=not wrong_base)
        if space is not None:
            swept.check_bounds(space)
        self.problems += [self.origins.located(_with_bound(problem, texts)) for problem in swept.problems]
        for key, message in wrong_base or swept.refused(space):
            unknown = not self.schema.has_path(key) and "unknown" in message
            fix = known_fix(key, self.schema, swept.training) if unknown else ""
            self._wrong(key, message, fix)
        return space

    def _points(self, given: Sequence[Mapping[str, Any]], space: SearchSpace, *, shared: bool) -> list[dict[str, Any]]:
        """Return the points to run first by dotted path; note what is wrong with them."""
        if given and shared:
            message = "several machines share the sweep, and each of them would run the points"
            self._wrong("sweep.points", message, "leave them out, and add them on one machine: metta-sweep add")
        points, problems = checked_points(space, given)
        for number, problem in problems:
            key = f"sweep.points.{number}{f'.{problem.key}' if problem.key else ''}"
            self.problems.append(self.origins.located(replace(problem, key=key)))
        return points

    def _check_metrics(self, aims: Aims, training: Mapping[str, Any], space: SearchSpace) -> None:
        """Note a metric that neither the base config reports nor one of the points to be searched."""
        point = space.decode(space.sample(1, np.random.default_rng(0))[0])
        reported = [self.schema.metrics(config) for config in (training, with_values(training, point))]
        known = {name for names in reported for name in names or ()}
        for metric in aims.names:
            if known and metric not in known:
                message = f"need a metric that the training reports, got {metric!r}"
                self._wrong(f"sweep.{aims.key_of(metric)}", message, _metrics(metric, known))

    def _note_emptiness(self, *, pinned: bool) -> None:
        """Note that there is nothing to search; a plan shows it, a sweep needs something."""
        reason = "every parameter is held by the command line" if pinned else "there are no parameters to search"
        if self.line.words.get("cmd") == "plan":
            self.notes.append(f"{reason}: a sweep needs at least one under sweep.parameters")
        elif not self.problems:
            fix = "write at least one under sweep.parameters, as configs/sweep/my_sweep.yaml shows"
            self._wrong("sweep.parameters", reason, fix)


def _with_bound(problem: Problem, constraints: Sequence[str]) -> Problem:
    """Return what is wrong with a constraint, and where it is written if it was meant for a metric."""
    fixes = [as_bound(text, problem.message) for text in constraints if text in problem.message]
    meant = next(filter(None, fixes), "")
    return replace(problem, fix=meant if not problem.fix else f"{problem.fix} {meant}") if meant else problem


def _metrics(asked: str, known: set[str]) -> str:
    """Return a fix that names the metric that was meant, or those there are, short names first."""
    close = closest(asked, known)
    means = [name for name in known if not name.endswith("_se")]
    return f"did you mean {close}?" if close else f"it reports {listing(sorted(sorted(means), key=len))}"
