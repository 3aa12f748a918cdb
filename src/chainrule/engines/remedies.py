"""Why an op gave a NaN or an infinity, and what mends it: rules as data, the first that fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..graph import Constant, Leaf, Node, Variable
from ..ops.casts import Cast, StopGradient
from ..ops.indexing import Pick, Take, TakeAlongAxis
from ..ops.joining import Concat
from ..ops.movement import Movement
from ..ops.slicing import Slice

# -- why: one line an op -----------------------------------------------------------------------------------

#: op → (condition on the operands' elements, what it means), the first that holds.
_REASONS: dict[str, list[tuple[Callable[..., bool], str]]] = {
    "log": [(lambda x: x == 0, "log of 0"), (lambda x: x < 0, "log of a negative number")],
    "log2": [(lambda x: x == 0, "log of 0"), (lambda x: x < 0, "log of a negative number")],
    "log1p": [
        (lambda x: x == -1, "log(1 + x) at x = -1 is the log of 0"),
        (lambda x: x < -1, "log(1 + x) below x = -1 is the log of a negative number"),
    ],
    "divide": [
        (lambda x, y: x == 0 and y == 0, "0 / 0"),
        (lambda x, y: y == 0, "division by 0"),
        (lambda x, y: math.isinf(x) and math.isinf(y), "∞ / ∞"),
    ],
    "remainder": [(lambda x, y: y == 0, "the remainder of a division by 0")],
    "floor_divide": [(lambda x, y: y == 0, "division by 0")],
    "reciprocal": [(lambda x: x == 0, "1 / 0")],
    "sqrt": [(lambda x: x < 0, "the square root of a negative number")],
    "rsqrt": [
        (lambda x: x == 0, "1 / √0"),
        (lambda x: x < 0, "the square root of a negative number"),
    ],
    "pow": [
        (lambda x, y: x == 0 and y < 0, "0 to a negative power"),
        (lambda x, y: x < 0 and y != math.floor(y), "a negative number to a fractional power"),
    ],
    "multiply": [(lambda x, y: 0 in (x, y) and (math.isinf(x) or math.isinf(y)), "0 · ∞")],
    "add": [(lambda x, y: math.isinf(x) and math.isinf(y) and x != y, "∞ - ∞")],
    "subtract": [(lambda x, y: math.isinf(x) and x == y, "∞ - ∞")],
    "arcsin": [(lambda x: abs(x) > 1, "arcsin outside [-1, 1]")],
    "arccos": [(lambda x: abs(x) > 1, "arccos outside [-1, 1]")],
    "arctanh": [(lambda x: abs(x) >= 1, "arctanh is finite inside (-1, 1) only")],
    "arccosh": [(lambda x: x < 1, "arccosh is defined from 1 upwards")],
    "sin": [(math.isinf, "the sine of an infinity")],
    "cos": [(math.isinf, "the cosine of an infinity")],
    "tan": [(math.isinf, "the tangent of an infinity")],
}
_GROWING = {"exp", "expm1", "sinh", "cosh"}

#: What the derivative of an op does where the op itself is still finite.
_DERIVATIVES = {
    "sqrt": "the slope of √x is infinite at x = 0",
    "rsqrt": "the slope of 1/√x is infinite at x = 0",
    "log": "the slope of log x is infinite at x = 0",
    "log2": "the slope of log x is infinite at x = 0",
    "log1p": "the slope of log(1 + x) is infinite at x = -1",
    "pow": "the slope of a power below 1 is infinite at 0",
    "divide": "the slope of x / y is infinite at y = 0",
    "reciprocal": "the slope of 1 / x is infinite at x = 0",
    "arcsin": "the slope of arcsin is infinite at ±1",
    "arccos": "the slope of arccos is infinite at ±1",
    "arctanh": "the slope of arctanh is infinite at ±1",
}


def derived_op(node: Node) -> str:
    """The op whose derivative a node belongs to; empty for a node of the forward pass."""
    what = node.origin.derived
    return what.removeprefix("gradient of ") if what.startswith("gradient of ") else ""


def reason(node: Node, elements: Sequence[float | None], bounds: Sequence[float], value: float) -> str:
    """Why ``node`` gave ``value`` out of these ``elements`` (None: many) of operands within ``bounds``."""
    op, dtype = node.op, node.dtype
    if isinstance(op, Leaf):
        return f"it came in with this {op.name}; look at where its value is made"
    derived = derived_op(node)
    told = ""
    if all(element is not None for element in elements):
        told = next((text for holds, text in _REASONS.get(op.name, ()) if holds(*elements)), "")
    if derived in _DERIVATIVES and told:
        return f"in the derivative of {derived}: {_DERIVATIVES[derived]}"
    if told:
        return told
    largest = float(np.finfo(dtype).max) if dtype.kind == "f" else math.inf
    if op.name in _GROWING and elements and elements[0] is not None:
        return f"{op.name} of {elements[0]:.6g} overflows {dtype} (its limit is {math.log(largest):.4g})"
    if any(not math.isfinite(bound) for bound in bounds):
        return "infinities met in it (∞ - ∞, or 0 · ∞)"
    if math.isinf(value):
        return f"the result overflows {dtype}, whose largest number is {largest:.4g}"
    return f"{op.name} is not defined at these values"


# -- what mends it -----------------------------------------------------------------------------------------


class Case(NamedTuple):
    """What a remedy is chosen by."""

    op: str
    """The op at fault: of the forward pass, or the one whose derivative it is in."""
    makers: tuple[str, ...]
    """What made its operands (see :func:`maker`)."""
    users: tuple[str, ...]
    """What reads its result."""
    in_gradient: bool
    hidden: bool
    """Whether the forward pass took its result, and threw it away."""
    leaf: Node | None
    """The parameter or the input that the offending number goes back to, and what it is there."""
    extreme: float
    value: float
    in_update: bool = False
    """Whether it is in an optimizer's step."""
    became: str = ""
    """The op of the forward pass that turned it into a NaN."""


