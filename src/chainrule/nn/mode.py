"""How a network is being run: training or evaluation, with which random key.

The mode is an argument, never a switch inside the model: the same model can be run both ways in one
program, and nothing has to be switched back.
"""

from __future__ import annotations

from collections import Counter
from zlib import crc32

from ..errors import ArgumentError
from ..graph import Node, Variable, current_module, user_place
from ..ops import random


class Mode:
    """Training (dropout drops, batch norm uses the batch's statistics) or evaluation.

    ``key`` is a random key (:func:`chainrule.random.key`, folded with the step's number); each module
    that needs randomness derives its own from it by its place in the model and the number of its call.
    ``updates`` collects what modules want replaced after the step, such as running means.  So a mode is
    for one pass: a new one for each graph.

    >>> import chainrule as cr
    >>> drop, x = cr.nn.Dropout(0.5), cr.constant([1.0] * 100)
    >>> mode = cr.nn.training(cr.random.key(0))
    >>> bool((drop(x, mode=mode).value == drop(x, mode=mode).value).all())  # two calls, two masks
    False
    """

    def __init__(self, training: bool, key: Node | None = None) -> None:
        self.training = training
        self.key = key
        self.updates: dict[Variable, Node] = {}
        self._calls: Counter[int] = Counter()

    def key_here(self) -> Node:
        """The key of the module whose call is running: another one each time it is called."""
        path = current_module()
        if self.key is None:
            raise ArgumentError(
                f"{path or 'the module'} draws random numbers in training and was given no key",
                where=user_place(),
                mend="run it with mode=cr.nn.training(cr.random.key(seed))",
            )
        place = crc32(path.encode())  # the same in every process, unlike hash
        call = self._calls[place]
        self._calls[place] += 1
        return random.fold_in(random.fold_in(self.key, place), call)

    def __repr__(self) -> str:
        return f"<mode {'training' if self.training else 'evaluation'}>"


EVALUATE = Mode(training=False)
"""The mode of a call that says nothing: no dropout, stored statistics."""


def training(key: Node | None = None) -> Mode:
    """A fresh training mode with this random key.

    >>> import chainrule as cr
    >>> mode = cr.nn.training(cr.random.key(0))
    >>> mode.training, cr.nn.EVALUATE.training
    (True, False)
    """
    return Mode(True, key)
