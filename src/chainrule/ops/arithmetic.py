"""Arithmetic, elementwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import is_integer
from ..errors import ArgumentError
from ..graph import Constant, Node, as_node, constant
from .comparison import equal, greater_equal, where
from .defining import binary, unary
from .elementwise import Elementwise, promote_inputs
from .transcendental import log

# Ops are written in the operators of nodes, so each rule reads as in a textbook.


class Add(Elementwise):
    """The sum ``x + y``, elementwise; of two booleans, whether either holds.

    >>> import chainrule as cr
    >>> cr.add([1.0, 2.0], 10).value
    array([11., 12.], dtype=float32)
    """

    formula = "{x} + {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.add(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.add(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct, ct


class Subtract(Elementwise):
    """The difference ``x - y``, elementwise.

    >>> import chainrule as cr
    >>> cr.subtract(10, [1.0, 2.0]).value
    array([9., 8.], dtype=float32)
    """

    formula = "{x} - {y}"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.subtract(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.sub(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct, -ct


class Multiply(Elementwise):
    """The product ``x · y``, elementwise.

    >>> import chainrule as cr
    >>> cr.multiply([1.0, 2.0], 10).value
    array([10., 20.], dtype=float32)
    """

    formula = "{x} * {y}"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.multiply(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.mul(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct * y, ct * x


class Divide(Elementwise):
    """The quotient ``x / y``, elementwise; integers are divided as float32.

    >>> import chainrule as cr
    >>> cr.divide([1, 2], 4).value
    array([0.25, 0.5 ], dtype=float32)
    """

    formula = "{x} / {y}"
    to_float = True

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.divide(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.div(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        share = ct / y
        return share, -share * out


class FloorDivide(Elementwise):
    """The quotient rounded down, ``⌊x / y⌋``; an integer divided by zero is 0.

    >>> import chainrule as cr
    >>> cr.floor_divide([7, -7], 2).value
    array([ 3, -4])
    """

    formula = "floor({x} / {y})"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind == "f":
            return xp.floor_divide(x, y)
        return xp.where(y == 0, xp.zeros_like(x), xp.floor_divide(x, xp.where(y == 0, xp.ones_like(y), y)))

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.floordiv(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return None, None  # a step function


class Remainder(Elementwise):
    """The remainder ``x - y·⌊x / y⌋``, which has the sign of ``y``; an integer modulo zero is 0.

    >>> import chainrule as cr
    >>> cr.remainder([7, -7], 3).value
    array([1, 2])
    """

    formula = "{x} % {y}"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind == "f":
            return xp.remainder(x, y)
        return xp.where(y == 0, xp.zeros_like(x), xp.remainder(x, xp.where(y == 0, xp.ones_like(y), y)))

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.mod(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        return ct, -ct * floor_divide(x, y)


class Negative(Elementwise):
    """The negative ``-x``.

    >>> import chainrule as cr
    >>> cr.negative([1.0, -2.0]).value
    array([-1.,  2.], dtype=float32)
    """

    formula = "-{x}"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.negative(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.neg(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (-ct,)


class Sign(Elementwise):
    """-1, 0 or 1 by the sign of ``x``: the perceptron's activation; its derivative is 0 everywhere.

    >>> import chainrule as cr
    >>> cr.sign([-2.5, 0.0, 3.0]).value
    array([-1.,  0.,  1.], dtype=float32)
    """

    kinds = "iuf"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sign(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.sign(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (None,)


class Abs(Elementwise):
    """The absolute value ``|x|``; its derivative at 0 is taken as 0.

    >>> import chainrule as cr
    >>> cr.abs([-2.0, 3.0]).value
    array([2., 3.], dtype=float32)
    """

    formula = "|{x}|"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.abs(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.abs_(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * sign(x),)


class Pow(Elementwise):
    """The power ``x ** y``.

    ∂/∂x = y·x^(y-1) and ∂/∂y = log(x)·x^y, both taken as 0 where the formula would be 0·∞.

    An integer to a negative power is an ``ArgumentError`` where the power is known when this is written;
    where it is known only when the graph runs, the result is 0.

    >>> import chainrule as cr
    >>> x = cr.variable(4.0)
    >>> float(x ** 3), float(cr.gradients(x ** 3, x))
    (64.0, 48.0)
    """

    formula = "{x} ** {y}"
    kinds = "iuf"

    def prepare(self, inputs: Sequence[Any]) -> Sequence[Any]:
        x, y = promote_inputs(inputs)
        power = as_node(inputs[1])
        if is_integer(x.dtype) and isinstance(power, Constant) and (power.array < 0).any():
            raise ArgumentError(
                f"an integer to the power {power.array.min()} is no integer",
                mend="make the base a float first: x.astype('float32') ** power",
            )
        return x, y

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        if x.dtype.kind != "f":  # NumPy refuses a negative power of integers; the graph defines it as 0
            return xp.where(y < 0, xp.zeros_like(x), xp.power(x, xp.where(y < 0, xp.zeros_like(y), y)))
        return xp.power(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.pow_(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        by_exponent = where(equal(x, 0), 0, log(where(equal(x, 0), 1, x))) * out
        if isinstance(y, Constant) and y.array.all():  # x ** 3: the rule as it stands in a textbook
            return ct * (y * pow(x, constant(y.array - 1))), ct * by_exponent
        flat = equal(y, 0)
        by_base = where(flat, 0, y * pow(x, where(flat, 1, y - 1)))
        return ct * by_base, ct * by_exponent


class Maximum(Elementwise):
    """The larger of ``x`` and ``y``; a tie's derivative goes to the first, and a NaN stays one.

    >>> import chainrule as cr
    >>> y, z = cr.variable(2.0), cr.variable(0.0)
    >>> [float(g) for g in cr.gradients(cr.maximum(y, z), [y, z])]
    [1.0, 0.0]
    """

    formula = "max({x}, {y})"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.maximum(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.max_(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        first = greater_equal(x, y)
        zeros = constant(np.zeros((), ct.dtype))
        return where(first, ct, zeros), where(first, zeros, ct)


class Minimum(Elementwise):
    """The smaller of ``x`` and ``y``; a tie's derivative goes to the first, and a NaN stays one.

    >>> import chainrule as cr
    >>> cr.minimum([1.0, 5.0], 3).value
    array([1., 3.], dtype=float32)
    """

    formula = "min({x}, {y})"

    def forward(self, xp: Any, x: Any, y: Any) -> Any:
        return xp.minimum(x, y)

    def lower(self, loops: Any, x: Any, y: Any) -> Any:
        return loops.min_(x, y)

    def vjp(self, ct: Node, out: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
        first = greater_equal(y, x)
        zeros = constant(np.zeros((), ct.dtype))
        return where(first, ct, zeros), where(first, zeros, ct)


class Reciprocal(Elementwise):
    """The reciprocal ``1 / x``.

    >>> import chainrule as cr
    >>> cr.reciprocal([2.0, 4.0]).value
    array([0.5 , 0.25], dtype=float32)
    """

    formula = "1 / {x}"
    to_float = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.reciprocal(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.div(1, x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (-ct * square(out),)


class Square(Elementwise):
    """The square ``x²``.

    >>> import chainrule as cr
    >>> cr.square([2.0, -3.0]).value
    array([4., 9.], dtype=float32)
    """

    formula = "{x}²"
    kinds = "iuf"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.square(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.mul(x, x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (2 * x),)


class Sqrt(Elementwise):
    """The square root ``√x``; NaN below 0, and a derivative of ∞ at 0.

    >>> import chainrule as cr
    >>> cr.sqrt([4.0, 9.0]).value
    array([2., 3.], dtype=float32)
    """

    formula = "√{x}"
    to_float = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sqrt(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.sqrt(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (0.5 / out),)


class Rsqrt(Elementwise):
    """The reciprocal square root ``1 / √x``.

    >>> import chainrule as cr
    >>> cr.rsqrt([4.0, 16.0]).value
    array([0.5 , 0.25], dtype=float32)
    """

    formula = "1 / √{x}"
    to_float = True

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.reciprocal(xp.sqrt(x))

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.div(1, loops.sqrt(x))

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (-0.5 * out / x),)


add = binary(Add)
subtract = binary(Subtract)
multiply = binary(Multiply)
divide = binary(Divide)
floor_divide = binary(FloorDivide)
remainder = binary(Remainder)
negative = unary(Negative)
sign = unary(Sign)
abs = unary(Abs)
pow = binary(Pow)
maximum = binary(Maximum)
minimum = binary(Minimum)
reciprocal = unary(Reciprocal)
square = unary(Square)
sqrt = unary(Sqrt)
rsqrt = unary(Rsqrt)
