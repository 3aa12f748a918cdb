"""Gradients, pullbacks and pushforwards of nodes: from graph to graph, evaluating nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args, overload

import numpy as np

from ..dtypes import is_float
from ..errors import ArgumentError, DerivativeError, DTypeError, ShapeError
from ..graph import Node, NodeLike, as_node, constant, placeholder, substitute, user_place
from ..ops import multiply, reshape, stack
from ..ops import sum as sum_
from .reasons import why_no_gradient
from .sweep import sweep

Missing = Literal["none", "zero", "error"]
"""What stands for a gradient where nothing flows: None, zeros, or an error with the reason."""


@overload
def gradients(
    output: Node, wrt: Node, *, cotangent: NodeLike | None = None, missing: Missing = "none"
) -> Node: ...
@overload
def gradients(
    output: Node, wrt: Sequence[Node], *, cotangent: NodeLike | None = None, missing: Missing = "none"
) -> list[Node]: ...
def gradients(
    output: Node, wrt: Node | Sequence[Node], *, cotangent: NodeLike | None = None, missing: Missing = "none"
) -> Node | list[Node]:
    """The gradient of a scalar with respect to nodes, as nodes of the same shapes.

    ∂output/∂x for each ``x`` of ``wrt``, by the backward sweep.  A result that is no scalar needs its
    ``cotangent`` (an array of its shape).  Where nothing flows the gradient is None, or what
    ``missing`` says; :func:`why_no_gradient` names the reason.

    Raises ``ShapeError`` for a result that is no scalar, ``DTypeError`` for integers.

    >>> import chainrule as cr
    >>> a, b, c = cr.variable(3.0), cr.variable(1.0), cr.variable(-2.0)
    >>> [float(g) for g in cr.gradients(c * (a + 2 * b), [a, b, c])]
    [-2.0, -4.0, 5.0]
    """
    targets = [wrt] if isinstance(wrt, Node) else list(wrt)
    _check_differentiable(output, targets)
    if missing not in get_args(Missing):
        raise ArgumentError(
            f"gradients: missing={missing!r} is unknown",
            where=user_place(),
            mend="'none', 'zero' or 'error'",
        )
    if cotangent is None and output.size != 1:
        raise ShapeError(
            f"gradients: {output!r} is not a scalar",
            where=user_place(),
            mend="reduce it (.sum(), .mean()), or give cotangent=",
        )
    seed = constant(np.ones(output.shape, output.dtype)) if cotangent is None else as_node(cotangent)
    found = [
        _or_missing(g, output, x, missing)
        for g, x in zip(vjp([output], [seed], targets), targets, strict=True)
    ]
    return found[0] if isinstance(wrt, Node) else found  # type: ignore[return-value]  # None only where asked for


def _check_differentiable(output: Node, targets: Sequence[Node]) -> None:
    for node in (output, *targets):
        if not isinstance(node, Node):
            raise ArgumentError(f"gradients: {node!r} is not a node", where=user_place())
        if not is_float(node.dtype):
            raise DTypeError(
                f"gradients: {node!r} is {node.dtype}; derivatives are of floats",
                where=user_place(),
                mend="make it a float: cr.variable(…, dtype='float32')",
            )


def _or_missing(gradient: Node | None, output: Node, x: Node, missing: Missing) -> Node | None:
    if gradient is not None or missing == "none":
        return gradient
    if missing == "zero":
        return constant(np.zeros(x.shape, x.dtype))
    raise DerivativeError(
        f"no gradient flows from {output.label} to {x.label}: {why_no_gradient(output, x)}",
        where=user_place(),
    )


def vjp(outputs: Sequence[Node], cotangents: Sequence[Node], wrt: Sequence[Node]) -> list[Node | None]:
    """The pullback: Σ cotangentᵢ · ∂outputᵢ/∂x for each ``x``, None where nothing flows.

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 2.0])
    >>> vjp([x * x], [cr.constant([1.0, 10.0])], [x])[0].value
    array([ 2., 40.], dtype=float32)
    """
    seeds: dict[Node, Node] = {}
    for output, ct in zip(outputs, cotangents, strict=True):
        if ct.shape != output.shape:
            raise ShapeError(
                f"the cotangent of {output.label} has shape {ct.shape}, not {output.shape}",
                where=user_place(),
            )
        ct = ct if ct.dtype is output.dtype else ct.astype(output.dtype)
        seeds[output] = seeds[output] + ct if output in seeds else ct
    table = sweep({node: ct for node, ct in seeds.items() if is_float(node.dtype)}, wrt)
    return [table.get(x) for x in wrt]


def jvp(outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]) -> list[Node | None]:
    """The pushforward: Σ ∂output/∂xᵢ · tangentᵢ for each output, None where nothing flows.

    The pullback is linear in its cotangent, so its own pullback is the pushforward: no op needs a
    second rule (Townsend, 2017).

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 2.0])
    >>> jvp([x * x], [x], [cr.constant([1.0, 10.0])])[0].value
    array([ 2., 40.], dtype=float32)
    """
    found: list[Node | None] = []
    for output in outputs:
        if not is_float(output.dtype):
            found.append(None)
            continue
        ct = placeholder(output.shape, output.dtype, name="cotangent")
        pulled = vjp([output], [ct], wrt)
        terms = [
            sum_(multiply(g, tangent)) for g, tangent in zip(pulled, tangents, strict=True) if g is not None
        ]
        total = terms[0] if terms else None
        for term in terms[1:]:
            total = total + term  # type: ignore[operator]  # there is a first term
        found.append(None if total is None else vjp([total], [constant(np.ones((), total.dtype))], [ct])[0])
    return found


def jacobian(output: Node, x: Node) -> Node:
    """∂output/∂x as one node of shape ``output.shape + x.shape``: a pullback for each element.

    The pullbacks differ in their cotangent alone, so all that does not depend on it is shared.

    >>> import chainrule as cr
    >>> x = cr.variable([1.0, 2.0])
    >>> jacobian(x * x, x).value
    array([[2., 0.],
           [0., 4.]], dtype=float32)
    """
    _check_differentiable(output, [x])
    ct = placeholder(output.shape, output.dtype, name="cotangent")
    pulled = vjp([output], [ct], [x])[0]
    shape = output.shape + x.shape
    if pulled is None or not output.size:
        return constant(np.zeros(shape, x.dtype))
    basis = np.eye(output.size, dtype=output.dtype).reshape(output.size, *output.shape)
    rows = [substitute([pulled], {ct: constant(row)})[0] for row in basis]
    return reshape(stack(rows), shape)
