"""What all commands share: ``--traceback`` everywhere, and the nearest names for misspelt ones."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..errors import RunFolderError
from ..tasks import System, task_named
from ..train import RunFolder


@dataclass
class Session:
    """What one run of the command line remembers."""

    traceback: bool = False


def _show_traceback(context: click.Context, _: click.Parameter, value: bool) -> None:
    session = context.find_object(Session)
    if value and session is not None:
        session.traceback = True


def _traceback_option() -> click.Option:
    return click.Option(
        ["--traceback"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_show_traceback,
        help="With an error, show where in the program it arose.",
    )


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command that knows ``--traceback``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["context_settings"] = {**_SETTINGS, **options.get("context_settings", {})}
        super().__init__(*arguments, **options)
        self.params.append(_traceback_option())


class NoReader(Exception):
    """What is printed has no reader any more: ``head`` has enough, a pager was left."""


@contextlib.contextmanager
def _printing() -> Iterator[None]:
    """Not as BrokenPipeError, which click would turn into the exit code 1."""
    try:
        yield
    except BrokenPipeError:
        raise NoReader from None


class Group(click.Group):
    """Commands in the order in which they were added; a misspelt one is answered with the nearest."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["context_settings"] = {**_SETTINGS, **options.get("context_settings", {})}
        super().__init__(*arguments, **options)
        self.params.append(_traceback_option())

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _printing():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _printing():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise click.UsageError(unknown("command", name, self.list_commands(ctx)), ctx)
        return super().resolve_command(ctx, args)


def unknown(kind: str, name: str, known: list[str]) -> str:
    """``there is no command 'trian'``, with what was probably meant."""
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    mend = f"did you mean {' or '.join(near)}?" if near else f"choose one of: {', '.join(known)}"
    return f"there is no {kind} {name!r}\n  mend:  {mend}"


class FiniteFloat(click.FloatRange):
    """A range of numbers that NaN and the infinities are not in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is not finite", param, ctx)
        return found


def open_run(path: str) -> tuple[str, RunFolder, System]:
    """The task's name, the folder and the trained system of a run."""
    folder = RunFolder(path)
    if not folder.path.is_dir():
        near = difflib.get_close_matches(path, _runs(path), n=2)
        mend = f"did you mean {' or '.join(near)}?" if near else "name the folder of a run"
        raise RunFolderError("there is no such run folder", where=path, mend=mend)
    name = folder.task
    return name, folder, task_named(name).load(folder)


def check_text(name: str, text: str) -> None:
    """``UsageError`` where it holds bytes that are no UTF-8, which Python keeps as surrogates."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise click.UsageError(f"{name} holds bytes that are no UTF-8\n  mend:  give the text in UTF-8")


def check_ending(option: str, path: str, endings: tuple[str, ...]) -> None:
    """``UsageError`` where the file that an option names does not end as its kind does."""
    if os.path.splitext(path)[1].lower() not in endings:
        *others, last = endings
        words = f"{', '.join(others)} or {last}" if others else last
        raise click.UsageError(f"{option} {path}: the name must end in {words}")


def _runs(path: str) -> list[str]:
    """The run folders that might have been meant: beside ``path``, and under ``runs``."""
    places = {Path(path).parent, Path("runs")}
    return [str(config.parent) for place in places for config in place.glob("*/config.toml")]


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
