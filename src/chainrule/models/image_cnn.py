"""A small convolutional network for images, after LeNet-5 (LeCun et al., 1998)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from .. import nn
from ..errors import ArgumentError, ShapeError
from ..functions import relu
from ..graph import Node
from ..nn import EVALUATE, Mode, Module
from ..nn.initialisers import Initialiser, Seeds
from ..ops import expand_dims
from .perceptron import MLP


class ImageCNN(Module):
    """Stages of convolution, activation and 2×2 max pooling, then the layers of an :class:`MLP`.

    ``image`` is (height, width) or (height, width, channels): 1 for grey, 3 for colour.  Each number in
    ``filters`` is a stage; windows are ``window``×``window`` and padded, so that only pooling shrinks
    the image, to half at each stage.  Dropout stands behind the hidden layers.  The outputs are logits.

    Input (batch, *image), output (batch, outputs).  Errors: ``ArgumentError`` where pooling leaves
    nothing of the image, ``ShapeError`` for images of another size.

    >>> import chainrule as cr
    >>> net = ImageCNN((28, 28), 10, seed=0, filters=[6, 16], hidden=[120, 84])
    >>> net(cr.placeholder((32, 28, 28))).shape, net.parameter_count()
    ((32, 10), 107786)
    >>> colour = ImageCNN((32, 32, 3), 10, seed=0)
    >>> colour(cr.placeholder((8, 32, 32, 3))).shape
    (8, 10)
    """

    def __init__(
        self,
        image: Sequence[int],
        outputs: int,
        *,
        seed: int | Seeds,
        filters: Sequence[int] = (8, 16),
        window: int = 5,
        hidden: Sequence[int] = (64,),
        activation: Callable[[Node], Node] = relu,
        dropout: float = 0.0,
        initial: Initialiser | None = None,
    ) -> None:
        height, width, *colours = image
        channels = [*(colours or [1]), *filters]
        if window % 2 == 0:
            raise ArgumentError(
                f"windows of {window}×{window} cannot be padded evenly", mend="give an odd size"
            )
        shrunk = (height >> len(filters), width >> len(filters))
        if 0 in shrunk:
            raise ArgumentError(
                f"{len(filters)} stages of pooling leave nothing of images of {height}×{width}",
                mend="give fewer filters",
            )
        seeds = Seeds(seed)
        self.image = tuple(image)
        self.convolutions = [
            nn.Conv2d(before, after, window, seed=seeds, padding=window // 2, initial=initial)
            for before, after in pairwise(channels)
        ]
        self.activation = nn.Function(activation)
        self.pool = nn.MaxPool2d(2)
        flat = shrunk[0] * shrunk[1] * channels[-1]
        self.head = MLP(
            [flat, *hidden, outputs], seed=seeds, activation=activation, dropout=dropout, initial=initial
        )

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        if x.shape[1:] != self.image:
            raise ShapeError(f"images of shape {x.shape[1:]}; the network takes {self.image}")
        h = x if x.ndim == 4 else expand_dims(x, 3)
        for convolution in self.convolutions:
            h = self.pool(self.activation(convolution(h)))
        return self.head(h, mode=mode)  # type: ignore[no-any-return]  # a module may return anything