def _is(*ops: str) -> Callable[[Case], bool]:
    return lambda case: case.op in ops


def _made_by(ops: Sequence[str], *makers: str) -> Callable[[Case], bool]:
    return lambda case: case.op in ops and any(maker in makers for maker in case.makers)


def _read_by(op: str, *users: str) -> Callable[[Case], bool]:
    return lambda case: case.op == op and any(user in users for user in case.users)


def _parameter(case: Case) -> bool:
    return isinstance(case.leaf, Variable) and abs(case.extreme) > _LARGE


_LOGS = ("log", "log2")
_QUOTIENTS = ("divide", "reciprocal", "floor_divide", "remainder")
_NORMS = ("sqrt",)
_OVERFLOW = ("multiply", "square", "pow", "matmul", "sum", "prod", "add", "subtract")
_LARGE = 1e3

#: The first that holds; ``{op}`` is the op at fault, ``{leaf}`` the leaf, ``{extreme}`` what it holds.
_REMEDIES: list[tuple[Callable[[Case], bool], str]] = [
    (
        lambda case: case.hidden and case.op in _QUOTIENTS,
        "choose the denominator before dividing too, so that the slope is finite at every place: "
        "where(ok, x / where(ok, y, 1), other)",
    ),
    (
        lambda case: case.hidden and case.op != "exp",
        "choose the argument before the function too, so that its slope is finite at every place: "
        "where(ok, {op}(where(ok, x, 1)), other)",
    ),
    (
        lambda case: (
            case.op in _LOGS
            and case.became == "multiply"
            and not case.in_gradient
            and not any(maker in ("softmax", "masked_softmax", "sigmoid") for maker in case.makers)
        ),
        "x · log x is 0 at x = 0 by its limit alone: where(x > 0, x * log(where(x > 0, x, 1)), 0)",
    ),
    (
        _made_by(_LOGS, "softmax", "masked_softmax"),
        "take the logarithm in one piece: cr.log_softmax(logits), or cr.cross_entropy(logits, classes)",
    ),
    (
        _made_by(_LOGS, "sigmoid"),
        "take the loss from the logits: cr.binary_cross_entropy_with_logits(logits, targets); "
        "log(sigmoid(x)) is -cr.softplus(-x)",
    ),
    (_made_by(_LOGS, "sum of exp"), "take the logarithm in one piece: cr.logsumexp(x)"),
    (
        _made_by(_LOGS, "1 - sigmoid"),
        "take the loss from the logits: cr.binary_cross_entropy_with_logits(logits, targets); "
        "log(1 - sigmoid(x)) is -cr.softplus(x)",
    ),
    (
        lambda case: case.op in _LOGS and any(maker.startswith("1 - ") for maker in case.makers),
        "where the argument is 1 - p use cr.log1p(-p), and keep p below 1",
    ),
    (
        _made_by(_LOGS, "prod"),
        "add logarithms instead of taking the logarithm of a product: cr.sum(cr.log(x))",
    ),
    (_read_by("exp", "softmax"), "let the library take the maximum off first: cr.softmax(x)"),
    (_read_by("exp", "sigmoid"), "1 / (1 + exp(-x)) is cr.sigmoid(x), which does not overflow"),
    (_read_by("exp", "softplus"), "log(1 + exp(x)) is cr.softplus(x), which does not overflow"),
    (_read_by("exp", "logsumexp"), "log(sum(exp(x))) is cr.logsumexp(x), which does not overflow"),
    (_read_by("exp", "tanh"), "write it with cr.tanh(x), which does not overflow"),
    (
        _parameter,
        "the parameter {leaf} has grown to {extreme:.3g}: lower the learning rate, or clip the gradients "
        "(optimizer clip=cr.optim.Clip(global_norm=1.0))",
    ),
    (
        lambda case: (
            case.leaf is not None
            and not case.in_gradient
            and case.op in (*_GROWING, *_OVERFLOW)
            and abs(case.extreme) > _LARGE
        ),
        "scale the inputs: {leaf} holds {extreme:.3g}; zero mean and unit variance is usual",
    ),
    (
        _made_by(_QUOTIENTS, *_NORMS),
        "add a small number under the root of the denominator: x / sqrt(sum(x * x) + 1e-12)",
    ),
    (
        _made_by(_QUOTIENTS, "sum"),
        "a sum of nothing (an empty mask or row) is 0: divide by cr.maximum(count, 1)",
    ),
    (
        lambda case: case.op in ("sqrt", "rsqrt") and case.in_gradient,
        "add a small positive number under the root: sqrt(x + 1e-12)",
    ),
    (_is("sqrt"), "keep the argument from falling below 0: sqrt(cr.maximum(x, 0) + 1e-12)"),
    (_is("rsqrt"), "add a small positive number under the root: rsqrt(x + 1e-12)"),
    (
        _is(*_LOGS),
        "keep the argument above 0: log(cr.maximum(x, 1e-12)); or take the loss from logits "
        "(log_softmax, cross_entropy)",
    ),
    (_is("log1p"), "keep the argument above -1: log1p(cr.maximum(x, -1 + 1e-6))"),
    (
        _is(*_QUOTIENTS),
        "add a small positive number to the denominator, or choose with where() before dividing",
    ),
    (_is("pow"), "keep the base above 0: pow(cr.maximum(x, 1e-12), y)"),
    (_is("arcsin", "arccos", "arctanh"), "clip the argument inside: cr.clip(x, -1 + 1e-6, 1 - 1e-6)"),
    (_is("arccosh"), "clip the argument: cr.maximum(x, 1 + 1e-6)"),
    (
        lambda case: case.op in ("subtract", "add") and math.isnan(case.value),
        "infinities met: a row that is masked everywhere has no maximum; use cr.masked_softmax, or a large "
        "finite number such as -1e9 in the place of -∞",
    ),
    (
        lambda case: case.op == "multiply" and math.isnan(case.value),
        "choose in the place of multiplying by 0: where(x != 0, x * y, 0); or let a mask be a large finite "
        "number such as -1e9 in the place of -∞",
    ),
    (
        lambda case: case.in_update,
        "the step is too large: lower the learning rate, or clip the gradients "
        "(optimizer clip=cr.optim.Clip(global_norm=1.0))",
    ),
    (
        lambda case: case.in_gradient or math.isinf(case.value),
        "scale the inputs down, lower the learning rate, or clip the gradients "
        "(optimizer clip=cr.optim.Clip(global_norm=1.0))",
    ),
]


