"""Dropout: features set to zero at random while training, so that no unit leans on another."""

from __future__ import annotations

from ..errors import ArgumentError
from ..graph import Node, NodeLike, apply, as_node, user_place
from ..ops import Composite, where
from ..ops.random import bernoulli
from .softmax import as_float


class Dropout(Composite):
    """Inputs: x, and a generator's key."""

    def build(self, x: Node, key: Node, *, rate: float) -> Node:
        kept = bernoulli(key, 1 - rate, x.shape)
        return where(kept, x * (1 / (1 - rate)), 0)


_DROPOUT = Dropout()


def dropout(x: NodeLike, rate: float, key: NodeLike) -> Node:
    """Each element 0 with probability ``rate``, else ``x / (1 - rate)``, so that the mean stays.

    ``key`` (from ``cr.random.key`` and ``fold_in``) fixes the mask: the same key drops the same
    elements, in every engine, and the gradient flows through those that were kept.  A rate of 0 is the
    identity.  Raises ``ArgumentError`` for a rate outside [0, 1).  (Srivastava et al., 2014.)

    >>> import chainrule as cr
    >>> y = cr.dropout([1.0] * 1000, 0.5, cr.random.key(0)).value
    >>> sorted(set(y.tolist())), bool(400 < (y == 0).sum() < 600)
    ([0.0, 2.0], True)
    """
    if not 0 <= rate < 1:
        raise ArgumentError(
            f"dropout: a rate of {rate} is outside [0, 1)",
            where=user_place(),
            mend="the rate is the share of elements that become 0",
        )
    node = as_float(x)
    return node if rate == 0 else apply(_DROPOUT, node, as_node(key), rate=float(rate))
