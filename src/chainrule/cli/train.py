"""``chainrule train``: from a task and a configuration to a finished run folder."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from math import prod
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from ..compile import ENGINES, engine_named, mesh_named
from ..engines.xla import Mesh, Place, Team, fellow_failures, jax, join, progress
from ..errors import ChainruleError, ConfigurationError, DataError, RunFolderError
from ..tasks import TASKS, Report, Task
from ..train import Reporter, RunFolder, Silent, default_reporter
from ..train.configuration import Options, resolve, to_mapping
from ..train.recorded import recorded
from ..train.run_folder import to_toml
from ..train.split_epochs import check_even
from ..train.team_folder import team_folder
from .command import Command, json_option, unknown
from .output import emit_json, print_report, report_mapping, say
from .pages import write_pages

_RUNS = Path("runs")


class TrainCommand(Command):
    """Settings that are written as options are answered with how to write them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").replace("-", "_")
            keys = {f"{section}.{name}" for task in TASKS.values() for section in _sections(task, name)}
            if not keys:
                raise
            mend = " or ".join(f"--set {key}=…" for key in sorted(keys))
            raise click.UsageError(f"no such option {error.option_name!r}\n  mend:  {mend}", ctx) from None


def _sections(task: Task, name: str) -> list[str]:
    """The sections of the task's configuration that have a setting of this name."""
    sections = to_mapping(task.Config()).items()
    return [section for section, values in sections if isinstance(values, dict) and name in values]


def _named(context: click.Context, _: click.Parameter, name: str | None) -> Task:
    """The task called ``name``; a misspelt one is answered with the nearest."""
    if name is None:
        raise click.UsageError(f"which task?\n  mend:  chainrule train {'|'.join(TASKS)}", context)
    if name not in TASKS:
        raise click.UsageError(unknown("task", name, list(TASKS)), context)
    return TASKS[name]


def _tasks_text() -> str:
    width = max(map(len, TASKS))
    return "\n".join(["\b", "Tasks:", *(f"  {name:<{width}}  {task.about}" for name, task in TASKS.items())])


