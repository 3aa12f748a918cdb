"""``chainrule plot``: activations, loss surfaces, the curves of a run and how its layers fared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import click

from ..data.files import possible_path
from ..errors import DataError
from ..functions import ACTIVATIONS
from ..train import RunFolder
from ..view import plot_activations, plot_curves, plot_layers, plot_loss_surface
from .command import Command, Group, check_ending, unknown
from .output import say


def _write(path: str, draw: Callable[[str], None]) -> None:
    check_ending("--out", path, (".svg", ".png"))
    folder = possible_path(path).parent
    if not folder.is_dir():
        raise DataError("no such folder", path=folder, mend="make it, or choose another --out")
    draw(path)
    say(f"written to {path}")


@click.group(
    cls=Group,
    short_help="Figures: activations, a loss surface, a run's curves and layers.",
    epilog="""\b
Examples:
  chainrule plot activations --out activations.svg
  chainrule plot activations sigmoid tanh relu
  chainrule plot loss-surface --out surface.png
  chainrule plot run runs/digits-1
  chainrule plot layers runs/digits-1 --out layers.png
""",
)
def plot() -> None:
    """Draw a figure to a file."""


@plot.command("activations", short_help="Activations and their derivatives, side by side.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--out", default="activations.svg", show_default=True, metavar="FILE")
def activations(names: tuple[str, ...], out: str) -> None:
    """Draw each activation with its derivative; all of them unless NAMEs are given."""
    for name in names:
        if name not in ACTIVATIONS:
            raise click.UsageError(unknown("activation", name, list(ACTIVATIONS)))
    _write(out, lambda path: plot_activations(path, names or None))


@plot.command("loss-surface", short_help="A neuron's loss over two weights, beside logistic regression's.")
@click.option("--out", default="loss-surface.svg", show_default=True, metavar="FILE")
def loss_surface(out: str) -> None:
    """Draw the loss over two weights: convex for logistic regression, not for a network."""
    _write(out, plot_loss_surface)


class _OfRun(NamedTuple):
    """A figure that is drawn from the lines of one of a run's files."""

    name: str
    short: str
    about: str
    lines: str
    """The file that the lines stand in."""
    read: Callable[[RunFolder], list[dict[str, Any]]]
    figure: str
    """What the figure is called in the run folder."""
    draw: Callable[[list[dict[str, Any]], str, str], None]
    """From the lines, to a path, under a title."""

    def command(self) -> click.Command:
        """The command that draws it."""

        def run(run: str, out: str | None) -> None:
            folder = RunFolder(run)
            folder.config()  # an error where it is no run folder
            if not (found := self.read(folder)):
                raise DataError(
                    "no epoch has ended yet", path=folder.path / self.lines, mend="train on with --resume"
                )
            path = str(folder.path / self.figure) if out is None else out
            _write(path, lambda path: self.draw(found, path, folder.path.name))

        parameters: list[click.Parameter] = [
            click.Argument(["run"], metavar="RUN"),
            click.Option(["--out"], metavar="FILE", help=f"[default: RUN/{self.figure}]"),
        ]
        return Command(self.name, callback=run, params=parameters, short_help=self.short, help=self.about)


for _figure in (
    _OfRun(
        "run",
        "The curves of a training run.",
        "Draw loss and scores of each epoch of the run folder RUN.",
        "metrics.jsonl",
        RunFolder.metrics,
        "curves.svg",
        plot_curves,
    ),
    _OfRun(
        "layers",
        "How the layers of a run fared: gradients, updates, idle units.",
        "Draw how the layers of the run folder RUN fared: gradients, updates, units dead or saturated.",
        "layers.jsonl",
        RunFolder.layers,
        "layers.svg",
        plot_layers,
    ),
):
    plot.add_command(_figure.command())
