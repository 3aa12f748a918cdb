"""Where a NaN came from, told to a person; the search itself is in ``engines/nonfinite.py``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..engines.nonfinite import Finding, first_nonfinite
from ..graph import Node, bind


class NonFiniteReport(NamedTuple):
    """The answer, for every output and for the first of them that is not finite."""

    outputs: tuple[Node, ...]
    finding: Finding | None

    def __bool__(self) -> bool:
        """Whether something is not finite."""
        return self.finding is not None

    def __str__(self) -> str:
        names = ", ".join(node.label for node in self.outputs)
        if self.finding is None:
            return f"{names}: every value is finite"
        return f"{names}: not finite\n{self.finding}"


def explain_nonfinite(
    outputs: Node | Sequence[Node], feed: Mapping[Any, Any] | None = None
) -> NonFiniteReport:
    """Name the first node, in forward order, that made a NaN or an infinity out of finite inputs.

    ``outputs`` may be values, gradients or updates; ``feed`` gives placeholders their arrays, as in
    ``cr.evaluate``.  Infinities that never reach an output are not accused.

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
    targets = (outputs,) if isinstance(outputs, Node) else tuple(outputs)
    return NonFiniteReport(targets, first_nonfinite(targets, bind(feed)))
