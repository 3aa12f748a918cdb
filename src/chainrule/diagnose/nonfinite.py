"""Where a NaN came from, told to a person; the search itself is in ``engines/nonfinite.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .. import differentiate
from ..dtypes import is_float
from ..engines.nonfinite import Finding, first_nonfinite
from ..errors import ArgumentError
from ..graph import Node, Variable, bind, topological, user_place


class NonFiniteReport(NamedTuple):
    """The answer, for every output and for the first of them that is not finite."""

    outputs: tuple[Node, ...]
    finding: Finding | None
    gradient_of: Node | None = None
    """The output whose gradient was looked at, every value being finite."""

    def __bool__(self) -> bool:
        """Whether something is not finite."""
        return self.finding is not None

    def __str__(self) -> str:
        names = ", ".join(node.label for node in self.outputs)
        if self.gradient_of is not None:
            what = self.gradient_of.name or "the loss"
            names = f"{what} is finite; its gradient with respect to {names}"
        if self.finding is None:
            return f"{names}: every value is finite"
        return f"{names}: not finite\n{self.finding}"


def explain_nonfinite(
    outputs: Node | Sequence[Node], feed: Mapping[Any, Any] | None = None, *, gradients: bool = True
) -> NonFiniteReport:
    """Name the first element, in forward order, that became a NaN or an infinity out of finite numbers.

    With it: its op and line, the way back to the row of the data or the parameter, whether the forward
    pass hid it, and the mend that fits.  ``outputs`` may be values, gradients or updates; ``feed`` gives
    placeholders their arrays, as in ``cr.evaluate``.  Of a scalar whose value is finite the gradients with
    respect to all variables are looked at as well, unless ``gradients=False``.  Infinities that never reach
    an output are not accused.

    >>> import chainrule as cr
    >>> p = cr.variable([1.0, 0.0], name="p")
    >>> print(explain_nonfinite(cr.log(p).sum()))
    sum: not finite
    log first gives -∞ at [1] (1 of 2 elements are not finite)
      written at: <doctest ...>:1
      input 0: p = 0
      why: log of 0
      mend: keep the argument above 0: log(cr.maximum(x, 1e-12)); or take the loss from logits ...
    """
    targets = tuple(outputs) if isinstance(outputs, Sequence) else (outputs,)
    for output in targets:
        if not isinstance(output, Node):
            raise ArgumentError(f"explain_nonfinite: {output!r} is not a node", where=user_place())
    environment = bind(feed)
    finding = first_nonfinite(targets, environment)
    if finding is not None or not gradients:
        return NonFiniteReport(targets, finding)
    for output in targets:
        if output.size != 1 or not is_float(output.dtype):
            continue
        leaves = [n for n in topological([output]) if isinstance(n, Variable) and is_float(n.dtype)]
        flowing = [
            (leaf, g)
            for leaf, g in zip(leaves, differentiate.gradients(output, leaves), strict=True)
            if g is not None
        ]
        finding = first_nonfinite([g for _, g in flowing], environment)
        if finding is not None:
            return NonFiniteReport(tuple(leaf for leaf, _ in flowing), finding, output)
    return NonFiniteReport(targets, None)
