"""Algebra: identities of elementwise arithmetic.

EXACT rules keep every bit, of infinities, NaNs and the sign of zero too (a NaN stays some NaN).
SIGNED_ZEROS keep all but the sign of a zero.  ROUNDING rules change the last digits, and where a number
between two constants overflowed or vanished, it no longer does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ops
from ..dtypes import is_float
from ..graph import Node, constant
from ..rewrite import Rule, anything
from .language import NUMBER, ONE, ZERO, a_constant, is_filled_with, number, pattern, rules_of

exact, zeros, rounding = rules_of("exact"), rules_of("signed zeros"), rules_of("rounding")

_MINUS_ONE = a_constant(is_filled_with(-1.0))
_TRUE, _FALSE = a_constant(is_filled_with(1)), a_constant(is_filled_with(0))


def _adds_nothing(found: Node) -> bool:
    """-0.0 for floats, whose sum with anything is that thing; zero for integers."""
    return is_filled_with(-0.0 if is_float(found.dtype) else 0)(found)


def _power_of_two(found: Node) -> bool:
    value = number(found)
    if value is None or not is_float(found.dtype) or not np.isfinite(value) or value == 0:
        return False
    with np.errstate(all="ignore"):
        reciprocal = found.dtype.type(1) / value
        normal = abs(reciprocal) >= np.finfo(found.dtype).tiny and np.isfinite(reciprocal)
    return bool(normal and np.frexp(abs(value))[0] == 0.5)


def _reciprocal(c: Node) -> Node:
    return constant(c.dtype.type(1) / number(c), c.dtype)


def _opposite(c: Node) -> Node:
    with np.errstate(over="ignore"):  # the least integer is its own negative
        return constant(-number(c), c.dtype)


def _signed(found: Node) -> bool:
    return found.dtype.kind in "if"


def _far_fewer(x: Node, than: Node) -> bool:
    """Whether an operand has few elements, each of which is read again and again."""
    return 8 * x.size <= than.size


_SIGNED_NUMBER = a_constant(lambda found: number(found) is not None and _signed(found), "c")
_NEG_X, _NEG_Y = pattern("negative", "x"), pattern("negative", "y")

EXACT: list[Rule] = [
    exact("x * 1 = x", pattern("multiply", "x", ONE), lambda x: x),
    exact("x / 1 = x", pattern("divide", "x", ONE), lambda x: x),
    exact("x - 0 = x", pattern("subtract", "x", ZERO), lambda x: x),
    exact(
        "x + (-0) = x", pattern("add", "x", a_constant(_adds_nothing)), lambda x: x
    ),
    exact("x ** 1 = x", pattern("pow", "x", ONE), lambda x: x),
    exact(
        "x ** 0 = 1",
        pattern("pow", "x", a_constant(lambda y: number(y) == 0)),
        lambda root, x: constant(1, root.dtype),
    ),
    exact("-(-x) = x", pattern("negative", _NEG_X), lambda x: x),
    exact("-1 * x = -x", pattern("multiply", "x", _MINUS_ONE), lambda x: -x),
    exact("x + (-y) = x - y", pattern("add", "x", _NEG_Y), lambda x, y: x - y),
    exact("x - (-y) = x + y", pattern("subtract", "x", _NEG_Y), lambda x, y: x + y),
    exact("(-x) * (-y) = x * y", pattern("multiply", _NEG_X, _NEG_Y), lambda x, y: x * y),
    exact("(-x) / (-y) = x / y", pattern("divide", _NEG_X, _NEG_Y), lambda x, y: x / y),
    exact(
        "(-x) * c = x * (-c)",
        pattern("multiply", _NEG_X, _SIGNED_NUMBER),
        lambda x, c: x * _opposite(c),
    ),
    exact(
        "-(x * c) = x * (-c)",
        pattern("negative", pattern("multiply", "x", _SIGNED_NUMBER)),
        lambda x, c: x * _opposite(c),
    ),
    exact(
        "(-x) * y = -(x * y)",
        pattern("multiply", _NEG_X, "y"),
        lambda root, x, y: None if _far_fewer(x, root) else -(x * y),
    ),
    exact(
        "(-x) / y = -(x / y)",
        pattern("divide", _NEG_X, "y"),
        lambda root, x, y: None if _far_fewer(x, root) else -(x / y),
    ),
    exact(
        "x / (-y) = -(x / y)",
        pattern("divide", "x", _NEG_Y),
        lambda root, x, y: None if _far_fewer(y, root) else -(x / y),
    ),
    exact(
        "-(x * y) = x * (-y), y of few elements",
        pattern("negative", pattern("multiply", "x", "y")),
        lambda root, x, y: x * -y if _far_fewer(y, root) else None,
    ),
    exact(
        "-(x / y) = x / (-y), y of few elements",
        pattern("negative", pattern("divide", "x", "y")),
        lambda root, x, y: x / -y if _far_fewer(y, root) else None,
    ),
    exact("(-x)² = x²", pattern("square", _NEG_X), lambda x: ops.square(x)),
    exact("|x|² = x²", pattern("square", pattern("abs", "x")), lambda x: ops.square(x)),
    exact("|-x| = |x|", pattern("abs", _NEG_X), lambda x: abs(x)),
    exact("||x|| = |x|", pattern("abs", pattern("abs", "x", name="y")), lambda x, y: y),
    exact(
        "x / 2ⁿ = x * 2⁻ⁿ",
        pattern("divide", "x", a_constant(_power_of_two, "c")),
        lambda x, c: x * _reciprocal(c),
    ),
    exact("max(x, x) = x", pattern("maximum", "x", "x"), lambda x: x),
    exact("min(x, x) = x", pattern("minimum", "x", "x"), lambda x: x),
    exact(
        "max(max(x, y), y) = max(x, y)",
        pattern("maximum", pattern("maximum", "x", "y", name="z"), "y"),
        lambda x, y, z: z,
    ),
    exact(
        "min(min(x, y), y) = min(x, y)",
        pattern("minimum", pattern("minimum", "x", "y", name="z"), "y"),
        lambda x, y, z: z,
    ),
    exact(
        "max(x, -∞) = x",
        pattern("maximum", "x", a_constant(is_filled_with(-np.inf))),
        lambda x: x,
    ),
    exact(
        "min(x, ∞) = x",
        pattern("minimum", "x", a_constant(is_filled_with(np.inf))),
        lambda x: x,
    ),
    exact("where(c, x, x) = x", pattern("where", "c", "x", "x"), lambda c, x: x),
    exact("where(true, x, y) = x", pattern("where", _TRUE, "x", "y"), lambda x, y: x),
    exact("where(false, x, y) = y", pattern("where", _FALSE, "x", "y"), lambda x, y: y),
    exact(
        "where(not c, x, y) = where(c, y, x)",
        pattern("where", pattern("logical_not", "c"), "x", "y"),
        lambda c, x, y: ops.where(c, y, x),
    ),
    exact(
        "where(c, where(c, x, y), z) = where(c, x, z)",
        pattern("where", "c", pattern("where", "c", "x", "y"), "z"),
        lambda c, x, y, z: ops.where(c, x, z),
    ),
    exact(
        "where(c, x, where(c, y, z)) = where(c, x, z)",
        pattern("where", "c", "x", pattern("where", "c", "y", "z")),
        lambda c, x, y, z: ops.where(c, x, z),
    ),
    exact("not not x = x", pattern("logical_not", pattern("logical_not", "x")), lambda x: x),
    exact("x and true = x", pattern("logical_and", "x", _TRUE), lambda x: x),
    exact("x or false = x", pattern("logical_or", "x", _FALSE), lambda x: x),
    exact("stop_gradient(x) = x, once differentiated", pattern("stop_gradient", "x"), lambda x: x),
]  # fmt: skip


# -- casts -------------------------------------------------------------------------------------------------

#: From each type, those that hold all of its values.
_HOLDS = {
    np.dtype("bool"): {"uint32", "int32", "int64", "float32", "float64"},
    np.dtype("uint32"): {"int64", "float64"},
    np.dtype("int32"): {"int64", "float64"},
    np.dtype("float32"): {"float64"},
}


def _cast_of_cast(root: Node, y: Node, x: Node) -> Node | None:
    """Through a type that holds all values of the first, the way there does not matter."""
    to = root.dtype
    if y.dtype.name not in _HOLDS.get(x.dtype, ()) or (x.dtype.kind == "f" and to.kind in "iu"):
        return None
    if y.dtype.kind == "f" and to.kind in "iub" and x.dtype.kind in "iu" and x.dtype is not to:
        return None  # a float beyond an integer type becomes its end, an integer wraps around
    return ops.astype(x, to)


EXACT.append(exact("cast(cast(x)) = cast(x)", pattern("cast", pattern("cast", "x", name="y")), _cast_of_cast))


# -- the sign of zero --------------------------------------------------------------------------------------

SIGNED_ZEROS: list[Rule] = [
    zeros("x + 0 = x", pattern("add", "x", ZERO), lambda x: x),
    zeros("0 - x = -x", pattern("subtract", ZERO, "x"), lambda x: -x if _signed(x) else None),
    zeros("-(x - y) = y - x", pattern("negative", pattern("subtract", "x", "y")), lambda x, y: y - x),
]  # fmt: skip


# -- rounding ----------------------------------------------------------------------------------------------


def _float_number(found: Node) -> bool:
    return is_float(found.dtype) and number(found) is not None


_C, _D = a_constant(_float_number, "c"), a_constant(_float_number, "d")
_Join = Callable[[Any, Any], Any]


def _joined(how: _Join, *, factor: bool) -> Callable[..., Node | None]:
    """``x`` times, or plus, the two constants made one; refused where that number is out of range."""

    def build(x: Node, c: Node, d: Node) -> Node | None:
        with np.errstate(all="ignore"):
            value = how(number(c), number(d))
        normal = np.isfinite(value) and abs(value) >= np.finfo(c.dtype).tiny
        if factor:
            return x * constant(value, c.dtype) if normal else None
        return x + constant(value, c.dtype) if normal or value == 0 else None

    return build


def _small_power(root: Node, x: Node, c: Node) -> Node | None:
    """x², x³ and 1/x of floats as products and quotient."""
    exponent = number(c)
    if not is_float(x.dtype) or exponent not in (2, 3, -1):
        return None
    return x * x if exponent == 2 else x * x * x if exponent == 3 else ops.reciprocal(x)


#: Name, outer and inner op, how their constants become one, and whether that is a factor or a term.
_CONSTANTS: list[tuple[str, str, str, _Join, bool]] = [
    ("(x * c) * d = x * (c·d)", "multiply", "multiply", lambda c, d: c * d, True),
    ("(x * c) / d = x * (c/d)", "divide", "multiply", lambda c, d: c / d, True),
    ("(x / c) * d = x * (d/c)", "multiply", "divide", lambda c, d: d / c, True),
    ("(x + c) + d = x + (c+d)", "add", "add", lambda c, d: c + d, False),
    ("(x + c) - d = x + (c-d)", "subtract", "add", lambda c, d: c - d, False),
    ("(x - c) + d = x + (d-c)", "add", "subtract", lambda c, d: d - c, False),
    ("(x - c) - d = x - (c+d)", "subtract", "subtract", lambda c, d: -(c + d), False),
]
ROUNDING: list[Rule] = [
    *[
        rounding(name, pattern(outer, pattern(inner, "x", _C), _D), _joined(how, factor=factor))
        for name, outer, inner, how, factor in _CONSTANTS
    ],
    rounding("x ** n = x * x * …", pattern("pow", "x", NUMBER), _small_power),
]


def _by_reciprocal(root: Node, x: Node, y: Node) -> Node | None:
    return x * ops.reciprocal(y) if _far_fewer(y, root) and x.size == root.size else None


#: Once formulas that contain quotients have been recognised.
QUOTIENTS: list[Rule] = [
    rounding("x / y = x * (1 / y), y of few elements", pattern("divide", "x", "y"), _by_reciprocal)
]


# -- products of matrices ----------------------------------------------------------------------------------


def _turned_product(root: Node, x: Node, y: Node, m: Node) -> Node | None:
    if root.attributes["axes"] != (1, 0) or x.ndim != 2 or y.ndim != 2:
        return None
    return ops.matmul(ops.permute_dims(y, (1, 0)), ops.permute_dims(x, (1, 0)))


#: For a product that is read transposed and not otherwise: transposed operands are only read differently.
PRODUCTS: list[Rule] = [
    rounding(
        "(x @ y)ᵀ = yᵀ @ xᵀ",
        pattern("permute_dims", pattern("matmul", "x", "y", name="m")),
        _turned_product,
        alone="m",
    )
]


# -- what is known already ---------------------------------------------------------------------------------

_FOLDED = 1024  # elements that a folded constant may have


def _all_known(found: Node) -> bool:
    return (
        found.size <= _FOLDED
        and type(found.op).__module__.startswith(_OWN)
        and found.op.name != "broadcast_to"
    )


_OWN = __name__.partition(".")[0] + "."


def _folded(root: Node) -> Node | None:
    arrays = [child.array for child in root.inputs]  # type: ignore[attr-defined]  # constants
    with np.errstate(all="ignore"):
        try:
            value = np.asarray(root.op.forward(np, *arrays, **root.attributes))
        except IndexError:  # an index out of range: an error when the program runs, not while it is built
            return None
    return constant(value) if (value.shape, value.dtype) == (root.shape, root.dtype) else None


FOLDING: list[Rule] = [
    exact("constants are computed", anything(when=_all_known, every=["constant"]), _folded)
]
