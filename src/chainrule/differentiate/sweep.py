"""The backward sweep: one table, node → cotangent, filled in reverse topological order.

This is Algorithm 5.4 of the lectures, with nodes of the graph in place of numbers: what it writes can
be drawn, compiled, and differentiated again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..dtypes import is_float
from ..errors import ChainruleError, DerivativeError
from ..graph import Node, derived_from, topological
from ..ops import Composite, astype, parts, reshape
from ..ops import sum as sum_

#: Told of each product of the chain rule: the consumer, which of its inputs, and the contribution.
Observer = Callable[[Node, int, Node], None]


def sweep(
    cotangents: Mapping[Node, Node],
    wrt: Sequence[Node],
    observe: Observer | None = None,
    *,
    stop: frozenset[Node] = frozenset(),
) -> dict[Node, Node]:
    """The cotangents of all nodes on a path from ``wrt`` to the outputs that ``cotangents`` seeds.

    Each node's cotangent is the sum of one contribution for each of its consumers, added in reverse
    topological order.  Only nodes on such a path are visited; those of ``stop`` count as leaves.
    """
    order = topological(cotangents, stop=stop.__contains__)
    pending: dict[Node, Node] = dict(cotangents)
    on_path = _differentiable(order, wrt)
    _propagate(order, pending, on_path, stop, observe)
    return pending


def _differentiable(order: Sequence[Node], wrt: Sequence[Node]) -> set[Node]:
    """The float nodes of ``order`` that a change of ``wrt`` can reach through float nodes."""
    reached = set(wrt)
    for node in order:
        if node in reached or not is_float(node.dtype):
            continue
        for child in node.inputs:
            if child in reached:
                reached.add(node)
                break
    return reached


def _propagate(
    order: Sequence[Node],
    pending: dict[Node, Node],
    on_path: set[Node],
    leaves: frozenset[Node],
    observe: Observer | None,
) -> None:
    for node in reversed(order):
        ct = pending.get(node)
        if ct is None or not node.inputs or node not in on_path or node in leaves:
            continue
        with derived_from(node.origin, f"gradient of {node.op.name}"):
            contributions = _contributions(node, ct, on_path)
            for index, (child, part) in enumerate(zip(node.inputs, contributions, strict=True)):
                if part is None or child not in on_path:
                    continue
                part = _conform(part, child, node, index)
                if observe is not None:
                    observe(node, index, part)
                standing = pending.get(child)
                pending[child] = part if standing is None else standing + part


def _contributions(node: Node, ct: Node, on_path: set[Node]) -> Sequence[Node | None]:
    """What each input of ``node`` receives: upstream × local, by the op's rule or its parts'."""
    op = node.op
    if isinstance(op, Composite) and not op.has_own_derivative():
        return _through_parts(node, ct, on_path)
    try:
        found = op.vjp(ct, node, *node.inputs)
    except ChainruleError as error:
        if error.where is not None:
            raise
        raise type(error)(error.what, where=str(node.origin), mend=error.mend) from None
    if isinstance(found, Node) or len(found) != len(node.inputs):
        count = 1 if isinstance(found, Node) else len(found)
        raise DerivativeError(
            f"the vjp of {op.name!r} gave {count} result(s) for {len(node.inputs)} input(s)",
            where=str(node.origin),
            mend="return a tuple with one node, or None, for each input",
        )
    return found


def _through_parts(node: Node, ct: Node, on_path: set[Node]) -> Sequence[Node | None]:
    """The contributions of a composite without a rule of its own: a sweep over its inner graph."""
    inputs = frozenset(node.inputs)
    pending = sweep({parts(node): ct}, [child for child in node.inputs if child in on_path], stop=inputs)
    found: dict[Node, Node | None] = {child: pending.get(child) for child in inputs}
    # An input given twice receives its whole sum once.
    return [found.pop(child, None) for child in node.inputs]


def _conform(part: Node, child: Node, node: Node, index: int) -> Node:
    """The contribution in the input's shape and dtype: broadcast axes are summed away, once, here."""
    if part.shape != child.shape:
        part = unbroadcast(part, child, node, index)
    return part if part.dtype is child.dtype else astype(part, child.dtype)


def unbroadcast(part: Node, child: Node, node: Node, index: int) -> Node:
    """Sum ``part`` over the axes along which ``child`` was broadcast."""
    lead = part.ndim - child.ndim
    fits = lead >= 0 and all(
        want in (1, have) for want, have in zip(child.shape, part.shape[max(lead, 0) :], strict=False)
    )
    if not fits:
        raise DerivativeError(
            f"the vjp of {node.op.name!r} gave input {index} a gradient of shape {part.shape}; "
            f"the input has shape {child.shape}",
            where=str(node.origin),
            mend="a gradient has the shape of what it is the gradient of",
        )
    stretched = tuple(
        lead + axis for axis, want in enumerate(child.shape) if want == 1 and part.shape[lead + axis] != 1
    )
    axes = tuple(range(lead)) + stretched
    return reshape(sum_(part, axis=axes), child.shape) if axes else reshape(part, child.shape)
