"""Function transforms: trace a function of arrays into a graph, differentiate it, evaluate.

Arguments may be arrays, numbers, and tuples, lists or dicts of them.  Where an argument is itself a
node the transform answers in nodes, so transforms nest: ``cr.grad(cr.grad(f))``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import differentiate
from .differentiate import Missing
from .dtypes import is_float
from .engines.stepper import evaluate
from .errors import ArgumentError, DTypeError, ShapeError
from .graph import (
    Node,
    Placeholder,
    Variable,
    as_node,
    constant,
    placeholder,
    set_backward,
    substitute,
    topological,
    user_place,
)
from .trees import flatten, rebuild_tree

Function = Callable[..., Any]


class _Traced:
    """A function's graph over fresh placeholders, and how to get from there to the caller's values."""

    def __init__(
        self, fn: Function, arguments: Sequence[Any], keywords: dict[str, Any] | None = None
    ) -> None:
        values, tree = flatten(tuple(arguments))
        self.values = [value if isinstance(value, Node) else as_node(value) for value in values]
        self.symbolic = any(isinstance(value, Node) for value in values)
        self.inputs = [
            placeholder(value.shape, value.dtype, name=f"x{i}") for i, value in enumerate(self.values)
        ]
        self.arguments: tuple[Any, ...] = rebuild_tree(tree, self.inputs)
        outputs, self.output_tree = flatten(fn(*self.arguments, **(keywords or {})))
        self.outputs = [as_node(output) for output in outputs]

    def scalar(self, what: str) -> Node:
        """The single scalar that the function must return."""
        if len(self.outputs) != 1 or self.outputs[0].size != 1 or not is_float(self.outputs[0].dtype):
            shown = ", ".join(f"{node.dtype} {node.shape}" for node in self.outputs)
            raise ShapeError(
                f"{what}: the function must return one float scalar; it returned {shown or 'nothing'}",
                where=user_place(),
                mend="reduce its result (.sum(), .mean()), or use cr.jacobian or cr.vjp",
            )
        return self.outputs[0]

    def finish(self, nodes: Sequence[Node]) -> list[Any]:
        """Nodes over the placeholders, as arrays.

        As nodes where the caller's arguments were nodes, or where the function itself reads an unbound
        one: the argument of a transform around this one.
        """
        bound: dict[Node, Node] = dict(zip(self.inputs, self.values, strict=True))
        replaced = substitute(nodes, bound)
        if self.symbolic or any(isinstance(node, Placeholder) for node in topological(replaced)):
            return list(replaced)
        return evaluate(replaced)


def _wanted(traced: _Traced, argnums: int | Sequence[int], what: str) -> tuple[list[Node], Any]:
    """The placeholders of the arguments to differentiate by, and the tree they form."""
    try:
        if isinstance(argnums, int):
            chosen: Any = traced.arguments[argnums]
        else:
            chosen = tuple([traced.arguments[number] for number in argnums])
    except IndexError:
        raise ArgumentError(
            f"{what}: argnums={argnums} with {len(traced.arguments)} argument(s)", where=user_place()
        ) from None
    nodes, tree = flatten(chosen)
    for node in nodes:
        if not is_float(node.dtype):
            raise DTypeError(
                f"{what}: an argument is {node.dtype}; derivatives are of floats",
                where=user_place(),
                mend="pass a float (3.0, not 3), or choose other arguments with argnums=",
            )
    return nodes, tree


def grad(fn: Function, argnums: int | Sequence[int] = 0, *, missing: Missing = "zero") -> Function:
    """The gradient function of a scalar function: ``grad(f)(x) = ∂f/∂x``, of the shape of ``x``.

    ``argnums`` chooses the arguments; where nothing flows the gradient is zeros, or what ``missing``
    says.

    >>> import chainrule as cr
    >>> cube = lambda x: x ** 3
    >>> float(cr.grad(cube)(4.0)), float(cr.grad(cr.grad(cube))(4.0))
    (48.0, 24.0)
    """
    pair = value_and_grad(fn, argnums, missing=missing)

    def gradient(*arguments: Any, **keywords: Any) -> Any:
        return pair(*arguments, **keywords)[1]

    return gradient


def value_and_grad(fn: Function, argnums: int | Sequence[int] = 0, *, missing: Missing = "zero") -> Function:
    """Like :func:`grad`, returning ``(f(x), ∂f/∂x)``; the forward pass is shared.

    >>> import chainrule as cr
    >>> value, slope = cr.value_and_grad(lambda x: x ** 3)(1.0)
    >>> float(value), float(slope)
    (1.0, 3.0)
    """

    def value_and_gradient(*arguments: Any, **keywords: Any) -> Any:
        traced = _Traced(fn, arguments, keywords)
        wrt, tree = _wanted(traced, argnums, "grad")
        output = traced.scalar("grad")
        found = differentiate.gradients(output, wrt, missing=missing)
        flowing = [g for g in found if g is not None]
        value, *results = traced.finish([output, *flowing])
        supply = iter(results)
        return value, rebuild_tree(tree, [None if g is None else next(supply) for g in found])

    return value_and_gradient


def vjp(fn: Function, *arguments: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The value of ``fn`` and its pullback, which takes a cotangent of the result to those of the arguments.

    pullback(u) = uᵀ·∂f/∂x for each argument; integer arguments get None.

    >>> import chainrule as cr
    >>> value, pullback = cr.vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> float(value), [float(g) for g in pullback(1.0)]
    (12.0, [4.0, 3.0])
    """
    traced = _Traced(fn, arguments)
    value = rebuild_tree(traced.output_tree, traced.finish(traced.outputs))

    def pullback(cotangent: Any) -> Any:
        seeds = [as_node(ct) for ct in flatten(cotangent)[0]]
        if len(seeds) != len(traced.outputs):
            raise ArgumentError(
                f"vjp: {len(seeds)} cotangents for {len(traced.outputs)} results", where=user_place()
            )
        wrt = [x for x in traced.inputs if is_float(x.dtype)]
        found = dict(zip(wrt, differentiate.vjp(traced.outputs, seeds, wrt), strict=True))
        nodes = [found[x] if found[x] is not None else _zeros(x) for x in wrt]
        results = dict(zip(wrt, traced.finish([node for node in nodes if node is not None]), strict=True))
        return tuple(rebuild_tree(flatten(traced.arguments)[1], [results.get(x) for x in traced.inputs]))

    return value, pullback


