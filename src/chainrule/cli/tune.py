"""``chainrule tune``: a search for settings that train well, alone or together with tuners elsewhere."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from ..compile import ENGINES, engine_named
from ..data.sources import recorded_source
from ..errors import ConfigurationError, DataError, TuningError
from ..tasks import TASKS, Task
from ..train import Reporter, RunFolder
from ..train.configuration import Options, from_mapping, resolve, to_mapping, value_of, whole_key
from ..train.tuning import (
    DEFAULT_PORT,
    HEARTBEAT,
    PROXY,
    Display,
    Facts,
    SilentDisplay,
    Space,
    Study,
    Tuner,
    changed,
    default_display,
    difference,
    is_held,
    make_space,
    open_study,
    read_address,
    serve,
)
from .command import FiniteFloat, json_option, unknown
from .output import emit_json, print_table, say
from .train import TrainCommand
from .tune_pages import best_table, summary, trials_table, write_results, write_study_pages

_STUDIES = Path("studies")
_TRIALS = 30
_BEFORE_A_TRIAL = ("journal.log", "journal.log.lock", "study.csv", "study.id", "study.lock")


def _named(context: click.Context, _: click.Parameter, name: str | None) -> Task | None:
    if name is not None and name not in TASKS:
        raise click.UsageError(unknown("task", name, list(TASKS)), context)
    return None if name is None else TASKS[name]


@click.command(
    cls=TrainCommand,
    short_help="Search for settings that train well.",
    epilog="""\b
Ranges:
  optimizer.rule=adam,sgd                  one of these
  optimizer.learning_rate=1e-4..1e-1:log   in between, on a logarithmic scale
  training.batch=16..128:step=16           16, 32, …, 128
  model.hidden=1..3x16..256:log            1 to 3 layers of 16 to 256 units
  model.hidden=[64],[128],[128,64]         one of these lists

\b
Examples:
  chainrule tune digits
  chainrule tune digits --trials 60 --space training.batch=16,32,64
  chainrule tune lm --data corpus/ --set training.epochs=2 --seconds 3600
  chainrule tune pos --only --space optimizer.learning_rate=1e-4..1e-2:log
  chainrule tune digits --show-space
  chainrule tune digits --study studies/digits-1 --trials 90
  chainrule train digits --config studies/digits-1/best.toml

Give the same --study to several tuners, one a terminal, and they share it. Tuners on several machines share a
study behind a proxy:

\b
  chainrule tune --serve sqlite:///study.db --host 0.0.0.0         on one machine
  chainrule tune digits --study grpc://that-machine:13000/digits   on each

Trials are compared by their validation score. Bad ones are given up early. Ctrl-C, or a kill at any moment,
loses no trial: the next tuner of the study goes on with it from its last epoch.
""",
)
@click.argument("task", callback=_named, required=False, metavar="TASK")
@click.option("--data", metavar="PATH", help="A file, folder or named source; each task has a default.")
@click.option(
    "--set", "settings", multiple=True, metavar="SECTION.KEY=VALUE",
    help="Override one setting, and do not search it; repeatable.",
)  # fmt: skip
@click.option("--config", "config_file", metavar="FILE.toml", help="Settings from a file, to search around.")
@click.option(
    "--space", "ranges", multiple=True, metavar="SECTION.KEY=RANGE",
    help="Search this setting as well, or in another range; repeatable.",
)  # fmt: skip
@click.option("--only", is_flag=True, help="Search what --space names, and nothing else.")
@click.option("--show-space", is_flag=True, help="Print what would be searched and stop.")
@click.option(
    "--trials", type=click.IntRange(min=1), help=f"How many the study shall have.  [default: {_TRIALS}]"
)
@click.option("--seconds", type=FiniteFloat(min=0), help="Begin no trial after so much time.")
@click.option("--no-pruning", is_flag=True, help="Train bad trials to the end as well.")
@click.option(
    "--study", "where", metavar="DIR|grpc://HOST:PORT/NAME",
    help="The study, which is gone on with if it is there.  [default: studies/TASK-<n>, the next free]",
)  # fmt: skip
@click.option(
    "--out", metavar="DIR",
    help="For a study behind a proxy: the folder for runs and results.  [default: studies/NAME]",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(min=0), help="Decides the search, and weights and order in every trial."
)
@click.option("--engine", type=click.Choice(list(ENGINES)), help="What runs the graph.")
@click.option(
    "--heartbeat", type=FiniteFloat(min=0.05), default=HEARTBEAT, show_default=True, metavar="SECONDS",
    help="Between two signs of life to tuners elsewhere; after six without one a trial is taken over.",
)  # fmt: skip
@click.option("--serve", "database", metavar="URL", help="Offer a database to tuners on other machines.")
@click.option("--host", help="With --serve: who may connect; 0.0.0.0 for all.  [default: localhost]")
@click.option(
    "--port", type=click.IntRange(1, 65535), help=f"With --serve: the port.  [default: {DEFAULT_PORT}]"
)
@click.option("--quiet", "-q", is_flag=True, help="No progress, only the result.")
@json_option
def tune(
    task: Task | None,
    data: str | None,
    settings: tuple[str, ...],
    config_file: str | None,
    ranges: tuple[str, ...],
    only: bool,
    show_space: bool,
    trials: int | None,
    seconds: float | None,
    no_pruning: bool,
    where: str | None,
    out: str | None,
    seed: int | None,
    engine: str | None,
    heartbeat: float,
    database: str | None,
    host: str | None,
    port: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search for the settings of TASK that give the best validation score, and leave them in best.toml."""
    if database is not None:
        _serve(task, database, host or "localhost", port or DEFAULT_PORT)
        return
    if host is not None or port is not None:
        raise click.UsageError(
            "--host and --port go with --serve\n  mend:  the address is in --study grpc://…"
        )
    if task is None:
        raise click.UsageError(f"which task?\n  mend:  chainrule tune {'|'.join(TASKS)}")
    asked = _Asked(task, data, settings, config_file, ranges, only, trials, no_pruning, seed, engine)
    if show_space:
        for key, text in asked.space(asked.config()).text().items():
            click.echo(f"{key}={text}")
        return
    with _place(task, where, out) as (address, folder):
        study = open_study(address, folder, task.Config, asked.facts, asked.checked)
        _work(study, task, quiet, heartbeat, seconds)
    _show(study, task, as_json, quiet)


