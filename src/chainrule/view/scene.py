"""A picture as a list of shapes, and its two renderings: SVG text, and pixels by matplotlib."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from ..data.files import write_atomically
from ..errors import ArgumentError
from .text import escape

Point = tuple[float, float]
Role = Literal[
    "op", "composite", "gradient", "fold", "parameter", "input", "edge", "dims", "name", "detail", "label"
]


class Oval(NamedTuple):
    """An ellipse around a centre."""

    x: float
    y: float
    width: float
    height: float
    role: Role


class Box(NamedTuple):
    """A rectangle around a centre."""

    x: float
    y: float
    width: float
    height: float
    role: Role


class Text(NamedTuple):
    """A line of text; ``anchor`` says which part of it stands at x."""

    x: float
    y: float
    text: str
    size: float
    role: Role
    anchor: Literal["start", "middle", "end"] = "middle"
    halo: bool = False


class Arrow(NamedTuple):
    """A curve through points (four to a cubic piece, ends shared), with a head at its end."""

    points: tuple[Point, ...]


Shape = Oval | Box | Text | Arrow


class Group(NamedTuple):
    """Shapes that belong together, with a title that a pointer or a screen reader shows."""

    title: str
    kind: str
    shapes: tuple[Shape, ...]


# Ink, fill for light and for dark surroundings.
_COLOURS: dict[str, tuple[str, str]] = {
    "ground": ("#ffffff", "#15181d"),
    "ink": ("#1c2430", "#e8ebf0"),
    "line": ("#5b6675", "#98a3b3"),
    "quiet": ("#5f6b7a", "#a3adbb"),
    "name": ("#0b5cad", "#8cc4ff"),
    "op": ("#ffffff", "#1d232c"),
    "composite": ("#f3f7ff", "#1b2740"),
    "fold": ("#f3f7ff", "#1b2740"),
    "gradient": ("#fff6ec", "#33261a"),
    "gradient-line": ("#b4610e", "#f0a860"),
    "parameter": ("#dfe4ea", "#3a4350"),
}
_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_TEXT_COLOUR: dict[str, str] = {"dims": "quiet", "name": "name", "detail": "quiet"}

# Advance widths of Helvetica in thousandths of the size, from U+0020 to U+007E.
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778,
    722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278,
    278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip


def text_width(text: str, size: float) -> float:
    """How wide a line is, with room for fonts somewhat wider than Helvetica."""
    total = 0
    for character in text:
        code = ord(character)
        if 32 <= code <= 126:
            total += _WIDTHS[code - 32]
        else:
            total += 1000 if code >= 0x2E80 else 620
    return 1.08 * size * total / 1000


class Scene(NamedTuple):
    """A picture: its size, its title and description, and its shapes, in the order of painting."""

    width: float
    height: float
    title: str
    description: str
    groups: tuple[Group, ...]

    def shapes(self) -> Iterator[Shape]:
        for group in self.groups:
            yield from group.shapes

    def to_svg(self) -> str:
        """One SVG element that needs nothing else and is readable on light and dark ground."""
        body = "\n".join(map(_group, self.groups))
        key = hashlib.sha256((self.title + body).encode()).hexdigest()[:8]
        w, h = _n(self.width), _n(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="cr-drawing" role="img" '
            f'aria-labelledby="t{key} d{key}" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
            f'font-family="{_FONT}">\n'
            f'<title id="t{key}">{escape(self.title)}</title>\n'
            f'<desc id="d{key}">{escape(self.description)}</desc>\n'
            f"{_style()}\n"
            f'<defs><marker id="a{key}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path class="fill-line" fill="{_COLOURS["line"][0]}" '
            f'd="M0 1 L10 5 L0 9 z"/></marker></defs>\n'
            f'<rect class="fill-ground" width="{w}" height="{h}" rx="8" fill="{_COLOURS["ground"][0]}"/>\n'
            f"{body.replace('url(#arrow)', f'url(#a{key})')}\n</svg>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture as SVG or PNG, as the name ends."""
        suffix = os.path.splitext(os.fspath(path))[1].lower()
        if suffix == ".svg":
            write_atomically(path, self.to_svg())
        elif suffix == ".png":
            write_atomically(path, _png(self))
        else:
            raise ArgumentError(
                f"draw: cannot write {os.fspath(path)!r}",
                mend="name it .svg or .png, as the format it is to have",
            )


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")


def _style() -> str:
    """The colours of dark surroundings, over the light ones that the elements carry themselves."""
    rules = []
    for name, (_, dark) in _COLOURS.items():
        rules.append(f".cr-drawing .fill-{name}{{fill:{dark}}}.cr-drawing .stroke-{name}{{stroke:{dark}}}")
    return f"<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>"


def _paint(fill: str | None, stroke: str | None = None, width: float = 1.2) -> str:
    """The class for dark, and the colours for light and for programs that know no style sheet."""
    names = [f"fill-{fill}"] if fill else []
    names += [f"stroke-{stroke}"] if stroke else []
    told = f'class="{" ".join(names)}" fill="{_COLOURS[fill][0] if fill else "none"}"'
    return told + (f' stroke="{_COLOURS[stroke][0]}" stroke-width="{_n(width)}"' if stroke else "")


