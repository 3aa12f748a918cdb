"""What an op is: a value rule, a derivative rule and a shape rule, of one kind of node.

The class here owns nothing but the contract; the families in ``chainrule.ops`` add shapes,
broadcasting and dtypes, and an op adds only what is its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, DerivativeError

if TYPE_CHECKING:
    from .node import Node

Shape = tuple[int, ...]


class Op:
    """One kind of node.

    A user's own op needs two methods:

    - ``forward(xp, *values, **attributes)``: the value, from arrays, with ``xp`` the array module.
      It must be pure, and its result's shape may depend only on its inputs' shapes.
    - ``vjp(ct, out, *inputs)``: for the cotangent ``ct`` of the result, one node for each input (or
      ``None`` where nothing flows), written in graph ops so that it can be differentiated again.
    """

    #: The name in tables and messages; the class name in snake case unless the class says otherwise.
    name: str = ""
    #: How a person writes the value, for example ``"tanh({x})"``; inputs are x, y, z, u, v, w.
    formula: ClassVar[str] = ""

    def __init__(self) -> None:
        self.name = self.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """The arguments with the casts that the dtype policy asks for; what is no node becomes a constant."""
        return inputs

    def infer(self, *inputs: Any, **attributes: Any) -> tuple[Shape, DType]:
        """Shape and dtype of the result.

        Without a rule of its own an op's ``forward`` is run once on ones of the inputs' shapes.
        """
        with np.errstate(all="ignore"):
            sample = np.asarray(self.forward(np, *(np.ones(x.shape, x.dtype) for x in inputs), **attributes))
        return sample.shape, as_dtype(sample.dtype)

    def forward(self, xp: Any, /, *values: Any, **attributes: Any) -> Any:
        """The value of the node, from the values of its inputs."""
        raise ArgumentError(f"the op {self.name!r} has no forward rule", mend="define forward(self, xp, …)")

    def vjp(self, ct: Node, out: Node, /, *inputs: Any) -> Sequence[Node | None]:
        """Cotangents of the inputs for the cotangent ``ct`` of ``out``."""
        raise DerivativeError(
            f"the op {self.name!r} has no derivative rule",
            mend="define vjp(self, ct, out, *inputs), or put cr.stop_gradient around its result",
        )

    def render(self, *inputs: str, **attributes: Any) -> str:
        """The value as a person writes it, from the texts of the inputs."""
        if self.formula:
            names = "xyzuvw"
            return self.formula.format(**dict(zip(names, inputs, strict=False)), **attributes)
        shown = [*inputs, *(f"{key}={value}" for key, value in attributes.items() if value is not None)]
        return f"{self.name}({', '.join(shown)})"

    def __repr__(self) -> str:
        return f"<op {self.name}>"


class Leaf(Op):
    """A node without inputs; its value comes from an environment, never from a rule."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    def render(self, *inputs: str, **attributes: Any) -> str:
        return self.name


VARIABLE = Leaf("variable")
PLACEHOLDER = Leaf("placeholder")
CONSTANT = Leaf("constant")
