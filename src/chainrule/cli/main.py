"""The command line's front door: the commands, the errors, the exit codes.

Exit codes: 0 well; 1 the run failed, as where a package is missing that it needs; 2 wrong usage; 3 data
missing or malformed; 130 interrupted; 141 the reader of the output went away.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Sequence

import click

from ..errors import ChainruleError
from ..version import __version__
from .bench import bench
from .check import check
from .command import Group, NoReader, Session
from .doctor import doctor
from .evaluate import evaluate
from .explain import explain
from .export import export
from .generate import generate
from .launch import launch
from .plot import plot
from .predict import predict
from .train import train
from .tune import tune


@click.group(
    cls=Group,
    invoke_without_command=True,
    epilog="""\b
Examples:
  chainrule train lm                      a language model, on text that Python brings along
  chainrule train digits --data mnist/    784-16-16-10 on a folder of MNIST's files
  chainrule explain "c*(a+2*b)" a=3 b=1 c=-2
  chainrule check my_ops.py               are my derivatives right?

Every command has --help with examples of its own.
""",
)
@click.version_option(__version__, prog_name="chainrule")
@click.pass_context
def cli(context: click.Context) -> None:
    """Backprop you can see, at speeds you can use.

    Trains small networks, uses what was trained, and shows every step of the chain rule.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for _command in (
    train,
    tune,
    launch,
    evaluate,
    predict,
    generate,
    explain,
    export,
    check,
    plot,
    bench,
    doctor,
):
    cli.add_command(_command)


_NO_READER = 141
"""What a shell says of a program that SIGPIPE has ended, such as one whose output ``head`` has enough of."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    try:
        code = _main(arguments)
        sys.stdout.flush()
        return code
    except (BrokenPipeError, NoReader):
        with contextlib.suppress(OSError):  # what is still to be written at the end goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER


def _main(arguments: Sequence[str] | None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without × or ─ shows ? in their place
    if sys.stdout is None:  # closed by whoever started us: nobody wants to hear the result
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for the rest of the process
    session = Session()
    try:
        code = cli.main(
            None if arguments is None else list(arguments), "chainrule", standalone_mode=False, obj=session
        )
        return code if isinstance(code, int) else 0
    except NoReader:
        raise
    except click.Abort:
        return _failed(session, "interrupted", 130)
    except click.UsageError as error:
        return _failed(session, _usage_text(error), error.exit_code)
    except click.ClickException as error:
        return _failed(session, error.format_message(), error.exit_code)
    except ChainruleError as error:
        return _failed(session, str(error), error.exit_code)
    except OSError as error:  # of a full disk or a broken stream, mostly
        place = "" if error.filename is None else f"\n  where: {error.filename}"
        return _failed(session, f"cannot be read or written: {error.strerror or error}{place}", 1)
    except Exception as error:
        text = f"something went wrong inside: {type(error).__name__}: {error}"
        return _failed(session, f"{text}\n  mend:  run it again with --traceback to see where", 1)


def _failed(session: Session, text: str, code: int) -> int:
    """Tell what is wrong, on the standard error."""
    if session.traceback:
        traceback.print_exc()
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)
    return code


def _usage_text(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    text = message[:1].lower() + message[1:]
    if "\n  mend:" not in text and error.ctx is not None:
        text += f"\n  mend:  {error.ctx.command_path} --help shows what it takes"
    return text
