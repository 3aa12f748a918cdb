"""Rewrites for the eye alone: the graph of a derivative, brought to the form that a textbook prints.

They stand beside the rules of ``chainrule.simplify`` that cannot surprise a reader.  What a compiler likes
better (``x / 4`` as ``x · 0.25``, powers as products) is left out, and what a reader likes better is added:
the exponentials of a cross-entropy are a softmax again, a scatter of one number is a one-hot vector.
"""

from __future__ import annotations

from collections.abc import Sequence

from ... import functions, ops
from ...graph import Node, constant
from ...rewrite import Rule, RuleSet, anything, rewrite
from ...simplify.algebra import EXACT, ROUNDING, SIGNED_ZEROS
from ...simplify.language import GRAPH, ONE, ZERO, a_constant, is_elementwise, key, number, pattern, rules_of

shown = rules_of("display")

_COMPILERS = {"x / 2ⁿ = x * 2⁻ⁿ", "x ** n = x * x * …", "(x * c) / d = x * (c/d)", "(x / c) * d = x * (d/c)"}


def _is_shift(found: Node) -> bool:
    """x less its maximum, or less 0 where that is infinite."""
    if key(found) != "subtract":
        return False
    shift = found.inputs[1]
    if key(shift) == "where":
        shift = shift.inputs[1]
    if key(shift) == "stop_gradient":
        shift = shift.inputs[0]
    return key(shift) == "max" or (key(shift) == "reshape" and key(shift.inputs[0]) == "max")


_POWERS = pattern("exp", anything("s", _is_shift), name="e")
_TOTAL = pattern("sum", pattern("exp", "s", name="e"), name="total")
_SAFE_TOTAL = pattern("where", pattern("equal", "total", ZERO), ONE, _TOTAL)


def _softmax_of(e: Node, total: Node) -> Node | None:
    attributes = total.attributes
    if not attributes["keepdims"] or total.inputs[0] is not e:
        return None
    return functions.softmax(e.inputs[0].inputs[0], axis=attributes["axis"])


def _softmax(root: Node, e: Node, s: Node, total: Node) -> Node | None:
    return _softmax_of(e, total)


def _share_of(root: Node, e: Node, s: Node, total: Node, x: Node) -> Node | None:
    softmax = _softmax_of(e, total)
    return None if softmax is None else x * softmax


def _one_hot(root: Node, v: Node, i: Node) -> Node | None:
    axis, length = root.attributes["axis"], root.attributes["length"]
    if axis != root.ndim - 1 or i.shape[-1] != 1 or v.shape != i.shape:
        return None
    flat = ops.reshape(i, i.shape[:-1])
    return ops.multiply(v, ops.one_hot(_class(flat), length, v.dtype))


def _class(indices: Node) -> Node:
    """Indices without the check that they are classes."""
    if key(indices) == "class_index":
        return indices.inputs[0]
    if key(indices) == "reshape" and key(indices.inputs[0]) == "reshape":
        inner = indices.inputs[0].inputs[0]
        if inner.shape == indices.shape:
            return _class(inner)
    return indices


def _reshaped_twice(root: Node, y: Node, x: Node) -> Node | None:
    return ops.reshape(x, root.shape)


def _unbroadcast(root: Node) -> Node | None:
    """Operands of elementwise ops need not be spread first, where another one is large enough."""
    if not is_elementwise(root) or len(root.inputs) < 2:
        return None
    inputs = list(root.inputs)
    for place, child in enumerate(inputs):
        if key(child) != "broadcast_to":
            continue
        rest = [other.shape for n, other in enumerate(inputs) if n != place]
        source = child.inputs[0]
        if ops.broadcast_shapes(source.shape, *rest) == root.shape:
            return GRAPH.rebuild(root, tuple(source if n == place else c for n, c in enumerate(inputs)))
    return None


def _common(root: Node, x: Node, y: Node, z: Node) -> Node | None:
    """x·y ± x·z = x·(y ± z)."""
    if number(x) is not None:
        return None
    inner = GRAPH.rebuild(root, (y, z)) if y.shape == z.shape or y.ndim == z.ndim else None
    return None if inner is None else x * inner


