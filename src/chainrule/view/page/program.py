"""Both passes of a graph as one list of forward rules, for the page to run again with other values.

The backward pass is a graph of the library's own ops.  So the page needs no derivative rule: it runs
the forward rules of ``assets/operations.js`` over the forward graph and over the sweep's own nodes,
composites opened, in one topological order.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ... import special
from ...graph import Array, Environment, Leaf, Node, leaf_value, topological
from ...ops import Composite, expand

#: The ops that ``assets/operations.js`` computes, by name.
SUPPORTED = frozenset({
    "abs", "add", "add_along_axis", "add_rows", "all", "any", "arccos", "arccosh", "arcsin", "arcsinh",
    "arctan", "arctan2", "arctanh", "argmax", "argmin", "argsort", "broadcast_to", "cast", "ceil",
    "class_index", "concat", "cos", "cosh", "cumulative_sum", "divide", "embed", "equal", "erf", "exp",
    "expm1", "first_places", "floor", "floor_divide", "fold_in", "greater", "greater_equal", "isfinite",
    "isnan", "less", "less_equal", "log", "log1p", "log2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "matmul", "max", "maximum", "min", "minimum", "multiply", "negative", "not_equal",
    "one_hot", "overlap_add", "pad", "permute_dims", "pick", "place_in_axis", "pow", "prod", "put_rows",
    "random_bits", "reciprocal", "remainder", "reshape", "roll", "round", "rsqrt", "scatter_add",
    "scatter_along_axis", "sigmoid", "sign", "sin", "sinh", "slice", "sliding_windows", "sort", "sqrt",
    "square", "stop_gradient", "subtract", "sum", "take", "take_along_axis", "tan", "tanh",
    "unit_interval", "where",
})  # fmt: skip

#: Units of :func:`work`: a run takes 6 to 110 ns for each in V8 (784-16-16-10 with eight examples: 2 to
#: 6 ms), so that the page follows a slider, at 20 pictures a second and more.
MOST_WORK = 500_000

#: An op is some 110 bytes of page, and a number of a leaf 5: half a megabyte each.
MOST_OPERATIONS = 5_000
MOST_NUMBERS = 100_000


@dataclass(frozen=True)
class Place:
    """What one node of the record shows, as nodes of the graph: its value, its gradient, and each term.

    A term is (upstream, local derivative or None, downstream), all three as the sweep wrote them.
    """

    value: Node
    gradient: Node | None = None
    terms: tuple[tuple[Node, Node | None, Node], ...] = ()

    def nodes(self) -> list[Node]:
        """All of them, None left out."""
        found = [self.value, self.gradient, *[node for term in self.terms for node in term]]
        return [node for node in found if node is not None]


def program(places: Sequence[Place], environment: Environment) -> dict[str, Any]:
    """The program of a page: ``{"operations": […], "nodes": […]}``, or ``{"refused": why, in words}``.

    An operation is ``{"op", "inputs", "settings", "shape", "dtype"}``, its slot the place in the list,
    its inputs earlier slots; a leaf is ``{"op": "leaf", "shape", "dtype", "data": base64}``.  ``nodes``
    gives for each of ``places`` the slots of what it shows.

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 2.0])
    >>> [step["op"] for step in program([Place(cr.sum(x * x))], {})["operations"]]
    ['leaf', 'multiply', 'sum']
    """
    shown = list(dict.fromkeys(node for place in places for node in place.nodes()))
    # What is too large folded is not opened first: ten thousand layers would be opened in vain.
    refusal = _refusal(topological(shown), folded=True)
    if refusal is None:
        opened = dict(zip(shown, expand(shown), strict=True))
        order = topological(list(opened.values()))
        refusal = _refusal(order)
    if refusal is not None:
        return {"refused": refusal}
    slots = {node: slot for slot, node in enumerate(order)}
    slot_of = {node: slots[found] for node, found in opened.items()}
    return {
        "operations": [_operation(node, slots, environment) for node in order],
        "nodes": [_slots_of(place, slot_of) for place in places],
    }


def _slots_of(place: Place, slot_of: dict[Node, int]) -> dict[str, Any]:
    return {
        "value": slot_of[place.value],
        "gradient": None if place.gradient is None else slot_of[place.gradient],
        "terms": [[None if node is None else slot_of[node] for node in term] for term in place.terms],
    }


def _refusal(order: Sequence[Node], *, folded: bool = False) -> str | None:
    """Why the page does not run these nodes again; None if it does."""
    leaves = sum(node.size for node in order if isinstance(node.op, Leaf))
    total = sum(work(node) for node in order)
    for count, most, what in (
        (len(order), MOST_OPERATIONS, "the two passes are {} operations; the page repeats up to {}"),
        (leaves, MOST_NUMBERS, "the leaves hold {} numbers; the page repeats the passes over up to {}"),
        (total, MOST_WORK, "the two passes compute {} numbers and products; the page repeats up to {}"),
    ):
        if count > most:
            return what.format(f"{count:,}", f"{most:,}")
    unknown = {node.op.name for node in order if not (folded or _is_known(node))}
    if unknown:
        names = ", ".join(sorted(unknown))
        return f"the page has no rule for {names}: it computes the library's own operations"
    return None


def _is_known(node: Node) -> bool:
    """Whether the page has this op's rule; an op of the user's own may bear the name of another."""
    own = type(node.op).__module__.startswith("chainrule.")
    return isinstance(node.op, Leaf) or (own and node.op.name in SUPPORTED)


def work(node: Node) -> int:
    """How much a node costs to compute: its elements, those it folds, the products that it sums."""
    if node.op.name == "matmul":
        return node.size * max(node.inputs[0].shape[-1], 1)
    return max([node.size, *[child.size for child in node.inputs], 1])


def _operation(node: Node, slots: dict[Node, int], environment: Environment) -> dict[str, Any]:
    form = {"shape": list(node.shape), "dtype": node.dtype.name}
    if isinstance(node.op, Leaf):
        return {"op": "leaf", **form, "data": _encoded(leaf_value(node, environment))}
    return {
        "op": node.op.name,
        "inputs": [slots[child] for child in node.inputs],
        "settings": settings(node),
        **form,
    }


def _encoded(array: Array) -> str:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode("ascii")


def settings(node: Node) -> dict[str, Any] | None:
    """A node's attributes as the page's rules take them; None for leaves and ops that it does not know.

    >>> import chainrule as cr
    >>> settings(cr.sum(cr.placeholder((2, 3)), axis=0))
    {'axis': [0], 'keepdims': False}
    """
    if isinstance(node.op, Leaf | Composite) or not _is_known(node):
        return None
    found = {key: _plain(value) for key, value in node.attributes.items()}
    if node.op.name == "erf":  # a table of numbers, not a rule: it goes along rather than being kept twice
        found |= special.ERF_COEFFICIENTS
    return found


def _plain(value: Any) -> Any:
    """An attribute in JSON; JSON has no infinity and no NaN, JavaScript reads them from their names."""
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