def remedy(case: Case) -> str:
    """The mend that fits a case; empty where none is known."""
    if case.leaf is not None and case.op == case.leaf.op.name:  # the leaf itself is not finite
        if isinstance(case.leaf, Variable):
            return "an earlier step or an initialiser made it so: lower the learning rate, or start anew"
        return f"mend the data that {case.leaf.label} is fed with, or leave such rows out"
    label = "" if case.leaf is None else case.leaf.label
    for holds, text in _REMEDIES:
        if holds(case):
            return text.format(op=case.op, leaf=label, extreme=case.extreme)
    return ""


#: Ops that only hand values on.
PASSING = (Movement, Cast, Slice, StopGradient)
_CHOOSING = (Take, TakeAlongAxis, Pick)


def maker(node: Node) -> str:
    """What made a value: the op's name, or that of a formula written out; moves are looked through."""
    node = _made(node)
    name, inputs = node.op.name, [_made(child) for child in node.inputs]
    ops = [child.op.name for child in inputs]
    if name == "sum" and ops == ["exp"]:
        return "sum of exp"
    if name == "divide" and ops[:1] == ["exp"] and "exp" in [_made(c).op.name for c in inputs[1].inputs]:
        return "softmax"
    if name == "subtract" and _is_one(inputs[0]):
        return f"1 - {ops[1]}"
    return name


