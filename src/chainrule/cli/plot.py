"""``chainrule plot``: activations, loss surfaces, the curves of a run and how its layers fared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..errors import DataError
from ..functions import ACTIVATIONS
from ..train import RunFolder
from ..view import plot_activations, plot_curves, plot_layers, plot_loss_surface
from .command import Group, unknown
from .output import say

_ENDINGS = (".svg", ".png")


def _write(path: str, draw: Callable[[str], None]) -> None:
    if not path.lower().endswith(_ENDINGS):
        raise click.UsageError(f"--out {path}: the name must end in {' or '.join(_ENDINGS)}")
    if not Path(path).parent.is_dir():
        raise DataError("no such folder", path=Path(path).parent, mend="make it, or choose another --out")
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


@plot.command("run", short_help="The curves of a training run.")
@click.argument("run", metavar="RUN")
@click.option("--out", metavar="FILE", help="[default: RUN/curves.svg]")
def run(run: str, out: str | None) -> None:
    """Draw loss and scores of each epoch of the run folder RUN."""
    folder = RunFolder(run)
    folder.config()
    records = _some(folder.metrics(), folder, "metrics.jsonl")
    _write(out or str(folder.path / "curves.svg"), lambda path: plot_curves(records, path, folder.path.name))


@plot.command("layers", short_help="How the layers of a run fared: gradients, updates, idle units.")
@click.argument("run", metavar="RUN")
@click.option("--out", metavar="FILE", help="[default: RUN/layers.svg]")
def layers(run: str, out: str | None) -> None:
    """Draw how the layers of the run folder RUN fared: gradients, updates, units dead or saturated."""
    folder = RunFolder(run)
    folder.config()
    found = _some(folder.layers(), folder, "layers.jsonl")
    _write(out or str(folder.path / "layers.svg"), lambda path: plot_layers(found, path, folder.path.name))


def _some(lines: list[dict[str, Any]], folder: RunFolder, name: str) -> list[dict[str, Any]]:
    """The lines, of which there must be one."""
    if not lines:
        raise DataError("no epoch has ended yet", path=folder.path / name, mend="train on with --resume")
    return lines