def jvp(fn: Function, arguments: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The value of ``fn`` and its derivative along ``tangents``: ∂f/∂x · t, of the result's shape.

    >>> import chainrule as cr
    >>> value, change = cr.jvp(lambda x: x ** 3, (4.0,), (1.0,))
    >>> float(value), float(change)
    (64.0, 48.0)
    """
    traced = _Traced(fn, arguments)
    directions = [as_node(t) for t in flatten(tuple(tangents))[0]]
    _check_tangents(traced.inputs, directions)
    pairs = [(x, t) for x, t in zip(traced.inputs, directions, strict=True) if is_float(x.dtype)]
    found = differentiate.jvp(traced.outputs, [x for x, _ in pairs], [t for _, t in pairs])
    changes = [_zeros(output) if c is None else c for output, c in zip(traced.outputs, found, strict=True)]
    results = traced.finish([*traced.outputs, *changes])
    half = len(traced.outputs)
    return rebuild_tree(traced.output_tree, results[:half]), rebuild_tree(traced.output_tree, results[half:])


def _check_tangents(inputs: Sequence[Node], tangents: Sequence[Node]) -> None:
    if len(inputs) != len(tangents):
        raise ArgumentError(f"jvp: {len(tangents)} tangents for {len(inputs)} arguments", where=user_place())
    for x, t in zip(inputs, tangents, strict=True):
        if x.shape != t.shape:
            raise ShapeError(
                f"jvp: a tangent of shape {t.shape} for an argument of shape {x.shape}", where=user_place()
            )


def jacobian(fn: Function, argnums: int = 0) -> Function:
    """The Jacobian function: ``jacobian(f)(x)[i…, j…] = ∂f(x)[i…] / ∂x[j…]``.

    >>> import chainrule as cr
    >>> cr.jacobian(lambda x: cr.tanh(x) * 2)([0.0, 0.0])
    array([[2., 0.],
           [0., 2.]], dtype=float32)
    """

    def jacobian_of(*arguments: Any, **keywords: Any) -> Any:
        traced = _Traced(fn, arguments, keywords)
        wrt, tree = _wanted(traced, argnums, "jacobian")
        rows = [[differentiate.jacobian(output, x) for x in wrt] for output in traced.outputs]
        flat = traced.finish([node for row in rows for node in row])
        found = [
            rebuild_tree(tree, flat[start : start + len(wrt)]) for start in range(0, len(flat), len(wrt) or 1)
        ]
        return rebuild_tree(traced.output_tree, found)

    return jacobian_of


def hessian(fn: Function, argnums: int = 0) -> Function:
    """The matrix of second derivatives of a scalar function: ``hessian(f)(x)[i…, j…] = ∂²f/∂x[i…]∂x[j…]``.

    >>> import chainrule as cr
    >>> cr.hessian(lambda x: x[0] * x[0] * x[1])([1.0, 2.0])
    array([[4., 2.],
           [2., 0.]], dtype=float32)
    """
    return jacobian(grad(fn, argnums), argnums)


def hvp(fn: Function, arguments: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The Hessian of a scalar function times a vector, without the Hessian: one more sweep.

    With one argument the product alone is returned, with several a tuple, one for each.

    >>> import chainrule as cr
    >>> cr.hvp(lambda x: (x ** 3).sum(), ([1.0, 2.0],), ([1.0, 1.0],))
    array([ 6., 12.], dtype=float32)
    """
    everything = tuple(range(len(arguments)))
    _, product = jvp(grad(fn, everything), arguments, tangents)
    return product[0] if len(arguments) == 1 else product


def _zeros(x: Node) -> Node:
    return constant(np.zeros(x.shape, x.dtype))


def backward(output: Node) -> None:
    """Put ∂output/∂v into ``v.grad`` for every variable ``v`` that the scalar ``output`` depends on.

    What stood there is replaced, not added to; a variable that nothing flows to gets None.

    >>> import chainrule as cr
    >>> x = cr.variable(3.0)
    >>> (x * x).backward()
    >>> float(x.grad)
    6.0
    """
    variables = [n for n in topological([output]) if isinstance(n, Variable) and is_float(n.dtype)]
    found = differentiate.gradients(output, variables)
    values = iter(evaluate([g for g in found if g is not None]))
    for variable, gradient in zip(variables, found, strict=True):
        variable.grad = None if gradient is None else np.array(next(values))


set_backward(backward)