def _made(node: Node) -> Node:
    while isinstance(node.op, (*PASSING, *_CHOOSING)) and not isinstance(node.op, Concat):
        node = node.inputs[0]
    return node


def written_out(node: Node, consumers: Callable[[Node], Sequence[Node]]) -> str:
    """The function that ``exp`` is a part of, where it was written out by hand."""
    around = _around(node, consumers)
    names = {n.op.name for n in around}
    if "sum" in names:
        sums = [n for n in around if n.op.name == "sum"]
        beyond = {n.op.name for s in sums for n in _around(s, consumers)}
        return "softmax" if "divide" in names else "logsumexp" if beyond & set(_LOGS) else ""
    for total in [n for n in around if n.op.name == "add" and any(_is_one(child) for child in n.inputs)]:
        beyond = {n.op.name for n in _around(total, consumers)}
        if beyond & set(_LOGS):
            return "softplus"
        if beyond & {"divide", "reciprocal"}:
            return "sigmoid"
    if names & {"log1p"}:
        return "softplus"
    return "tanh" if {"subtract", "add"} <= names else ""


def _around(node: Node, consumers: Callable[[Node], Sequence[Node]]) -> list[Node]:
    """Who reads a value of the forward pass, through moves."""
    found: list[Node] = []
    ahead = [n for n in consumers(node) if not n.origin.derived]
    while ahead:
        user = ahead.pop()
        found.append(user)
        if isinstance(user.op, PASSING):
            ahead += consumers(user)
    return found


def _is_one(node: Node) -> bool:
    return isinstance(node, Constant) and node.size == 1 and float(node.array.reshape(())) == 1
