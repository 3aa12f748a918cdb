"""Logistic regression on which words and pairs of words a text has: the baseline of text classifiers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import nn, ops
from ..graph import Node, variable
from ..nn import Module
from ..nn.initialisers import zeros


class BagOfNgrams(Module):
    """Sparse one-hot features: the scores of a text are the sum of the rows of its n-grams, and a bias.

    With φ(x) the vector that is 1 at each n-gram of the text, the scores are ``φ(x)·U + c``; the product
    with a sparse vector is a look-up.  Input (batch, n-grams) ids, 0 behind the last; output (batch,
    classes).  Everything starts from 0: the loss is convex, so nothing has to be broken up.

    >>> import chainrule as cr
    >>> net = BagOfNgrams(100_000, 2)
    >>> net(cr.placeholder((50, 80), "int32")).shape, net.parameter_count()
    ((50, 2), 200002)
    """

    def __init__(self, features: int, classes: int) -> None:
        self.weight = nn.Embedding(features, classes, seed=0, padding=0, initial=zeros)
        self.bias = variable([0.0] * classes)

    def forward(self, ngrams: Node) -> Node:
        rows: Node = self.weight(ngrams)
        return ops.sum(rows, axis=1) + self.bias

    def describe(self) -> str:
        features, classes = self.weight.weight.shape
        return f"{features} → {classes}"


def distinct_ngrams(tokens: Sequence[str], orders: Iterable[int] = (1, 2)) -> list[str]:
    """The n-grams of these orders, each once, in the order in which they are met; words joined by a space.

    >>> distinct_ngrams(["to", "be", "or", "not", "to", "be"])
    ['to', 'be', 'or', 'not', 'to be', 'be or', 'or not', 'not to']
    """
    found = (
        " ".join(tokens[start : start + order])
        for order in orders
        for start in range(len(tokens) - order + 1)
    )
    return list(dict.fromkeys(found))
