"""Modules made of modules: a sequence, a skip connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ArgumentError
from ..graph import Node, user_place
from .mode import EVALUATE, Mode
from .module import Module, function_text, indented


class Sequential(Module):
    """Modules, or functions of a node, one after the other.

    >>> import chainrule as cr
    >>> seeds = cr.nn.Seeds(0)
    >>> net = cr.nn.Sequential(cr.nn.Linear(4, 8, seed=seeds), cr.tanh, cr.nn.Linear(8, 2, seed=seeds))
    >>> net(cr.placeholder((3, 4))).shape
    (3, 2)
    >>> net
    Sequential(
      (0): Linear(4 → 8)
      (1): tanh
      (2): Linear(8 → 2)
    )
    """

    def __init__(self, *layers: Module | Callable[[Node], Node]) -> None:
        for index, layer in enumerate(layers):
            if isinstance(layer, type) or not callable(layer):
                raise ArgumentError(
                    f"layer {index} of a Sequential is {layer!r}",
                    where=user_place(),
                    mend="give modules or functions; a class is called first: cr.nn.ReLU()",
                )
        self.layers = list(layers)

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        for layer in self.layers:
            x = layer(x, mode=mode) if isinstance(layer, Module) else layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, index: int) -> Any:
        return self.layers[index]

    def __repr__(self) -> str:
        shown = [repr(layer) if isinstance(layer, Module) else function_text(layer) for layer in self.layers]
        return indented("Sequential()", [(str(index), text) for index, text in enumerate(shown)])


class Residual(Module):
    """A skip connection: ``x + f(x)``, so that the gradient has a way past ``f``.  He et al., 2016.

    >>> import chainrule as cr
    >>> block = cr.nn.Residual(cr.nn.Linear(4, 4, seed=0))
    >>> block(cr.placeholder((3, 4))).shape
    (3, 4)
    """

    def __init__(self, inner: Module) -> None:
        self.inner = inner

    def forward(self, x: Node, mode: Mode = EVALUATE) -> Node:
        inner: Node = self.inner(x, mode=mode)
        return x + inner