@click.command(
    cls=TrainCommand,
    short_help="Train a network.",
    epilog=_tasks_text()
    + """

\b
Examples:
  chainrule train pos
  chainrule train ner --data my-corpus/
  chainrule train textcnn --data reviews.csv --set 'data.columns=["text","stars"]'
  chainrule train digits --data mnist/ --set model.hidden=[800] --set model.activation=relu
  chainrule train digits --show-config > digits.toml
  chainrule train digits --config digits.toml --seed 7 --out runs/seven
  chainrule train digits --out runs/seven --resume --set training.epochs=60
  chainrule train lm --mesh data=4,model=2

A run folder holds config.toml, model.safetensors (the best weights), state.safetensors (what --resume
needs), metrics.jsonl, manifest.json, curves.svg and report.html. Ctrl-C, or a kill at any moment, leaves
a folder that --resume goes on from, to the same bits.
""",
)
@click.argument("task", callback=_named, required=False, metavar="TASK")
@click.option("--data", metavar="PATH", help="A file, folder or named source; each task has a default.")
@click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE", help="Override one setting; repeatable."
)
@click.option("--config", "config_file", metavar="FILE.toml", help="Settings from a file.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Decides weights, order and dropout; the same bits for the same seed.",
)
@click.option("--engine", type=click.Choice(list(ENGINES)), help="What runs the graph.")
@click.option(
    "--mesh",
    metavar="AXIS=N,…",
    help="Devices for the engine xla: batches split over data, large matrices over model.",
)
@click.option("--out", metavar="DIR", help="The run folder.  [default: runs/TASK-<n>, the next free]")
@click.option("--resume", is_flag=True, help="Go on with the run in --out, or with the last run of the task.")
@click.option("--show-config", is_flag=True, help="Print all settings as TOML and stop.")
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the result.")
@json_option
def train(
    task: Task,
    data: str | None,
    settings: tuple[str, ...],
    config_file: str | None,
    seed: int | None,
    engine: str | None,
    mesh: str | None,
    out: str | None,
    resume: bool,
    show_config: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train TASK and leave the result in a run folder."""
    if out == "":
        raise click.UsageError("--out is empty\n  mend:  name a folder; . is the present one")
    with fellow_failures() if (place := Place.here()) else contextlib.nullcontext(), ExitStack() as opened:
        team = Team.here() if join() else Team()
        devices = 0 if place is None else len(jax().devices())
        if place is not None:
            folder = opened.enter_context(team_folder(team, Path(out or "")))
            resume = _goes_on(folder, task, place)
        elif resume:
            folder = _run_to_resume(task, out, config_file, seed)
        begin = _elsewhere(recorded(task.Config, folder), devices) if resume else None
        if begin is not None:
            _check_seed(begin, seed)
        overrides = list(settings)
        overrides += [f"training.seed={seed}"] if seed is not None else []
        engine = engine or ("xla" if mesh or devices else None)
        overrides += [f'training.engine="{engine}"'] if engine is not None else []
        overrides += [f"training.mesh={json.dumps(mesh)}"] if mesh else []
        config = resolve(
            task.Config,
            file=None if resume else config_file,
            settings=overrides,
            task=task.name,
            begin=begin,
        )
        config = _on_all(config, devices)
        if show_config:
            click.echo(to_toml({"task": task.name, **to_mapping(config)}), nl=False)
            return
        _check_engine(config)  # before anything is read or made
        if not resume and place is None:
            folder = opened.enter_context(_new_folder(task, out))
        report = _run(task, config, data, folder, resume, quiet)
        if team.leads:
            _finish(task, report, folder, as_json, quiet)
        team.meet()  # whoever left earlier would be taken for lost


def _goes_on(folder: RunFolder, task: Task, place: Place) -> bool:
    """Whether a process of many goes on with a run: after a restart, and where one was cut short."""
    if not folder.config_path.exists():
        return False
    finished = folder.manifest().get("stopped") is not None and (folder.path / "report.html").exists()
    if place.generation == 0 and finished:
        raise ConfigurationError(
            "there is a run in this folder already, and it is finished",
            where=str(folder.path),
            mend="choose another --out; one process alone goes on with it: "
            f"chainrule train {task.name} --out {folder.path} --resume",
        )
    _checked(folder, task)
    return True


def _check_seed(begun: Options, seed: int | None) -> None:
    """Raise where another seed is asked for than a run was begun with: its data have an order already."""
    own = to_mapping(begun)["training"]["seed"]
    if seed not in (None, own):
        mend = "leave out --seed to go on, or choose another --out"
        raise ConfigurationError(f"the run was begun with the seed {own}, not {seed}", mend=mend)


def _elsewhere(config: Options, devices: int) -> Options:
    """The configuration of a run that may go on elsewhere than it began: its mesh only where that fits.

    That is among processes that have just as many devices together.
    """
    training: Any = config.training  # type: ignore[attr-defined]  # every task's configuration has it
    fits = bool(training.mesh) and prod(Mesh.parse(training.mesh).sizes) == devices
    return config if fits else replace(config, training=replace(training, mesh=None))


def _on_all(config: Options, devices: int) -> Options:
    """``config`` on so many devices of many processes, if there are any and no other mesh is asked for."""
    training: Any = config.training  # type: ignore[attr-defined]  # every task's configuration has it
    mesh = training.mesh or (f"data={devices}" if devices else None)
    return replace(config, training=replace(training, mesh=mesh))


def _check_engine(config: Options) -> None:
    """Raise where the engine, or its mesh, cannot be had here."""
    training: Any = config.training  # type: ignore[attr-defined]  # every task's configuration has it
    engine_named(training.runs_on)
    if (mesh := mesh_named(training.runs_on)) is not None:
        _ = mesh.devices  # that they are there
        check_even(training.batch, mesh)


def _finish(task: Task, report: Report, folder: RunFolder, as_json: bool, quiet: bool) -> None:
    """Pages into the folder, the result to the user."""
    progress("report")
    records = folder.metrics()
    try:
        write_pages(folder, task, report, records)
    finally:  # where the disk is full, the result is shown all the same
        if as_json:
            where = {"task": task.name, "run": str(folder.path)}
            alarms = folder.manifest().get("alarms", [])
            emit_json({**where, **report_mapping(report), "records": records, "alarms": alarms})
        else:
            print_report(report)
    if not quiet:
        say(f"\nthe run is in {folder.path}; use it with  chainrule evaluate|predict {folder.path}")


def _run(
    task: Task, config: Options, data: str | None, folder: RunFolder, resume: bool, quiet: bool
) -> Report:
    reporter: Reporter = Silent() if quiet else default_reporter()

    def tell(line: str) -> None:
        progress(line)  # what comes before training and after it may take minutes
        if not quiet:
            say(line)

    try:
        return task.train(config, data, folder, resume=resume, reporter=reporter, say=tell)
    except ChainruleError as error:
        error.args = (_as_settings(str(error), task),)
        raise
    except KeyboardInterrupt:
        say(f"\ninterrupted{_kept(folder, task)}")
        raise click.exceptions.Exit(130) from None


_KEYWORDS = (
    (re.compile(r"(?m)(mend:  |for example )encoding='([^']+)'"), "data.encoding"),
    (re.compile(r"(\(|or )optimizer clip=cr\.optim\.Clip\(global_norm=([\d.e+-]+)\)"), "optimizer.clip_norm"),
)
"""Arguments of Python functions that mends name, and the settings that stand for them here."""


def _as_settings(text: str, task: Task) -> str:
    """An error's text, its mend written as this command takes it."""
    known = to_mapping(task.Config())
    for keyword, key in _KEYWORDS:
        section, _, name = key.partition(".")
        if name in known.get(section, {}):
            text = keyword.sub(rf"\1--set {key}=\2", text)
    return text


def _kept(folder: RunFolder, task: Task) -> str:
    """What of a run that was interrupted is there, and how to go on with it."""
    if not folder.config_path.exists():
        return " before anything was saved"
    if folder.has_state:
        kept = "the state is saved"
    else:  # before the first step, or between the folds of a cross-validation
        kept = f"kept are {', '.join(sorted(file.name for file in folder.path.iterdir()))}"
    if Place.here() is not None:
        return f"; {kept}. Launch it again to go on"
    return f"; {kept}. Go on with\n  chainrule train {task.name} --out {folder.path} --resume"


def _run_to_resume(task: Task, out: str | None, config_file: str | None, seed: int | None) -> RunFolder:
    if config_file is not None:
        raise click.UsageError(
            "--resume goes on with the configuration of the run\n  mend:  leave out --config"
        )
    if seed is not None:
        raise click.UsageError("--resume goes on with the seed of the run\n  mend:  leave out --seed")
    if out is not None:
        folder = RunFolder(out)
        if not folder.path.is_dir():
            raise RunFolderError(
                "there is no run to resume", where=out, mend="leave out --resume to begin one"
            )
        return _checked(folder, task)
    numbers = _numbers(task.name)
    if not numbers:
        raise RunFolderError(
            f"there is no run of {task.name} to resume", where=str(_RUNS), mend="name its folder with --out"
        )
    return _checked(RunFolder(_RUNS / f"{task.name}-{numbers[-1]}"), task)


def _checked(folder: RunFolder, task: Task) -> RunFolder:
    """``folder``, if the run in it is of this task."""
    if folder.task != task.name:
        raise ConfigurationError(
            f"the run is of the task {folder.task!r}, not {task.name!r}", where=str(folder.path)
        )
    return folder


def _numbers(name: str) -> list[int]:
    """The numbers of the runs of a task, ascending."""
    if not _RUNS.is_dir():
        return []
    found = (re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name) for path in _RUNS.iterdir())
    return sorted(int(match[1]) for match in found if match)


@contextlib.contextmanager
def _new_folder(task: Task, out: str | None) -> Iterator[RunFolder]:
    """A folder for a new run, taken away again if it is still empty in the end."""
    path = Path(out) if out is not None else claim_next(task.name)
    folder = RunFolder(path)
    folder.check_free()
    if path.exists() and not path.is_dir():
        raise DataError("this is no folder", path=path, mend="choose another --out")
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty, or never made
            path.rmdir()
        if out is None:
            with contextlib.suppress(OSError):
                _RUNS.rmdir()


def claim_next(name: str) -> Path:
    """``runs/name-<n>``, made here so that no other process takes the same number."""
    number = max(_numbers(name), default=0)
    try:
        _RUNS.mkdir(exist_ok=True)
        while True:
            number += 1
            with contextlib.suppress(FileExistsError):
                path = _RUNS / f"{name}-{number}"
                path.mkdir()
                return path
    except OSError as error:
        raise DataError(
            f"the run folder cannot be made: {error.strerror}", path=_RUNS, mend="choose a place with --out"
        ) from None