def _group(group: Group) -> str:
    inner = "".join(map(_shape, group.shapes))
    return f'<g class="{group.kind}"><title>{escape(group.title)}</title>{inner}</g>'


def _outline(role: Role) -> str:
    return {"gradient": "gradient-line"}.get(role, "ink")


def _shape(shape: Shape) -> str:
    match shape:
        case Oval(x, y, width, height, role):
            found = (
                f'<ellipse cx="{_n(x)}" cy="{_n(y)}" rx="{_n(width / 2)}" ry="{_n(height / 2)}" '
                f"{_paint(role, _outline(role))}/>"
            )
            if role == "composite":
                found += (
                    f'<ellipse cx="{_n(x)}" cy="{_n(y)}" rx="{_n(width / 2 - 3)}" ry="{_n(height / 2 - 3)}" '
                    f"{_paint(None, 'line', 0.7)}/>"
                )
            return found
        case Box(x, y, width, height, role):
            return (
                f'<rect x="{_n(x - width / 2)}" y="{_n(y - height / 2)}" width="{_n(width)}" '
                f'height="{_n(height)}" {_paint(role, "ink")}/>'
            )
        case Text(x, y, text, size, role, anchor, halo):
            colour = _TEXT_COLOUR.get(role, "ink")
            words = f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" text-anchor="{anchor}"'
            if role == "name":
                words += ' font-style="italic"'
            if halo:
                words += ' paint-order="stroke" stroke-linejoin="round"'
                return f"<text {words} {_paint(colour, 'ground', 4)}>{escape(text)}</text>"
            return f"<text {words} {_paint(colour)}>{escape(text)}</text>"
        case Arrow(points):
            first, rest = points[0], points[1:]
            pieces = " ".join(
                "C" + " ".join(f"{_n(x)} {_n(y)}" for x, y in rest[k : k + 3]) for k in range(0, len(rest), 3)
            )
            return (
                f'<path d="M{_n(first[0])} {_n(first[1])} {pieces}" marker-end="url(#arrow)" '
                f"{_paint(None, 'line')}/>"
            )


_MOST_PIXELS = 20_000  # of a side


def _png(scene: Scene) -> bytes:
    """The light picture in pixels, two to a unit; fewer where a side would become too long."""
    from matplotlib import patches
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.path import Path as Curve

    light = {name: pair[0] for name, pair in _COLOURS.items()}
    dpi = 72 * min(2.0, _MOST_PIXELS / max(scene.width, scene.height))
    figure = Figure(figsize=(scene.width / 72, scene.height / 72), dpi=dpi, facecolor=light["ground"])
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.set_axis_off()
    for shape in scene.shapes():
        match shape:
            case Oval(x, y, width, height, role):
                edge = light[_outline(role)]
                axes.add_patch(patches.Ellipse((x, y), width, height, facecolor=light[role], edgecolor=edge))
                if role == "composite":
                    inner = patches.Ellipse(
                        (x, y), width - 6, height - 6, fill=False, edgecolor=light["line"]
                    )
                    axes.add_patch(inner)
            case Box(x, y, width, height, role):
                corner = (x - width / 2, y - height / 2)
                axes.add_patch(
                    patches.Rectangle(corner, width, height, facecolor=light[role], edgecolor=light["ink"])
                )
            case Text(x, y, text, size, role, anchor):
                axes.text(
                    x, y, text, fontsize=size * 0.92, color=light[_TEXT_COLOUR.get(role, "ink")],
                    ha={"start": "left", "middle": "center", "end": "right"}[anchor], va="baseline",
                    style="italic" if role == "name" else "normal", family="sans-serif", parse_math=False,
                )  # fmt: skip
            case Arrow(points):
                codes = [Curve.MOVETO, *[Curve.CURVE4] * (len(points) - 1)]
                axes.add_patch(
                    patches.FancyArrowPatch(
                        path=Curve(list(points), codes), arrowstyle="-|>", mutation_scale=9,
                        color=light["line"], linewidth=1.2, shrinkA=0, shrinkB=0,
                    )
                )  # fmt: skip
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def ellipse_edge(half_width: float, half_height: float, off: float) -> float:
    """How far an ellipse reaches at ``off`` from its axis."""
    return half_height * math.sqrt(max(0.0, 1 - (off / half_width) ** 2)) if half_width else 0.0


def smooth(points: Sequence[Point], upright: bool) -> tuple[Point, ...]:
    """A curve through points that leaves and enters each of them along the layers' direction."""
    found = [points[0]]
    for (x1, y1), (x2, y2) in pairwise(points):
        if upright:
            middle = (y1 + y2) / 2
            found += [(x1, middle), (x2, middle), (x2, y2)]
        else:
            middle = (x1 + x2) / 2
            found += [(middle, y1), (middle, y2), (x2, y2)]
    return tuple(found)
