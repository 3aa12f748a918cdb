"""How each op is written: a table from the op's name to what makes a formula of its operands' formulas.

An op that is not in the table is written by its ``formula``, and without one as a call of its name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...dtypes import is_float
from ...graph import Node
from .calls import (
    LETTERS,
    WHOLE,
    Printer,
    as_formula,
    call,
    computing,
    in_words,
    indexed,
    is_own,
    shown_attributes,
)
from .movements import MOVEMENTS, transposed
from .named import dropped, window_options
from .notation import Big, Call, Cases, Index, Indicator, Infix, Not
from .parse import filled
from .tree import (
    Convention,
    Fraction,
    Math,
    MatrixProduct,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
    negative,
    number,
)


def write(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    """The formula of a node on its operands' formulas."""
    if is_own(node) and (printer := PRINTERS.get(node.op.name)) is not None:
        return printer(node, operands, convention)
    if node.op.formula:
        names = dict(zip("xyzuvw", operands, strict=False))
        attributes = {key: as_formula(value) for key, value in node.attributes.items()}
        if (found := filled(node.op.formula, {**names, **attributes})) is not None:
            return found
    return call(node, operands)


# -- reductions -------------------------------------------------------------------------------------------


def _over(sign: str) -> Printer:
    """A reduction: the sign, with a letter for each axis that it folds."""

    def printer(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
        source = node.inputs[0]
        axis = node.attributes["axis"]
        axes = axis if isinstance(axis, tuple) else (axis,)
        letters = LETTERS[: source.ndim] if source.ndim <= len(LETTERS) else "i" * source.ndim
        places: list[Math] = [Symbol(letters[n]) if n in axes else WHOLE for n in range(source.ndim)]
        body = indexed(operands[0], places)
        used = tuple(letters[n] for n in axes)
        return Big(sign, used, body, node.ndim, operands[0], computing(node))

    return printer


# -- elementwise -------------------------------------------------------------------------------------------


def _add(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return Sum(tuple(operands), (1, 1))


def _subtract(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return Sum(tuple(operands), (1, -1))


def _multiply(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x, y = node.inputs
    a, b = operands
    return _outer(x, y, a, b, node, convention) or _outer(y, x, b, a, node, convention) or Product((a, b))


def _outer(x: Node, y: Node, a: Math, b: Math, node: Node, convention: Convention) -> Math | None:
    """A column times a row, which fill a matrix between them: ``x yᵀ``."""
    if node.ndim != 2 or min(node.shape) < 2 or x.shape != (node.shape[0], 1):
        return None
    if y.shape == (1, node.shape[1]):
        return MatrixProduct((a, b))
    if y.shape == (node.shape[1],):
        return MatrixProduct((a, b if convention == "row" else transposed(b)))
    return None


def _where(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    condition, value, otherwise = operands
    if any(isinstance(part, Number) and not math.isfinite(part.value) for part in (value, otherwise)):
        return Cases(value, condition, otherwise)  # 0·∞ is no number
    if otherwise == Number(0):
        return Indicator(condition) if value == Number(1) else Product((Indicator(condition), value))
    if value == Number(0):
        opposite = refused(condition)
        return Indicator(opposite) if otherwise == Number(1) else Product((Indicator(opposite), otherwise))
    return Cases(value, condition, otherwise)


_OPPOSITES = {"=": "≠", "≠": "=", "<": "≥", "≥": "<", ">": "≤", "≤": ">"}


def refused(condition: Math) -> Math:
    """The condition that holds where this one does not (of numbers, NaN aside)."""
    if isinstance(condition, Infix) and condition.sign in _OPPOSITES:
        return Infix(_OPPOSITES[condition.sign], condition.left, condition.right)
    return condition.body if isinstance(condition, Not) else Not(condition)


def _cast(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    if is_float(node.dtype) and is_float(node.inputs[0].dtype):
        return operands[0]
    if node.inputs[0].dtype.kind == "b":
        return Indicator(operands[0])
    return Call(node.dtype.name, tuple(operands), (), node.ndim, computing(node))


# -- products and look-ups ---------------------------------------------------------------------------------


def _matmul(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x, y = (child.ndim for child in node.inputs)
    a, b = operands
    row = convention == "row"
    if x == 1 and y == 1:
        factors = (a, transposed(b)) if row else (transposed(a), b)
    elif x == 1:
        factors = (a, b) if row else (transposed(b), a)
    elif y == 1:
        factors = (b, transposed(a)) if row else (a, b)
    else:
        factors = (a, b)
    return MatrixProduct(factors, node.ndim)


def _einsum(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    inputs, output = node.attributes["spec"].split("->")
    terms = inputs.split(",")
    factors: list[Math] = []
    for operand, letters in zip(operands, terms, strict=True):
        factors.append(Index(operand, tuple(map(Symbol, letters)), 0) if letters else operand)
    inner = tuple(dict.fromkeys(letter for letter in "".join(terms) if letter not in output))
    body: Math = Product(tuple(factors)) if len(factors) > 1 else factors[0]
    operand = Call("einsum", tuple(operands), (node.attributes["spec"],), node.ndim, computing(node))
    return Big("Σ" if inner else "", inner, body, node.ndim, operand)


def _take(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    places = (*[WHOLE] * node.attributes["axis"], operands[1])
    return Index(operands[0], places, node.ndim, tuple(operands), computing(node))


def _pick(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    letters = tuple(map(Symbol, LETTERS[: node.ndim]))
    index = Index(operands[1], letters) if letters else operands[1]
    return Index(operands[0], (*letters, index), node.ndim, tuple(operands), computing(node))


def _one_hot(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return call(node, operands, "onehot", "")


def _scatter(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    axis, length = node.attributes["axis"], node.attributes["length"]
    where = f"{length} rows" if axis == 0 else f"axis {axis} of {length}"
    return call(node, operands, "scatter", where)


def _scatter_along(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return call(
        node, operands, "scatter", f"along axis {node.attributes['axis']} of {node.attributes['length']}"
    )


# -- composites --------------------------------------------------------------------------------------------


def named(function: str, *hidden: str) -> Printer:
    """A call under another name, with those attributes that are not hidden."""

    def printer(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
        options = [f"{key}={in_words(value)}" for key, value in shown_attributes(node) if key not in hidden]
        return call(node, operands, function, *(options or [""]))

    return printer


def _last_axis(function: str) -> Printer:
    """A function along the last axis, where it usually stands and goes without saying."""

    def printer(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
        axes = node.attributes["axis"]
        usual = axes == (node.inputs[0].ndim - 1,)
        return call(node, operands, function, "" if usual else f"axis={in_words(axes)}")

    return printer


def _windowed(function: str) -> Printer:
    def printer(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
        return call(node, operands, function, *(window_options(node) or [""]))

    return printer


def _transparent(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return operands[0]


def _cross_entropy(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    options = [] if node.attributes["reduction"] == "mean" else [f"reduction={node.attributes['reduction']}"]
    options += [
        f"{key}={in_words(node.attributes[key])}"
        for key in ("ignore_index", "label_smoothing")
        if node.attributes.get(key)
    ]
    return call(node, operands, node.op.name, *(options or [""]))


def _elu(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    above, below = number(node.attributes["above"]), number(node.attributes["below"])
    x = operands[0]
    curve: Math = Sum((Call("exp", (x,)), number(1)), (1, -1))
    curve = curve if below == Number(1) else Product((below, curve))
    straight = x if above == Number(1) else Product((above, x))
    return Cases(straight, Infix(">", x, number(0)), curve)


def _leaky_relu(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x = operands[0]
    return Cases(x, Infix(">", x, number(0)), Product((number(node.attributes["slope"]), x)))


def _hard_tanh(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return Call("min", (number(1), Call("max", (number(-1), operands[0]))))


def _gelu(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    return Product((operands[0], Call("Φ", (operands[0],))))


def _gelu_tanh(node: Node, operands: Sequence[Math], convention: Convention) -> Math:
    x = operands[0]
    cubic = Sum((x, Product((number(0.044715), Power(x, number(3))))), (1, 1))
    bent = Call("tanh", (Product((Root(Fraction(number(2), Symbol("π"))), cubic)),))
    return Product((Fraction(x, number(2)), Sum((number(1), bent), (1, 1))))


PRINTERS: dict[str, Printer] = {
    **MOVEMENTS,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "negative": lambda node, operands, convention: negative(operands[0]),
    "where": _where,
    "cast": _cast,
    "sum": _over("Σ"),
    "prod": _over("Π"),
    "max": _over("max"),
    "min": _over("min"),
    "argmax": _over("argmax"),
    "argmin": _over("argmin"),
    "any": _over("any"),
    "all": _over("all"),
    "cumulative_sum": named("cumsum"),
    "pad": named("pad", "widths"),
    "matmul": _matmul,
    "einsum": _einsum,
    "take": _take,
    "pick": _pick,
    "one_hot": _one_hot,
    "scatter_add": _scatter,
    "scatter_along_axis": _scatter_along,
    "class_index": _transparent,
    "softmax": _last_axis("softmax"),
    "log_softmax": _last_axis("log softmax"),
    "cross_entropy": _cross_entropy,
    "nll_loss": _cross_entropy,
    "elu": _elu,
    "selu": _elu,
    "leaky_relu": _leaky_relu,
    "hard_tanh": _hard_tanh,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "masked_softmax": _last_axis("masked_softmax"),
    "convolution": _windowed("conv"),
    "max_pool": _windowed("maxpool"),
    "sliding_windows": _windowed("windows"),
    "overlap_add": _windowed("overlap_add"),
    "average_pool": _windowed("avgpool"),
    "dropout": lambda node, operands, convention: dropped(operands[0], node.attributes["rate"]),
}
