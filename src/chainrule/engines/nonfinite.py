"""Where a NaN or an infinity came from: the first node that made one out of finite inputs.

The search starts at the targets that are not finite and goes back only through values that are not
finite themselves, so an infinity that did no harm (the -∞ of a mask, an overflow that a division took
back to 0) is not accused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ..errors import ChainruleError
from ..graph import Array, Constant, Environment, Leaf, Node, leaf_value, topological
from ..ops import Composite, Elementwise, parts
from .stepper import run_op


class Operand(NamedTuple):
    """One input of the node that was found: what it is, and what it held."""

    label: str
    shape: tuple[int, ...]
    value: float | None
    """The element that the offending one was computed from, where there is just one (elementwise ops)."""
    smallest: float
    largest: float

    def __str__(self) -> str:
        if self.value is not None:
            return f"{self.label} = {self.value:.6g}"
        return f"{self.label} {self.shape}, elements from {self.smallest:.6g} to {self.largest:.6g}"


@dataclass(frozen=True)
class Finding:
    """The birth of a value that is not finite; ``str()`` tells it in a few lines."""

    node: Node
    value: float
    """The offending element: nan, inf or -inf."""
    index: tuple[int, ...]
    count: int
    """How many elements of the node are not finite."""
    operands: tuple[Operand, ...]
    hint: str
    inside: Node | None = None
    """The composite that the node is a part of."""
    became: Finding | None = None
    """Where an infinity found here first turned into a NaN."""

    def __str__(self) -> str:
        label = f"{self.node.op.name} {self.node.name!r}" if self.node.name else self.node.op.name
        part = f", part of {self.inside.op.name}" if self.inside is not None else ""
        verb = "holds" if isinstance(self.node.op, Leaf) else "first gives"
        place = f" at {list(self.index)}" if self.index else ""
        lines = [
            f"{label}{part} {verb} {_spelled(self.value)}{place}"
            f" ({self.count} of {self.node.size} elements are not finite)",
            f"  written at: {self.node.origin}",
        ]
        lines += [f"  input {number}: {operand}" for number, operand in enumerate(self.operands)]
        lines.append(f"  why: {self.hint}")
        if self.became is not None:
            lines.append(f"  it turns into NaN in {self.became.node.op.name} ({self.became.node.origin})")
        return "\n".join(lines)


def first_nonfinite(targets: Sequence[Node], environment: Mapping[Node, Array]) -> Finding | None:
    """The first node, in forward order, whose NaN or infinity reached one of ``targets``; else None.

    ``environment`` gives the leaves' values (and may give others); targets may be gradients and
    updates.  Composites are opened where the fault lies inside.

    >>> import chainrule as cr
    >>> p = cr.variable([0.5, 0.0], name="p")
    >>> finding = first_nonfinite([-(p * cr.log(p)).sum()], {})
    >>> finding.node.op.name, finding.index, finding.became.node.op.name
    ('log', (1,), 'multiply')
    """
    order = topological(targets)
    values: Environment = dict(environment)
    with np.errstate(all="ignore"):
        for node in order:
            if node not in values:
                values[node] = (
                    leaf_value(node, values)
                    if isinstance(node.op, Leaf)
                    else run_op(node, [values[child] for child in node.inputs])
                )
    return _search(targets, order, values)


def _search(targets: Sequence[Node], order: Sequence[Node], values: Environment) -> Finding | None:
    number = {node: place for place, node in enumerate(order)}
    nans = _births(targets, values, np.isnan)
    if not nans:
        births = _births(targets, values, np.isinf)
        return _finding(min(births, key=number.__getitem__), values) if births else None
    nan = min(nans, key=number.__getitem__)
    infinite = [child for child in nan.inputs if _has(values[child], np.isinf)]
    causes = [birth for birth in _births(infinite, values, np.isinf) if not isinstance(birth, Constant)]
    if not causes:  # infinities written down on purpose: the fault is what was done with them
        return _finding(nan, values)
    cause = min(causes, key=number.__getitem__)
    return _finding(cause, values, became=_finding(nan, values))


def _births(targets: Sequence[Node], values: Environment, kind: Callable[[Array], Array]) -> list[Node]:
    """The nodes where values of this kind arise, going back from ``targets`` through such values only."""
    births, seen = [], set(targets)
    stack = [node for node in targets if _has(values[node], kind)]
    while stack:
        node = stack.pop()
        ancestors = [child for child in node.inputs if _has(values[child], kind)]
        if not ancestors:
            births.append(node)
        for child in ancestors:
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return births


def _has(value: Array, kind: Callable[[Array], Array]) -> bool:
    return value.dtype.kind == "f" and bool(kind(value).any())


def _finding(node: Node, values: Environment, became: Finding | None = None) -> Finding:
    if isinstance(node.op, Composite):
        inner = _inside(node, values)
        if inner is not None:
            return replace(inner, became=became)
    value = values[node]
    wrong = np.isnan(value) if np.isnan(value).any() else ~np.isfinite(value)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(wrong)), value.shape)) if value.ndim else ()
    operands = tuple(_operand(child, values[child], node, index) for child in node.inputs)
    return Finding(
        node=node,
        value=float(value[index]),
        index=index,
        count=int(np.count_nonzero(~np.isfinite(value))),
        operands=operands,
        hint=_hint(node, operands, float(value[index])),
        became=became,
    )


def _inside(node: Node, values: Environment) -> Finding | None:
    """The same search within a composite's parts.

    Where its value comes by another road than its parts (a user's own ``forward``) nothing may be found.
    """
    try:
        found = first_nonfinite([parts(node)], {child: values[child] for child in node.inputs})
    except ChainruleError:  # its parts do not run on these values: the composite itself is the finding
        return None
    if found is None or found.inside is not None:
        return found
    return replace(found, inside=node)


def _operand(child: Node, value: Array, node: Node, index: tuple[int, ...]) -> Operand:
    element = None
    if isinstance(node.op, Elementwise):
        place = index[len(index) - value.ndim :] if value.ndim else ()
        element = float(value[tuple(0 if n == 1 else i for i, n in zip(place, value.shape, strict=True))])
    low, high = (float(value.min()), float(value.max())) if value.size else (math.nan, math.nan)
    return Operand(child.label, child.shape, element, low, high)


def _spelled(value: float) -> str:
    return "NaN" if math.isnan(value) else "∞" if value > 0 else "-∞"


# -- hints: one line an op ---------------------------------------------------------------------------------

_LOG = "keep the argument above 0, or take the loss from logits (log_softmax, cross_entropy)"
_ROOT = "add a small positive number under the root"
_DENOMINATOR = "add a small positive number to the denominator, or choose with where() before dividing"
_RANGE = "scale the inputs down, clip the gradients, or lower the learning rate"

#: op → (condition on the operands' elements, what it means), the first that holds.
_HINTS: dict[str, list[tuple[Callable[..., bool], str]]] = {
    "log": [(lambda x: x == 0, f"log of 0; {_LOG}"), (lambda x: x < 0, f"log of a negative number; {_LOG}")],
    "log2": [(lambda x: x == 0, f"log of 0; {_LOG}"), (lambda x: x < 0, f"log of a negative number; {_LOG}")],
    "log1p": [
        (lambda x: x == -1, "log(1 + x) at x = -1 is the log of 0"),
        (lambda x: x < -1, "log(1 + x) below x = -1 is the log of a negative number"),
    ],
    "divide": [
        (lambda x, y: x == 0 and y == 0, f"0 / 0; {_DENOMINATOR}"),
        (lambda x, y: y == 0, f"division by 0; {_DENOMINATOR}"),
        (lambda x, y: math.isinf(x) and math.isinf(y), "∞ / ∞"),
    ],
    "remainder": [(lambda x, y: y == 0, "the remainder of a division by 0")],
    "floor_divide": [(lambda x, y: y == 0, "division by 0")],
    "reciprocal": [(lambda x: x == 0, f"1 / 0; {_DENOMINATOR}")],
    "sqrt": [(lambda x: x < 0, f"the square root of a negative number; {_ROOT}")],
    "rsqrt": [
        (lambda x: x == 0, f"1 / √0; {_ROOT}"),
        (lambda x: x < 0, f"the square root of a negative number; {_ROOT}"),
    ],
    "pow": [
        (lambda x, y: x == 0 and y < 0, "0 to a negative power"),
        (lambda x, y: x < 0 and y != math.floor(y), "a negative number to a fractional power"),
    ],
    "multiply": [
        (lambda x, y: 0 in (x, y) and (math.isinf(x) or math.isinf(y)), "0 · ∞"),
    ],
    "add": [(lambda x, y: math.isinf(x) and math.isinf(y) and x != y, "∞ - ∞")],
    "subtract": [(lambda x, y: math.isinf(x) and x == y, "∞ - ∞")],
    "arcsin": [(lambda x: abs(x) > 1, "arcsin outside [-1, 1]; clip the argument")],
    "arccos": [(lambda x: abs(x) > 1, "arccos outside [-1, 1]; clip the argument")],
    "arctanh": [(lambda x: abs(x) >= 1, "arctanh is finite inside (-1, 1) only; clip the argument")],
    "arccosh": [(lambda x: x < 1, "arccosh is defined from 1 upwards")],
    "sin": [(math.isinf, "the sine of an infinity")],
    "cos": [(math.isinf, "the cosine of an infinity")],
    "tan": [(math.isinf, "the tangent of an infinity")],
}
_GROWING = {"exp", "expm1", "sinh", "cosh"}

#: What the derivative of an op does where the op itself is still finite.
_DERIVATIVES = {
    "sqrt": f"the slope of √x is infinite at x = 0; {_ROOT}",
    "rsqrt": f"the slope of 1/√x is infinite at x = 0; {_ROOT}",
    "log": f"the slope of log x is infinite at x = 0; {_LOG}",
    "pow": "the slope of a power below 1 is infinite at 0; add a small positive number to the base",
    "divide": f"the slope of x / y is infinite at y = 0; {_DENOMINATOR}",
    "arcsin": "the slope of arcsin is infinite at ±1; clip the argument inside",
    "arccos": "the slope of arccos is infinite at ±1; clip the argument inside",
}


def _hint(node: Node, operands: Sequence[Operand], value: float) -> str:
    op, dtype = node.op, node.dtype
    if isinstance(op, Leaf):
        return f"it came in with this {op.name}; look at where its value is made"
    derived = node.origin.derived.removeprefix("gradient of ")
    elements = [operand.value for operand in operands]
    told = ""
    if all(element is not None for element in elements):
        told = next((text for holds, text in _HINTS.get(op.name, ()) if holds(*elements)), "")
    if derived in _DERIVATIVES and told:
        return f"in the derivative of {derived}: {_DERIVATIVES[derived]}"
    if told:
        return told
    largest = float(np.finfo(dtype).max) if dtype.kind == "f" else math.inf
    if op.name in _GROWING and elements and elements[0] is not None:
        bound = math.log(largest)
        return f"{op.name} of {elements[0]:.6g} overflows {dtype} (its limit is {bound:.4g}); {_RANGE}"
    if any(not math.isfinite(bound) for o in operands for bound in (o.smallest, o.largest)):
        return "infinities met in it (∞ - ∞, or 0 · ∞)"
    if math.isinf(value):
        return f"the result overflows {dtype}, whose largest number is {largest:.4g}; {_RANGE}"
    return f"{op.name} is not defined at these values"