class _Asked(msgspec.Struct):
    """What the command line asks for: a new study, or to go on with one."""

    task: Task
    data: str | None
    settings: tuple[str, ...]
    config_file: str | None
    ranges: tuple[str, ...]
    only: bool
    trials: int | None
    no_pruning: bool
    seed: int | None
    engine: str | None

    def overrides(self) -> list[str]:
        """What is said of single settings."""
        found = list(self.settings)
        found += [f"training.seed={self.seed}"] if self.seed is not None else []
        found += [f'training.engine="{self.engine}"'] if self.engine is not None else []
        found += [f"data.source={json.dumps(recorded_source(self.data))}"] if self.data is not None else []
        return found

    def config(self) -> Options:
        """The configuration to search around."""
        config = resolve(
            self.task.Config, file=self.config_file, settings=self.overrides(), task=self.task.name
        )
        engine_named(to_mapping(config)["training"]["engine"])  # before anything is made
        source = to_mapping(config)["data"]["source"]
        return changed(config, {"data.source": recorded_source(source)})

    def space(self, config: Options) -> Space:
        fixed = [whole_key(self.task.Config, text.partition("=")[0].strip()) for text in self.settings]
        return make_space(config, self.ranges, fixed=fixed, only=self.only)

    def facts(self) -> Facts:
        """A new study."""
        space = self.space(self.config())
        return Facts(
            self.task.name,
            self.task.monitor,
            to_mapping(space.base),
            space.text(),
            self.trials or _TRIALS,
            uuid.uuid4().hex,
            not self.no_pruning,
        )

    def checked(self, facts: Facts) -> Facts:
        """The study that is there, if it is the one that is asked for; what is left out is not asked."""
        if facts.task != self.task.name:
            raise ConfigurationError(
                f"the study is of the task {facts.task!r}, not {self.task.name!r}",
                mend="choose another --study",
            )
        recorded = from_mapping(self.task.Config, facts.config)
        config = recorded if self.config_file is None else self.config()
        for text in self.overrides():
            key, _, value = text.partition("=")
            config = changed(config, {whole_key(self.task.Config, key.strip()): value_of(value)})
        other = ""
        if self.ranges or self.only:
            space = self.space(config)
            config, other = space.base, difference(facts.space, space.text())
        if other := difference(to_mapping(recorded), to_mapping(config)) or other:
            raise ConfigurationError(
                f"the study is another: {other}",
                mend="leave the settings out to go on with it, or choose another --study",
            )
        if self.no_pruning and facts.pruning:
            raise ConfigurationError(
                "the study gives up bad trials early",
                mend="leave out --no-pruning, or choose another --study",
            )
        return msgspec.structs.replace(facts, trials=self.trials or facts.trials)


