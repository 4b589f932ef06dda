"""From the words on a command line to one valid request, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from pydantic import ValidationError

from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import PLACE, CommandLine, read_command_line
from metta_sweep.config.composition import Composed, composed
from metta_sweep.config.interpolation import refused
from metta_sweep.config.job import JobSettings, job_problems, name_problem
from metta_sweep.config.nearest import did_you_mean, nearest
from metta_sweep.config.origins import COMMAND_LINE, DEFAULTS, Origins
from metta_sweep.config.parameters import Swept, flat_parameters, known_fix
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.resolution import Resolution
from metta_sweep.config.sweep_file import EXPRESSION_KEYS, SWEEP_KEYS
from metta_sweep.config.sweep_files import SweepFiles
from metta_sweep.config.training_schema import TrainingKeys, TrainingSchema
from metta_sweep.config.trees import MISSING, get, leaves, put
from metta_sweep.config.yaml_source import brief
from metta_sweep.errors import Problem, RequestError
from metta_sweep.space import SearchSpace

COMMANDS = ("sweep", "plan")
"""What ``cmd`` may be."""
_IN_SWEEP = ("metric", "goal", "constraints", "limits", "description")
_AT_ROOT = ("rollout_count", "num_samples", "seed", "data_dir", "launcher", "wandb")
JOB_KEYS = frozenset({*_AT_ROOT, "run", "cmd", "sweep_params", "sweep", "protein", "command", "hardware", "user"})
"""Root keys that are the sweep's own."""
_EXAMPLE = "./devops/sweep.sh run=my_test ++sweep_params=sweep/my_test_sweep"


def ask(overrides: Sequence[str], *, training: TrainingSchema, cwd: Path, configs: Path | None = None) -> Asked:
    """Compose and validate a request.

    Args:
        overrides: Hydra overrides as typed: ``run=NAME ++sweep_params=sweep/FILE …``.
        training: What the bundled trainer knows about its config.
        cwd: Working directory, for paths and for a ``configs`` folder of its own.
        configs: The project's config folder; by default the one that came with the package.

    Raises:
        RequestError: With every problem that could be found, each with its file, line and key.
    """
    cwd = cwd.absolute()
    places = ConfigPlaces.of(cwd) if configs is None else ConfigPlaces.at(configs, cwd)
    keys = TrainingKeys.of(training)
    line = read_command_line(overrides, groups=places.groups())
    problems = [*line.problems, *_word_problems(line)]
    files = _sweep_files(places, line, keys, problems)
    free = line.gives("command") or line.gives("sweep.command") or "command" in files.asked.settings
    swept = {path for file in files.files.values() for path, _ in flat_parameters(_parameters(file.settings))}
    problems += _drop_unknown(line, keys, swept, free=free)
    try:
        tree = composed(places, line, files)
        origins = Origins.of(places, line, files, tree.choices)
    except RequestError as error:
        raise RequestError(*problems, *error.problems) from error
    inquiry = _Inquiry(line=line, schema=training, keys=keys, tree=tree, origins=origins, problems=problems)
    return inquiry.asked(cwd, files)


def _word_problems(line: CommandLine) -> Iterator[Problem]:
    name, cmd = line.words.get("run"), line.words.get("cmd", "sweep")
    if name is None:
        yield Problem(message="need the sweep's name", key="run", file=PLACE, fix=f"add run=NAME, as in {_EXAMPLE}")
    elif name_problem(name):
        yield Problem(message=str(name_problem(name)), key="run", file=PLACE)
    if cmd not in COMMANDS:
        fix = did_you_mean(cmd, COMMANDS)
        yield Problem(message=f"need one of {', '.join(COMMANDS)}, got {cmd[:80]!r}", key="cmd", file=PLACE, fix=fix)


def _sweep_files(places: ConfigPlaces, line: CommandLine, keys: TrainingKeys, problems: list[Problem]) -> SweepFiles:
    """Read the asked sweep file and those it extends.

    Raises:
        RequestError: Nothing can be composed from them; with all problems so far.
    """
    files = SweepFiles(places=places, groups=places.groups(), training=keys, free=line.gives("command"))
    try:
        if "sweep_params" not in line.words:
            there_are = ", ".join(f"sweep/{name}" for name in places.options("sweep"))
            fix = f"add ++sweep_params=sweep/NAME; there are: {there_are}"
            raise RequestError.of("need a sweep file", key="sweep_params", file=PLACE, fix=fix)
        files.add(places.sweep_file(line.words["sweep_params"]))
    except RequestError as error:
        raise RequestError(*problems, *files.problems, *error.problems) from error
    problems += files.problems
    if any(file.unusable for file in files.files.values()):
        raise RequestError(*problems)
    return files


