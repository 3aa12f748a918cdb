"""Numerical stability: formulas as textbooks write them, in the form in which they should be computed.

Where the plain form is accurate, these give the same to rounding; where it overflows, vanishes or
cancels, these give the number that was meant.
"""

from __future__ import annotations

from .. import functions, ops
from ..graph import Node
from ..ops import abs, exp, log, log1p, maximum, minimum
from ..rewrite import Rule, anything
from .language import ONE, key, pattern, rules_of

stable = rules_of("stability")


def _shift_of(found: Node) -> Node | None:
    """The maximum that was taken off ``found``, if one was."""
    if key(found) != "subtract":
        return None
    shift = found.inputs[1]
    if key(shift) == "where":  # a maximum, or 0 where that is infinite
        shift = shift.inputs[1]
    if key(shift) == "stop_gradient":
        shift = shift.inputs[0]
    return (
        shift if key(shift) == "max" or (key(shift) == "reshape" and key(shift.inputs[0]) == "max") else None
    )


def _unshifted(found: Node) -> bool:
    return _shift_of(found) is None


def _log_of_sum(x: Node, total: Node) -> Node:
    axis, keepdims = total.attributes["axis"], total.attributes["keepdims"]
    return ops.parts(functions.logsumexp(x, axis=axis, keepdims=keepdims))


def _softmax(x: Node, e: Node, total: Node) -> Node | None:
    if not total.attributes["keepdims"]:
        return None
    return ops.parts(functions.softmax(x, axis=total.attributes["axis"]))


_EXP_X, _SIGMOID_X = pattern("exp", "x", name="e"), pattern("sigmoid", "x", name="s")
_TOTAL = pattern("sum", pattern("exp", "x", name="e"), name="total")


def _softplus(x: Node) -> Node:
    """log(1 + eˣ), which overflows on neither side."""
    return maximum(x, 0) + log1p(exp(-abs(x)))


def _never_negative_exponent(found: Node) -> bool:
    """-|x|, of which softplus has already been made."""
    return key(found) == "negative" and key(found.inputs[0]) == "abs"


# -- gradients of such formulas ----------------------------------------------------------------------------


def _is_share(found: Node) -> bool:
    """A number that is never below 0 and reaches 0 only by underflow: eˣ, σ(x), 1 - σ(x), a softmax."""
    kind = key(found)
    if kind in ("exp", "sigmoid"):
        return True
    if kind == "subtract":
        return ONE.when is not None and ONE.when(found.inputs[0]) and key(found.inputs[1]) == "sigmoid"
    return kind == "divide" and key(found.inputs[0]) == "exp" and key(found.inputs[1]) == "sum"


_SHARE = anything("s", _is_share)
_BY_SHARE = pattern("divide", "x", _SHARE)

STABILITY: list[Rule] = [
    stable(
        "log(softmax(x)) = x - log Σ exp(x)",
        pattern("log", pattern("divide", _EXP_X, _TOTAL)),
        lambda x, e, total: x - log(total) if total.attributes["keepdims"] else None,
    ),
    stable(
        "log Σ exp(x) = max x + log Σ exp(x - max x)",
        pattern("log", pattern("sum", pattern("exp", anything("x", _unshifted)), name="total")),
        _log_of_sum,
    ),
    stable(
        "exp(x) / Σ exp(x) = softmax(x), shifted by the maximum",
        pattern(
            "divide",
            pattern("exp", anything("x", _unshifted), name="e"),
            pattern("sum", pattern("exp", "x", name="e"), name="total"),
        ),
        _softmax,
    ),
    stable(
        "log σ(x) = min(x, 0) - log(1 + exp(-|x|))",
        pattern("log", pattern("sigmoid", "x")),
        lambda x: minimum(x, 0) - log1p(exp(-abs(x))),
    ),
    stable(
        "log(1 - σ(x)) = -softplus(x)",
        pattern("log", pattern("subtract", ONE, pattern("sigmoid", "x"))),
        lambda x: -_softplus(x),
    ),
    stable("log(1 + x) = log1p(x)", pattern("log", pattern("add", ONE, "x")), lambda x: log1p(x)),
    stable(
        "log(1 + exp(x)) = softplus(x)",
        pattern("log1p", pattern("exp", anything("x", lambda x: not _never_negative_exponent(x)))),
        _softplus,
    ),
    stable("log(1 - x) = log1p(-x)", pattern("log", pattern("subtract", ONE, "x")), lambda x: log1p(-x)),
    stable("exp(x) - 1 = expm1(x)", pattern("subtract", pattern("exp", "x"), ONE), lambda x: ops.expm1(x)),
    stable("1 - exp(x) = -expm1(x)", pattern("subtract", ONE, pattern("exp", "x")), lambda x: -ops.expm1(x)),
    stable(
        "1 / (1 + exp(-x)) = σ(x)",
        pattern("divide", ONE, pattern("add", ONE, pattern("exp", "x"))),
        lambda x: ops.sigmoid(-x),
    ),
    stable(
        "exp(x) / (1 + exp(x)) = σ(x)",
        pattern("divide", _EXP_X, pattern("add", ONE, _EXP_X)),
        lambda x, e: ops.sigmoid(x),
    ),
    stable("√(x²) = |x|", pattern("sqrt", pattern("square", "x")), lambda x: abs(x)),
    stable("√(x · x) = |x|", pattern("sqrt", pattern("multiply", "x", "x")), lambda x: abs(x)),
    stable("log(exp(x)) = x", pattern("log", pattern("exp", "x")), lambda x: x),
    stable("(x / s) · s = x, s > 0", pattern("multiply", _BY_SHARE, _SHARE), lambda x, s: x),
    stable(
        "(x / s) · (s · y) = x · y, s > 0",
        pattern("multiply", _BY_SHARE, pattern("multiply", _SHARE, "y")),
        lambda x, s, y: x * y,
    ),
    stable(
        "s · (x / s - y) = x - s · y, s > 0",
        pattern("multiply", _SHARE, pattern("subtract", _BY_SHARE, "y")),
        lambda s, x, y: x - s * y,
    ),
]

#: For a σ(x) that nothing else reads: beside others that need it, 1 - σ is the cheaper.
ALONE: list[Rule] = [
    stable(
        "1 - σ(x) = σ(-x)",
        pattern("subtract", ONE, pattern("sigmoid", "x", name="s")),
        lambda x, s: ops.sigmoid(-x),
        alone="s",
    )
]
