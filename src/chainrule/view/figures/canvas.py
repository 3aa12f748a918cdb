"""What every figure is drawn on: matplotlib under settings of its own, written as SVG or PNG.

matplotlib is imported when a figure is drawn; its global settings are left as they were.  The same data
gives the same bytes, and an SVG follows the light or dark of its surroundings.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...data.files import write_atomically
from ...errors import ArgumentError
from ..text import escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
Path = str | os.PathLike[str]

INK = "#1c2431"  # stands for the colour of the surrounding text
FIRST, SECOND, GRID = "#1877c9", "#d9730d", "#8a94a3"
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "chainrule", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9.0,
    "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.titlecolor": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 10.0, "axes.linewidth": 0.8, "lines.linewidth": 1.8, "legend.frameon": False,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


@contextmanager
def figure_at(path: Path, size: tuple[float, float], title: str, description: str) -> Iterator[Figure]:
    """A figure to draw on, under settings of its own, written to ``path`` at the end as .svg or .png."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    suffix = os.path.splitext(os.fspath(path))[1].lower()
    if suffix not in (".svg", ".png"):
        raise ArgumentError(f"cannot draw into {os.fspath(path)!r}", mend="name it .svg or .png")
    defaults: dict[Any, Any] = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}
    with matplotlib.rc_context({**defaults, **SETTINGS}):
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
        yield figure
        if suffix == ".png":
            pixels = io.BytesIO()
            figure.savefig(pixels, format="png", dpi=150, facecolor="white", metadata={"Software": None})
            write_atomically(path, pixels.getvalue())
        else:
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            write_atomically(path, _adapted(text.getvalue(), title, description))


def _adapted(svg: str, title: str, description: str) -> str:
    """matplotlib's SVG with a title and no prolog, drawn in the colour of the text around it."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    svg = svg.replace(INK, "currentColor")
    head, body = svg.split(">", 1)
    head = re.sub(r' (width|height)="([\d.]+)pt"', r' \1="\2"', head)
    return (
        f'{head} class="cr-figure" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>\n"
        "<style>.cr-figure{color:#1c2430;background:#fff}"
        "@media (prefers-color-scheme:dark){.cr-figure{color:#e8ebf0;background:#15181d}}</style>"
        f"{body}"
    )
