"""Drawings of graphs as the lectures draw them (Goldberg's Figure 5.1): ovals, boxes, dimensions, arrows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from ..errors import ArgumentError
from ..graph import Constant, Leaf, Node, Placeholder, Variable, topological, user_place
from ..ops import Composite, expand
from .layout import Placed, place
from .scene import Arrow, Box, Group, Oval, Role, Scene, Shape, Text, ellipse_edge, smooth, text_width

Direction = Literal["up", "down", "right", "left"]

MOST_NODES = 3000
_OP, _SMALL, _DIMS = 14.0, 11.0, 11.0  # sizes of text
_LINE = 16.0
_MARGIN = 18.0
_LONGEST = 28  # characters of an attribute or a value


class Drawing:
    """A finished drawing: ``.svg`` is its text, notebooks show it, :meth:`save` writes SVG or PNG."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.svg = scene.to_svg()

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to ``path``, a name ending in .svg or .png; the file is replaced as a whole."""
        self.scene.save(path)

    def __repr__(self) -> str:
        return f"<drawing: {self.scene.title}>"


def draw(
    nodes: Node | Sequence[Node],
    path: str | os.PathLike[str] | None = None,
    *,
    origins: bool = False,
    fold: bool = True,
    direction: Direction = "up",
) -> Drawing:
    """Draw the graph below ``nodes``, from the inputs to the outputs; write it to ``path`` if given.

    Ops are ovals (composites have a double line, nodes of a derivative another colour), parameters
    shaded boxes, inputs and constants plain text; the dimensions stand above each node, and names given
    by the user below the op.  ``fold=False`` opens composites into their parts; ``origins`` adds the line
    that wrote each node; ``direction`` is where the outputs are.

    Source: Goldberg (2017), Figure 5.1.  Raises ``MissingExtraError`` without igraph (the extra
    ``draw``), ``ArgumentError`` above 3000 nodes.

    >>> import chainrule as cr
    >>> a, b = cr.variable(3.0, name="a"), cr.variable(1.0, name="b")
    >>> drawing = draw((a * b + 1) * (a * b + 2))
    >>> drawing
    <drawing: graph of multiply: 4 ops, 2 parameters, 2 inputs and constants>
    >>> drawing.svg.count("<ellipse"), drawing.svg.count(">multiply<")
    (4, 2)
    """
    outputs = [nodes] if isinstance(nodes, Node) else list(nodes)
    if direction not in _TURNS:
        raise ArgumentError(
            f"draw: direction={direction!r}", where=user_place(), mend=f"one of {', '.join(_TURNS)}"
        )
    shown = outputs if fold else expand(outputs)
    vertices, edges = _vertices(shown)
    if len(vertices) > MOST_NODES:
        raise ArgumentError(
            f"draw: {len(vertices)} nodes are more than a drawing can show ({MOST_NODES})",
            where=user_place(),
            mend="draw a part (an inner node), or print(cr.format_graph(node))",
        )
    cards = [_card(node, origins) for node in vertices]
    drawing = Drawing(compose(cards, edges, [node.label for node in outputs], direction))
    if path is not None:
        drawing.save(path)
    return drawing


def _vertices(outputs: Sequence[Node]) -> tuple[list[Node], list[tuple[int, int]]]:
    """The nodes and the edges between them; a number is repeated for each reader, not shared."""
    vertices: list[Node] = []
    edges: list[tuple[int, int]] = []
    number: dict[Node, int] = {}
    wanted = set(outputs)
    for node in topological(outputs):
        if _is_number(node) and node not in wanted:
            continue
        sources = []
        for child in node.inputs:
            if child not in number:
                sources.append(len(vertices))
                vertices.append(child)
            else:
                sources.append(number[child])
        number[node] = len(vertices)
        vertices.append(node)
        edges += [(source, number[node]) for source in sources]
    return vertices, edges


def _is_number(node: Node) -> bool:
    return isinstance(node, Constant) and node.size == 1


# -- one node's card: its shape and its lines of text -------------------------------------------------------


class Card(NamedTuple):
    """What is drawn for one node, before it has a place."""

    role: Role
    kind: str
    lines: tuple[tuple[str, float, Role], ...]
    """Text, size and role of each line inside the shape."""
    dims: str
    title: str
    width: float
    height: float
    """Of the shape alone; the dimensions stand above it."""

    @property
    def block_width(self) -> float:
        return max(self.width, 2 * text_width(self.dims, _DIMS) + 10 if self.dims else 0.0)

    @property
    def block_height(self) -> float:
        return self.height + (_DIMS + 5 if self.dims else 0.0)


def _card(node: Node, origins: bool) -> Card:
    role, kind = _role(node)
    lines = _lines(node)
    if origins:
        lines.append((node.origin.place, _SMALL, "detail"))
    return card_of(role, kind, lines, dimensions(node), _title(node))


def card_of(role: Role, kind: str, lines: Sequence[tuple[str, float, Role]], dims: str, title: str) -> Card:
    """A card as large as its lines need."""
    width = max(text_width(text, size) for text, size, _ in lines)
    height = _LINE * len(lines)
    if role in ("op", "composite", "gradient"):
        width, height = max(1.2 * width + 22, 52), 1.2 * height + 14
    elif role in ("parameter", "fold"):
        width, height = width + 20, height + 10
    return Card(role, kind, tuple(lines), dims, title, width, height)


def _role(node: Node) -> tuple[Role, str]:
    if isinstance(node, Variable):
        return "parameter", "parameter"
    if isinstance(node.op, Leaf):
        return "input", "input"
    if node.origin.derived.startswith("gradient"):
        return "gradient", "op gradient"
    return ("composite", "op composite") if isinstance(node.op, Composite) else ("op", "op")


def _lines(node: Node) -> list[tuple[str, float, Role]]:
    if isinstance(node, Constant):
        value = f"{node.array.item():.6g}" if node.size == 1 else node.short if node.size <= 6 else "constant"
        return [(_cut(node.name or value), _OP, "label")]
    if isinstance(node.op, Leaf):
        if node.name:
            return [(_cut(node.name), _OP, "label")]
        if isinstance(node, Variable) and not node.shape:
            return [(f"{node.array.item():.6g}", _OP, "label")]
        return [("input" if isinstance(node, Placeholder) else "parameter", _OP, "detail")]
    lines: list[tuple[str, float, Role]] = [(node.op.name, _OP, "label")]
    if node.name:
        lines.append((_cut(node.name), _OP - 1, "name"))
    detail = ", ".join(filter(None, map(_simple, node.shown_attributes())))
    if detail and len(detail) <= _LONGEST:
        lines.append((detail, _SMALL, "detail"))
    return lines


def _simple(attribute: str) -> str:
    """``axis=1`` for ``axis=(1,)``; nothing for what the dimensions say already, or for nested tuples."""
    if attribute.startswith("shape=") or "((" in attribute:
        return ""
    return attribute.replace("=(", "=").removesuffix(")").removesuffix(",")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def dimensions(node: Node) -> str:
    """The dimensions as the drawing prints them: ``3 × 4``, ``17``, ``scalar``; nothing for a number.

    >>> import chainrule as cr
    >>> dimensions(cr.placeholder((3, 4))), dimensions(cr.variable(1.0)), dimensions(cr.constant(2.0))
    ('3 × 4', 'scalar', '')
    """
    if _is_number(node):
        return ""
    return " × ".join(map(str, node.shape)) or "scalar"


def _title(node: Node) -> str:
    name = f" {node.name!r}" if node.name else ""
    return f"{node.op.name}{name}, shape {node.shape}, {node.dtype}, written at {node.origin}"


# -- from cards to a scene ----------------------------------------------------------------------------------

#: Of a place (across, along) in a layout of the given length: x and y on the page.
_TURNS: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
    "up": lambda across, along, length: (across, length - along),
    "down": lambda across, along, length: (across, along),
    "right": lambda across, along, length: (along, across),
    "left": lambda across, along, length: (length - along, across),
}


def compose(
    cards: Sequence[Card],
    edges: Sequence[tuple[int, int]],
    outputs: Sequence[str],
    direction: Direction = "up",
) -> Scene:
    """The scene of cards and the edges between them, laid out; ``outputs`` are named in its title."""
    upright = direction in ("up", "down")
    sizes = [
        (card.block_width, card.block_height) if upright else (card.block_height, card.block_width)
        for card in cards
    ]
    placed = place(sizes, edges, gap=22 if upright else 16, layer_gap=34 if upright else 46)

    def turn(across: float, along: float) -> tuple[float, float]:
        x, y = _TURNS[direction](across, along, placed.length)
        return x + _MARGIN, y + _MARGIN

    centres = []
    for card, across, along in zip(cards, placed.across, placed.along, strict=True):
        x, y = turn(across, along)
        centres.append((x, y + (card.block_height - card.height) / 2))  # room for the dimensions above
    arrows = _arrows(cards, centres, edges, placed, direction, turn)
    drawn = [_node_group(card, *centre) for card, centre in zip(cards, centres, strict=True)]
    across, along = placed.breadth + 2 * _MARGIN, placed.length + 2 * _MARGIN
    counts = {
        kind: sum(card.role in roles for card in cards)
        for kind, roles in [
            ("op", ("op", "composite", "gradient", "fold")),
            ("parameter", ("parameter",)),
            ("input", ("input",)),
        ]
    }  # fmt: skip
    labels = ", ".join(outputs)
    told = f"{counts['op']} ops, {counts['parameter']} parameters, {counts['input']} inputs and constants"
    return Scene(
        across if upright else along,
        along if upright else across,
        f"graph of {labels}: {told}",
        f"Arrows lead from inputs to outputs. Outputs: {labels}. {told}.",
        (*arrows, *drawn),
    )


def _node_group(card: Card, x: float, y: float) -> Group:
    shapes: list[Shape] = []
    if card.role in ("parameter", "fold"):
        shapes.append(Box(x, y, card.width, card.height, card.role))
    elif card.role != "input":
        shapes.append(Oval(x, y, card.width, card.height, card.role))
    top = y - _LINE * (len(card.lines) - 1) / 2
    for number, (text, size, role) in enumerate(card.lines):
        shapes.append(Text(x, top + number * _LINE + 0.36 * size, text, size, role))
    if card.dims:
        shapes.append(Text(x + 5, y - card.height / 2 - 4, card.dims, _DIMS, "dims", "start", halo=True))
    return Group(card.title, card.kind, tuple(shapes))


def _arrows(
    cards: Sequence[Card],
    centres: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    placed: Placed,
    direction: Direction,
    turn: Callable[[float, float], tuple[float, float]],
) -> list[Group]:
    """One curve an edge; where several enter a node they spread over its face, in the order they come."""
    upright = direction in ("up", "down")
    entering: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(edges):
        entering.setdefault(target, []).append(number)
    before = {number: _before(number, edges, placed) for number in range(len(edges))}
    offsets: dict[int, float] = {}
    for target, numbers in entering.items():
        numbers.sort(key=lambda number: before[number])
        face = cards[target].width if upright else cards[target].height
        spread = min(16.0, 0.55 * face / max(len(numbers) - 1, 1))
        for rank, number in enumerate(numbers):
            offsets[number] = (rank - (len(numbers) - 1) / 2) * spread
    groups = []
    for number, (source, target) in enumerate(edges):
        start = _on_face(cards[source], centres[source], direction, 0.0, leaving=True)
        end = _on_face(cards[target], centres[target], direction, offsets[number], leaving=False)
        middle = [turn(*bend) for bend in _turning(placed.bends[number])]
        title = f"from {cards[source].lines[0][0]} to {cards[target].lines[0][0]}"
        groups.append(Group(title, "edge", (Arrow(smooth([start, *middle, end], upright)),)))
    return groups


def _turning(bends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The bend points without those that lie inside a straight run."""
    return [
        point
        for k, point in enumerate(bends)
        if k in (0, len(bends) - 1)
        or abs(bends[k - 1][0] - point[0]) > 0.5
        or abs(bends[k + 1][0] - point[0]) > 0.5
    ]


def _before(number: int, edges: Sequence[tuple[int, int]], placed: Placed) -> float:
    """Where, across, an edge comes from just before it enters its target."""
    bends = placed.bends[number]
    return bends[-1][0] if bends else placed.across[edges[number][0]]


def _on_face(
    card: Card, centre: tuple[float, float], direction: Direction, off: float, *, leaving: bool
) -> tuple[float, float]:
    """The point of a node's outline at which an edge leaves or enters."""
    x, y = centre
    ahead = {"up": (0, -1), "down": (0, 1), "right": (1, 0), "left": (-1, 0)}[direction]
    sign = 1 if leaving else -1
    upright = ahead[0] == 0
    half, other = (card.height / 2, card.width / 2) if upright else (card.width / 2, card.height / 2)
    round_ = card.role in ("op", "composite", "gradient")
    reach = ellipse_edge(other, half, off) if round_ else half
    reach += 2.0 if card.role == "input" else 0.0
    if upright:
        return x + off, y + sign * ahead[1] * reach
    return x + sign * ahead[0] * reach, y + off
