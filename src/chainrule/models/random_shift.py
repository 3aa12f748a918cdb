"""Training images moved at random by some pixels, so that a network learns shapes and not places."""

from __future__ import annotations

import numpy as np

from .. import nn
from ..errors import ArgumentError, ShapeError
from ..graph import Node, constant
from ..ops import (
    astype,
    expand_dims,
    greater_equal,
    less,
    logical_and,
    maximum,
    minimum,
    random,
    remainder,
    reshape,
    take,
    where,
)


class RandomShift(nn.Module):
    """In training each image is moved by whole numbers of pixels, each of ``-most … most`` as likely.

    The number of rows and that of columns are drawn for each image apart; what comes in from beyond the
    edge is 0.  In evaluation the identity.  Input and output: (batch, height, width, …).

    >>> import chainrule as cr
    >>> dots = np.zeros((500, 3, 3), np.float32)
    >>> dots[:, 1, 1] = 1
    >>> moved = RandomShift(1)(cr.constant(dots), mode=cr.nn.training(cr.random.key(0))).value
    >>> moved.sum(axis=(1, 2)).min(), bool((moved.mean(axis=0) > 0.05).all())  # each to one of nine places
    (np.float32(1.0), True)
    """

    depends_on_mode = True

    def __init__(self, most: int) -> None:
        if most < 0:
            raise ArgumentError(f"a shift by up to {most} pixels", mend="give 0 or more")
        self.most = most

    def forward(self, images: Node, mode: nn.Mode = nn.EVALUATE) -> Node:
        if not mode.training or self.most == 0:
            return images
        if images.ndim < 3:
            raise ShapeError(f"images of shape {images.shape}; (batch, height, width, …) is needed")
        count, height, width = images.shape[:3]
        words = random.bits(mode.key_here(), (2, count))
        moves = astype(remainder(words, np.uint32(2 * self.most + 1)), "int64") - self.most
        rows, in_rows = _places(moves[0], height)
        columns, in_columns = _places(moves[1], width)
        # Each pixel's number among all of the batch: one look-up does the rest.
        first = constant(np.arange(count) * height)[:, None, None]
        places = (first + expand_dims(rows, 2)) * width + expand_dims(columns, 1)
        found = take(reshape(images, (count * height * width, *images.shape[3:])), places, axis=0)
        inside = logical_and(expand_dims(in_rows, 2), expand_dims(in_columns, 1))
        return where(reshape(inside, (*inside.shape, *(1,) * (images.ndim - 3))), found, 0)

    def describe(self) -> str:
        return f"up to {self.most}"


def _places(moves: Node, size: int) -> tuple[Node, Node]:
    """Where each place of an axis is read from, held to the axis, and whether it was on it: (batch, size)."""
    wanted = constant(np.arange(size))[None, :] - moves[:, None]
    on_it = logical_and(greater_equal(wanted, 0), less(wanted, size))
    return minimum(maximum(wanted, 0), size - 1), on_it