def _computed(root: Node, c: Node) -> Node:
    return constant(root.value)


def _spread_product(root: Node, x: Node, y: Node) -> Node | None:
    """A reshape to more axes of length 1, of a quotient by a number: the number goes outside."""
    if number(y) is None:
        return None
    return ops.divide(ops.reshape(x, root.shape), y) if key(root) == "reshape" else None


def _spread_quotient(root: Node, x: Node, y: Node) -> Node | None:
    if number(y) is None:
        return None
    return ops.divide(ops.broadcast_to(x, root.shape), y)


_PRODUCT_XY, _PRODUCT_XZ = pattern("multiply", "x", "y"), pattern("multiply", "x", "z")

RULES: list[Rule] = [
    *[rule for rule in (*EXACT, *SIGNED_ZEROS, *ROUNDING) if rule.name not in _COMPILERS],
    shown("exp(x) / Σ exp(x) is softmax(x)", pattern("divide", _POWERS, _TOTAL), _softmax),
    shown("(y / Σ exp(x)) · exp(x) is y · softmax(x)",
          pattern("multiply", pattern("divide", "x", _TOTAL), _POWERS), _share_of),
    shown("(spread y / Σ exp(x)) · exp(x) is y · softmax(x)",
          pattern("multiply", pattern("broadcast_to", pattern("divide", "x", _TOTAL)), _POWERS), _share_of),
    shown("(y / Σ exp(x), which may be 0) · exp(x) is y · softmax(x)",
          pattern("multiply", pattern("divide", "x", _SAFE_TOTAL), _POWERS), _share_of),
    shown("(1 − t)·σ(z) − t·σ(−z) is σ(z) − t",
          pattern("subtract", pattern("multiply", pattern("subtract", ONE, "t"), pattern("sigmoid", "z")),
                  pattern("multiply", "t", pattern("sigmoid", pattern("negative", "z")))),
          lambda t, z: ops.sigmoid(z) - t),
    shown("a scatter of one number is a one-hot vector", pattern("scatter_along_axis", "v", "i"), _one_hot),
    shown("a reshape of a reshape is one", pattern("reshape", pattern("reshape", "x", name="y")),
          _reshaped_twice),
    shown("a reshape of x / n is n-th part of the reshape", pattern("reshape", pattern("divide", "x", "y")),
          _spread_product),
    shown("x / n spread is the spread x, / n", pattern("broadcast_to", pattern("divide", "x", "y")),
          _spread_quotient),
    shown("a spread operand is an operand", anything(some=["broadcast_to"]), _unbroadcast),
    shown("x·y − x·z = x·(y − z)", pattern("subtract", _PRODUCT_XY, _PRODUCT_XZ), _common),
    shown("x·y + x·z = x·(y + z)", pattern("add", _PRODUCT_XY, _PRODUCT_XZ), _common),
    shown("x·y + −(x·z) = x·(y − z)",
          pattern("add", _PRODUCT_XY, pattern("negative", _PRODUCT_XZ)),
          lambda root, x, y, z: x * (y - z) if number(x) is None and y.ndim == z.ndim else None),
    shown("0 where y = 0, else y·x^(y − 1)",
          pattern("where", "c", ZERO,
                  pattern("multiply", "y", pattern("pow", "x", pattern("where", "c", "o", "e")))),
          lambda c, x, y, o, e: y * ops.pow(x, e)),
    shown("0 where x = 0, else log x",
          pattern("where", "c", ZERO, pattern("log", pattern("where", "c", "o", "x"))),
          lambda c, o, x: ops.log(x)),
    shown("the sum of a constant is one", pattern("sum", a_constant(lambda found: True, "c")), _computed),
    shown("0 + x = x", pattern("add", ZERO, "x"), lambda x: x),
    shown("x · c, c = 1", pattern("multiply", "x", anything("c", lambda c: number(c) == 1)), lambda x, c: x),
]  # fmt: skip

_RULES = RuleSet(RULES)


def for_display(outputs: Sequence[Node]) -> list[Node]:
    """The graph of a derivative in the form in which people write it; the values stay."""
    return rewrite(list(outputs), _RULES, GRAPH)