@contextlib.contextmanager
def _place(task: Task, where: str | None, out: str | None) -> Iterator[tuple[str, Path]]:
    """The study's address and its folder here; one that is still empty in the end is taken away again."""
    if "" in (where, out):
        raise click.UsageError("--study and --out are not empty\n  mend:  name a folder")
    if where is not None and "://" in where:
        if not where.startswith(PROXY):
            raise click.UsageError(
                f"--study {where} is neither a folder nor a proxy\n  mend:  offer a database with "
                f"chainrule tune --serve {where}, and give --study {PROXY}HOST:{DEFAULT_PORT}/NAME"
            )
        folder = Path(out) if out is not None else _STUDIES / read_address(where).name
    elif out is not None:
        raise click.UsageError("--out goes with a study behind a proxy\n  mend:  a folder's runs are in it")
    else:
        folder = Path(where) if where is not None else _claim_next(task.name)
    if folder.exists() and not folder.is_dir():
        raise DataError("this is no folder", path=folder, mend="choose another --study")
    there = folder.exists() and where is not None
    try:
        yield where if where is not None and where.startswith(PROXY) else str(folder), folder
    except BaseException:
        if not there:
            _take_away_if_unused(folder)
        raise


def _take_away_if_unused(folder: Path) -> None:
    """Of a study that could not be begun, for want of data or of anything else, nothing is left."""
    if not folder.is_dir() or any(folder.glob("trials/*")) or any(map(is_held, folder.glob("workers/*"))):
        return
    with contextlib.suppress(OSError):  # what else is there is none of ours, and stays
        for name in _BEFORE_A_TRIAL:
            (folder / name).unlink(missing_ok=True)
        for name in ("trials", "workers"):
            if (folder / name).is_dir():
                (folder / name).rmdir()
        folder.rmdir()
        _STUDIES.rmdir()


def _claim_next(name: str) -> Path:
    """``studies/name-<n>``, made here so that no other process takes the same number."""
    try:
        _STUDIES.mkdir(exist_ok=True)
        found = (re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name) for path in _STUDIES.iterdir())
        number = max((int(match[1]) for match in found if match), default=0)
        while True:
            number += 1
            with contextlib.suppress(FileExistsError):
                path = _STUDIES / f"{name}-{number}"
                path.mkdir()
                return path
    except OSError as error:
        raise DataError(
            f"the study's folder cannot be made: {error.strerror}",
            path=_STUDIES,
            mend="choose one with --study",
        ) from None


def _work(study: Study, task: Task, quiet: bool, heartbeat: float, seconds: float | None) -> None:
    display: Display = SilentDisplay() if quiet else default_display()

    def run(config: Options, folder: RunFolder, resume: bool, reporter: Reporter) -> None:
        task.train(config, None, folder, resume=resume, reporter=reporter, say=lambda _: None)

    write_results(study)
    try:
        Tuner(study, run, display, heartbeat=heartbeat).work(seconds, lambda: write_results(study))
    except KeyboardInterrupt:
        say(f"\ninterrupted; the trial is saved and queued again. Go on with\n  {_going_on(study)}")
        raise click.exceptions.Exit(130) from None


def _going_on(study: Study, trials: int | None = None) -> str:
    where = study.where + (f" --out {study.folder}" if study.shared else "")
    return f"chainrule tune {study.facts.task} --study {where}" + (f" --trials {trials}" if trials else "")


def _show(study: Study, task: Task, as_json: bool, quiet: bool) -> None:
    """The best trials, and what to do next."""
    best = study.best()
    if best is None:
        raise TuningError(f"no trial has come to a result yet ({summary(study)})", mend=_going_on(study))
    write_results(study)
    try:
        write_study_pages(study)
    finally:  # where the disk is full, the result is shown all the same
        table = trials_table(study)
        if as_json:
            rows = [dict(zip(table.header, row, strict=True)) for row in table.rows]
            emit_json(
                {
                    "task": task.name,
                    "study": study.where,
                    "folder": str(study.folder),
                    "score": study.facts.monitor.score,
                    "best": {"trial": best.number, "value": best.value, "params": best.params},
                    "importances": study.importances(),
                    "trials": rows,
                }
            )
        else:
            print_table(best_table(study))
    if not quiet:
        say(f"\n{summary(study)}; report.html, study.csv and best.toml are in {study.folder}")
        say(f"  chainrule train {task.name} --config {study.folder / 'best.toml'}")
        say(f"  {_going_on(study, 2 * study.facts.trials)}")


def _serve(task: Task | None, database: str, host: str, port: int) -> None:
    if task is not None:
        raise click.UsageError(
            "--serve takes no task\n  mend:  each tuner says its own, with --study grpc://…"
        )
    with contextlib.suppress(KeyboardInterrupt):
        for served in serve(database, host, port):
            say(f"listening at {served.host}:{served.port}; Ctrl-C ends it. Tune with")
            say(f"  chainrule tune TASK --study {PROXY}{served.host}:{served.port}/NAME")