def _drop_unknown(line: CommandLine, keys: TrainingKeys, swept: set[str], *, free: bool) -> list[Problem]:
    """Take values with an unknown root key off the command line and return a problem for each."""
    problems, kept = [], []
    known = [*JOB_KEYS, *keys.roots]
    for given in line.values:
        root, _, below = given.key.partition(".")
        inner = below.partition(".")[0]
        fine = root in known and (root != "sweep" or inner in (*SWEEP_KEYS, *keys.roots) or free)
        if fine or given.key in swept or (free and not nearest(given.key, known)):
            kept.append(given)
            continue
        is_inner = root == "sweep"
        fix = did_you_mean(inner if is_inner else root, [*SWEEP_KEYS, *keys.roots] if is_inner else known)
        problems.append(Problem(message="there is no such setting", key=given.key, file=PLACE, fix=fix))
    line.values[:] = kept
    return problems


def _parameters(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = settings.get("parameters")
    return parameters if isinstance(parameters, Mapping) else {}


@dataclass(slots=True, kw_only=True)
class _Inquiry:
    """One composed request on its way to be asked; collects problems until the end."""

    line: CommandLine
    schema: TrainingSchema
    keys: TrainingKeys
    tree: Composed
    origins: Origins
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)

    def asked(self, cwd: Path, files: SweepFiles) -> Asked:
        self._check_files()
        resolution = Resolution(config=self.tree.config, verbatim=EXPRESSION_KEYS)
        sweep = resolution.below("sweep", SWEEP_KEYS)
        values = {str(key): resolution.root(str(key)) for key in self.tree.config if key != "sweep"}
        self._note_failures(resolution)
        job = self._job(sweep, values)
        command = job.command if job else None
        training = self._training(values, free=command is not None)
        swept = self._swept(sweep, training, free=command is not None)
        space = self._space(swept, job)
        self._finish(swept, space)
        if self.problems or job is None or space is None:
            raise RequestError(*self._distinct())
        return self._answer(cwd, files, job, values, training, swept, space)

    def _check_files(self) -> None:
        """Note what is wrong with the files that the composition used, beside the sweep files."""
        for file in self.origins.files:
            self.problems += file.problems
            self.problems += [file.problem(path, message, fix=fix) for path, message, fix in refused(file.data)]
        known = [*JOB_KEYS, *self.keys.roots]
        for key in map(str, self.tree.config):
            if key not in known and not self.line.gives(key):
                self._wrong(key, "there is no such setting", did_you_mean(key, known))

    def _wrong(self, key: str, message: str, fix: str = "") -> None:
        self.problems.append(self.origins.located(Problem(message=message, key=key, fix=fix)))

    def _note_failures(self, resolution: Resolution) -> None:
        for path, message, fix in resolution.failures:
            self._wrong(path, message, fix)

    def _job(self, sweep: Mapping[str, Any], values: Mapping[str, Any]) -> JobSettings | None:
        content = {key: values[key] for key in _AT_ROOT if key in values}
        content |= {key: sweep[key] for key in _IN_SWEEP if sweep.get(key) is not None}
        command = values.get("command") or sweep.get("command")
        content |= {"command": command} if command is not None else {}
        content["data_dir"] = content.get("data_dir") or "./train_dir"
        try:
            return JobSettings.model_validate(content)
        except ValidationError as error:
            for key, message, fix in job_problems(error, content):
                inside = key.partition(".")[0] in _IN_SWEEP or (key == "command" and not values.get("command"))
                self._wrong(f"sweep.{key}" if inside else key, message, fix)
            return None

    def _training(self, values: Mapping[str, Any], *, free: bool) -> dict[str, Any]:
        """Return the base config of a run; with an external command only what was asked for."""
        if not free:
            return {key: values[key] for key in self.keys.roots if values.get(key) is not None}
        training: dict[str, Any] = {"seed": values.get("seed")}
        blocks = [path for path, _ in leaves(self.tree.blocks) if path.partition(".")[0] != "protein"]
        typed = [given.key for given in self.line.values if given.key.partition(".")[0] not in JOB_KEYS]
        for path in [*blocks, *typed]:
            value = get(values, path)
            if path and value is not MISSING:
                put(training, path, value)
        return training

    def _swept(self, sweep: Mapping[str, Any], training: Mapping[str, Any], *, free: bool) -> Swept:
        parameters = sweep.get("parameters")
        if parameters is not None and not isinstance(parameters, Mapping):
            self._wrong("sweep.parameters", f"need a mapping of parameters, got {brief(parameters)}")
        declared: dict[str, Any] = {}
        for path, leaf in flat_parameters(_parameters(sweep)):
            both = isinstance(leaf, Mapping) and isinstance(declared.get(path), Mapping)
            declared[path] = {**declared[path], **leaf} if both else leaf
        left = {path: leaf for path, leaf in declared.items() if not self.line.gives(path)}
        return Swept(declared=left, training=training, schema=None if free else self.schema)

    def _space(self, swept: Swept, job: JobSettings | None) -> SearchSpace | None:
        raw = OmegaConf.to_container(self.tree.config, resolve=False)
        inside = {key: raw[key] for key in self.keys.roots if key in raw} if isinstance(raw, dict) else {}
        self.notes += swept.follow(inside)
        swept.check_paths()
        swept.mark_integers()
        space = swept.space(job.constraints if job else ())
        if space is not None:
            swept.check_bounds(space)
        return space

    def _finish(self, swept: Swept, space: SearchSpace | None) -> None:
        """Note what is wrong with the parameters, then what else the training refuses."""
        self.problems += [self.origins.located(problem) for problem in swept.problems]
        for key, message in swept.refused(space):
            unknown = not self.schema.has_path(key) and "unknown" in message
            self._wrong(key, message, known_fix(key, self.schema, swept.training) if unknown else "")
        if not swept.declared and self.line.words.get("cmd") != "plan" and not self.problems:
            pinned = "every parameter is held by the command line" if self._pinned({}) else "no parameters to search"
            fix = "write at least one under sweep.parameters, as configs/sweep/my_sweep.yaml shows"
            self._wrong("sweep.parameters", f"there are {pinned}" if "no" in pinned[:3] else pinned, fix)

    def _distinct(self) -> Iterable[Problem]:
        """Return the problems in the order found, one a place and key."""
        return {(problem.file, problem.key, problem.message): problem for problem in self.problems}.values()

    def _pinned(self, training: Mapping[str, Any]) -> dict[str, Any]:
        raw = OmegaConf.to_container(self.tree.config, resolve=False)
        parameters = _parameters(raw.get("sweep") or {}) if isinstance(raw, dict) else {}
        paths = [path for path, _ in flat_parameters(parameters) if self.line.gives(path)]
        return {path: get(training, path) for path in paths}

    def _answer(
        self,
        cwd: Path,
        files: SweepFiles,
        job: JobSettings,
        values: Mapping[str, Any],
        training: Mapping[str, Any],
        swept: Swept,
        space: SearchSpace,
    ) -> Asked:
        pinned = self._pinned(training)
        settings = {key: values[key] for key in (*_AT_ROOT, "protein") if key in values}
        rules = () if swept.schema is None else tuple(c.expression.text for c in space.constraints)
        rules = rules or job.constraints
        limits = _limits(job)
        protein = dict(values.get("protein") or {})
        if job.limits.run_cost is not None:
            cap = protein.get("max_suggestion_cost")
            protein["max_suggestion_cost"] = min(cap or job.limits.run_cost, job.limits.run_cost)
        return Asked(
            name=self.line.words["run"],
            cmd="plan" if self.line.words.get("cmd") == "plan" else "sweep",
            sweep_file=files.asked.source.file,
            rollout_count=self._rollout_count(job),
            num_samples=job.num_samples,
            metric=job.metric,
            goal=job.goal,
            parameters=swept.declared,
            constraints=rules,
            limits=limits,
            protein=protein,
            command=job.command,
            training=training,
            overrides=self._overrides(training),
            pinned=pinned,
            launcher=_launcher(job),
            wandb=job.wandb.model_dump(mode="json"),
            data_dir=(cwd / Path(job.data_dir).expanduser()),
            hardware=self.tree.choices.get("hardware"),
            user=self.tree.choices.get("user"),
            seed=job.seed,
            space=space,
            notes=tuple([*_pin_notes(pinned), *self.notes]),
            origins=self.origins.of_leaves({**training, **settings}),
            description=job.description,
        )

    def _rollout_count(self, job: JobSettings) -> int:
        """Return the stronger of ``rollout_count`` and ``limits.rollouts``, its other name."""
        other = job.limits.rollouts
        strength = [COMMAND_LINE, "sweep file", "user", "hardware", DEFAULTS]
        own, others = (self.origins.origin(path).source for path in ("rollout_count", "sweep.limits.rollouts"))
        return job.rollout_count if other is None or strength.index(own) <= strength.index(others) else other

    def _overrides(self, training: Mapping[str, Any]) -> dict[str, Any]:
        """Return the training values that the sweep file and the command line give, as they came out."""
        overrides: dict[str, Any] = {}
        typed = [given.key for given in self.line.values]
        for path in [*(path for path, _ in leaves(self.tree.blocks)), *typed]:
            value = get(training, path) if path else MISSING
            if value is not MISSING and "." in path:
                put(overrides, path, value)
        return overrides


def _limits(job: JobSettings) -> dict[str, Any]:
    limits = job.limits
    hard = [limit for limit in (limits.run_time, limits.run_cost, job.launcher.run_time_limit) if limit is not None]
    return {
        "wall_time_s": limits.wall_time,
        "total_cost_s": limits.total_cost,
        "deadline_s": limits.deadline,
        "target": limits.target,
        "patience": limits.patience,
        "run_time_s": min(hard, default=None),
    }


def _launcher(job: JobSettings) -> dict[str, Any]:
    settings = job.launcher.model_dump(mode="json")
    return {("run_time_limit_s" if key == "run_time_limit" else key): value for key, value in settings.items()}


def _pin_notes(pinned: Mapping[str, Any]) -> list[str]:
    return [f"{path} is held at {value} by the command line and is not searched" for path, value in pinned.items()]
