"""What an input receives from a consumer, as a formula: the op's own derivative rule, simplified.

The rule is run on placeholders, so what is printed is by construction what the engines compute.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...differentiate.sweep import sweep
from ...dtypes import is_float
from ...graph import Constant, Node, placeholder, rebuilt, topological
from ...ops import Composite
from .display import for_display
from .named import named_rule
from .notation import Derivative
from .tidy import tidy
from .tree import Convention, Math, MatrixProduct, Transpose, number, symbol
from .writing import Names, Writer, symbols

LARGEST = 64
"""Names, numbers and signs of a rule that is still written out; larger ones are written ``ȳ ∂h/∂x``."""


def local_rule(
    consumer: Node,
    index: int,
    names: Names,
    upstream: str | Math = "ȳ",
    *,
    convention: Convention = "row",
) -> Math:
    """What input ``index`` of ``consumer`` receives in the backward pass, written with the upstream.

    It is upstream × local: the contribution along this one edge, from the op's own ``vjp``.  Where that
    is too long to read it is the Jacobian's product, ``ȳ ∂h/∂x`` (in the column convention
    ``(∂h/∂x)ᵀ ȳ``).  Where nothing flows it is 0.

    >>> import chainrule as cr
    >>> z = cr.placeholder((3,), name="z")
    >>> h = cr.tanh(z)
    >>> local_rule(h, 0, {h: "h", z: "z"}).text()
    'ȳ ⊙ (1 − h²)'
    >>> x, W = cr.placeholder((4,), name="x"), cr.variable([[0.0] * 3] * 4, name="W")
    >>> y = x @ W
    >>> [local_rule(y, k, {y: "y", x: "x", W: "W"}).text() for k in (0, 1)]
    ['ȳ Wᵀ', 'xᵀ ȳ']
    """
    found, table = local_graph(consumer, index)
    up = symbol(upstream, consumer.ndim) if isinstance(upstream, str) else upstream
    if found is None:
        return number(0)
    own = symbols([consumer], names)[0]
    inputs = symbols(consumer.inputs, names)
    if (named := named_rule(consumer, inputs, up, index)) is not None:
        return named
    known = {table.upstream: up, table.out: own}
    for given, standing in zip(inputs, table.inputs, strict=True):
        known.setdefault(standing, given)
    if written_size(found, known) > LARGEST:
        return pulled_back(up, own, inputs[index], convention)
    return tidy(Writer(known, convention)(found), up)


def written_size(node: Node, known: Mapping[Node, Math]) -> int:
    """How many pieces the formula has; what is read twice is written twice."""
    size: dict[Node, int] = {}
    for each in topological([node], stop=known.__contains__):
        size[each] = 1 if each in known else 1 + sum(size[child] for child in each.inputs)
    return size[node]


def pulled_back(upstream: Math, of: Math, by: Math, convention: Convention) -> Math:
    """The upstream times a Jacobian that is not written out."""
    jacobian = Derivative(of, by)
    if convention == "row":
        return MatrixProduct((upstream, jacobian), by.ndim)
    return MatrixProduct((Transpose(jacobian), upstream), by.ndim)


class Stand:
    """The nodes that a rule was run on: placeholders for inputs and upstream, the op on them."""

    def __init__(self, consumer: Node, index: int) -> None:
        shared: dict[Node, Node] = {}
        once = isinstance(consumer.op, Composite) and not consumer.op.has_own_derivative()
        inputs: list[Node] = []
        for place, child in enumerate(consumer.inputs):
            if isinstance(child, Constant) and (place != index or not is_float(child.dtype)):
                inputs.append(child)
            elif once:  # the parts are swept as a whole, and an input given twice receives one sum
                inputs.append(shared.setdefault(child, placeholder(child.shape, child.dtype)))
            else:
                inputs.append(placeholder(child.shape, child.dtype))
        self.inputs = inputs
        self.out = rebuilt(consumer, tuple(inputs))
        self.upstream = placeholder(consumer.shape, consumer.dtype)


def local_graph(consumer: Node, index: int) -> tuple[Node | None, Stand]:
    """The contribution as a graph over placeholders, simplified for the eye; None where nothing flows."""
    stand = Stand(consumer, index)
    target = stand.inputs[index]
    parts: list[Node] = []

    def observe(node: Node, place: int, part: Node) -> None:
        if node is stand.out and stand.inputs[place] is target:
            parts.append(part)

    if is_float(consumer.dtype) and is_float(target.dtype):
        sweep({stand.out: stand.upstream}, [target], observe)
    if not parts:
        return None, stand
    return for_display(parts[:1])[0], stand
