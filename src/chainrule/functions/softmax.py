"""Softmax and its relatives, computed with the maximum taken off first so that nothing overflows.

All of them, and the cross-entropy, write the shared parts (:func:`exponentials`) alike; equal structure
is one node, so value and derivative together compute each exponential once.
"""

from __future__ import annotations

from collections.abc import Sequence

from .. import dtypes
from ..graph import Axis, Node, NodeLike, apply, as_node
from ..ops import Composite, astype, equal, exp, isfinite, log, max, reshape, stop_gradient, sum, where
from ..ops.axes import many_axes, without

Axes = tuple[int, ...]


def as_float(x: NodeLike) -> Node:
    """``x`` as a node of a float type; integers and booleans become float32."""
    node = as_node(x)
    return astype(node, dtypes.to_float(node.dtype))


def shifted(x: Node, axis: Axes) -> Node:
    """``x`` less its maximum.  A softmax does not feel a shift, so none of its derivatives do."""
    return x - stop_gradient(max(x, axis=axis, keepdims=True))


def exponentials(x: Node, axis: Axes) -> tuple[Node, Node]:
    """``exp(x - max x)``, and its sum over ``axis`` with the axis kept."""
    powers = exp(shifted(x, axis))
    return powers, sum(powers, axis=axis, keepdims=True)


class Softmax(Composite):
    """``exp(xᵢ) / Σⱼ exp(xⱼ)`` over axes."""

    def build(self, x: Node, *, axis: Axes) -> Node:
        powers, total = exponentials(x, axis)
        return powers / total

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (out * (ct - sum(ct * out, axis=out.attributes["axis"], keepdims=True)),)


class LogSoftmax(Composite):
    """``xᵢ - log Σⱼ exp(xⱼ)`` over axes."""

    def build(self, x: Node, *, axis: Axes) -> Node:
        return shifted(x, axis) - log(exponentials(x, axis)[1])


class LogSumExp(Composite):
    """``log Σ exp(xᵢ)`` over axes, also where all elements are -∞ or one is ∞."""

    name = "logsumexp"

    def _parts(self, x: Node, axis: Axes) -> tuple[Node, Node, Node]:
        highest = stop_gradient(max(x, axis=axis, keepdims=True))
        shift = where(isfinite(highest), highest, 0)  # ∞ - ∞ would be NaN
        powers = exp(x - shift)
        return shift, powers, sum(powers, axis=axis, keepdims=True)

    def build(self, x: Node, *, axis: Axes, keepdims: bool) -> Node:
        shift, _, total = self._parts(x, axis)
        result = shift + log(total)
        return result if keepdims else reshape(result, without(x.shape, axis, keepdims=False))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        axis = out.attributes["axis"]
        _, powers, total = self._parts(x, axis)
        upstream = reshape(ct, total.shape)
        return (powers * (upstream / where(equal(total, 0), 1, total)),)


class MaskedSoftmax(Composite):
    """A softmax over the places where a mask holds; zeros where it holds nowhere."""

    def build(self, x: Node, mask: Node, *, axis: Axes) -> Node:
        low = where(mask, x, -float("inf"))
        highest = stop_gradient(max(low, axis=axis, keepdims=True))
        powers = exp(low - where(equal(highest, -float("inf")), 0, highest))
        total = sum(powers, axis=axis, keepdims=True)
        return powers / where(equal(total, 0), 1, total)

    def vjp(self, ct: Node, out: Node, x: Node, mask: Node) -> tuple[Node | None, ...]:
        inner = sum(ct * out, axis=out.attributes["axis"], keepdims=True)
        return where(mask, out * (ct - inner), 0), None


_SOFTMAX, _LOG_SOFTMAX, _LOGSUMEXP, _MASKED = Softmax(), LogSoftmax(), LogSumExp(), MaskedSoftmax()


def softmax(x: NodeLike, axis: int | Sequence[int] | None = -1) -> Node:
    """Positive numbers that sum to 1 over ``axis``: ``exp(xᵢ) / Σⱼ exp(xⱼ)``.

    ``axis`` is an axis, several, or None for all; shape and dtype stay (integers become float32).  A
    row of nothing but -∞ has no distribution and gives NaN: see :func:`masked_softmax`.

    The product with a cotangent u is ``s·(u - Σ u·s)``.  (Bridle, 1990.)

    >>> import chainrule as cr
    >>> cr.softmax([[0.0, 0.0], [1000.0, 0.0]]).value
    array([[0.5, 0.5],
           [1. , 0. ]], dtype=float32)
    """
    node = as_float(x)
    return apply(_SOFTMAX, node, axis=many_axes(_axis(axis), node.ndim, "softmax"))


def log_softmax(x: NodeLike, axis: int | Sequence[int] | None = -1) -> Node:
    """The logarithm of the softmax, ``xᵢ - log Σⱼ exp(xⱼ)``, without forming the softmax.

    ``axis`` is an axis, several, or None for all; shape and dtype stay (integers become float32).

    >>> import chainrule as cr
    >>> cr.log_softmax([1000.0, 0.0]).value
    array([    0., -1000.], dtype=float32)
    """
    node = as_float(x)
    return apply(_LOG_SOFTMAX, node, axis=many_axes(_axis(axis), node.ndim, "log_softmax"))


def logsumexp(x: NodeLike, axis: int | Sequence[int] | None = None, *, keepdims: bool = False) -> Node:
    """``log Σ exp(xᵢ)`` over ``axis`` (an axis, several, or None for all); its gradient is the softmax.

    A row of nothing but -∞ gives -∞, with a gradient of zeros; a row with an ∞ gives ∞.

    >>> import chainrule as cr
    >>> float(cr.logsumexp([1000.0, 1000.0])), float(cr.logsumexp([-float("inf")] * 2))
    (1000.6931..., -inf)
    """
    node = as_float(x)
    axes = many_axes(_axis(axis), node.ndim, "logsumexp")
    return apply(_LOGSUMEXP, node, axis=axes, keepdims=bool(keepdims))


def masked_softmax(x: NodeLike, mask: NodeLike, axis: int | Sequence[int] | None = -1) -> Node:
    """The softmax over those places of ``axis`` where the boolean ``mask`` holds; 0 at all others.

    ``mask`` broadcasts to the shape of ``x``.  Where it holds nowhere the result is 0, and so is its
    gradient.  Raises ``DTypeError`` for a mask that is not boolean.

    >>> import chainrule as cr
    >>> cr.masked_softmax([[0.0, 0.0, 9.0], [1.0, 2.0, 3.0]], [[True, True, False], [False] * 3]).value
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 0. ]], dtype=float32)
    """
    node, where_allowed = as_float(x), as_node(mask)
    axes = many_axes(_axis(axis), node.ndim, "masked_softmax")
    return apply(_MASKED, node, where_allowed, axis=axes)


def _axis(axis: int | Sequence[int] | None) -> Axis:
    return tuple(axis) if isinstance(axis, Sequence) else axis
