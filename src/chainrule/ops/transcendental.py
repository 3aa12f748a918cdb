"""Transcendental functions, elementwise; integers are taken as float32."""

from __future__ import annotations

import math
from typing import Any

from .. import namespace
from ..graph import Node, call
from .defining import binary, unary
from .elementwise import Elementwise


class Transcendental(Elementwise):
    """A function computed in floating point."""

    to_float = True


class Exp(Transcendental):
    """The exponential ``eˣ``.

    >>> import chainrule as cr
    >>> cr.exp([0.0, 1.0]).value
    array([1.      , 2.718282], dtype=float32)
    """

    formula = "exp({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.exp(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.exp(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * out,)


class Expm1(Transcendental):
    """``eˣ - 1``, accurate near 0.

    >>> import chainrule as cr
    >>> cr.expm1([0.0, 1e-6]).value
    array([0.0000000e+00, 1.0000005e-06], dtype=float32)
    """

    formula = "exp({x}) - 1"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.expm1(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.expm1(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (out + 1),)


class Log(Transcendental):
    """The natural logarithm; -∞ at 0, NaN below.

    >>> import chainrule as cr
    >>> cr.log([1.0, 4.0]).value
    array([0.       , 1.3862944], dtype=float32)
    """

    formula = "log({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.log(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / x,)


class Log1p(Transcendental):
    """``log(1 + x)``, accurate near 0.

    >>> import chainrule as cr
    >>> cr.log1p([0.0, 1e-6]).value
    array([0.000000e+00, 9.999995e-07], dtype=float32)
    """

    formula = "log(1 + {x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log1p(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.log1p(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / (1 + x),)


class Log2(Transcendental):
    """The logarithm to base 2.

    >>> import chainrule as cr
    >>> cr.log2([1.0, 8.0]).value
    array([0., 3.], dtype=float32)
    """

    formula = "log2({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.log2(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / (x * math.log(2)),)


class Sin(Transcendental):
    """The sine, of radians.

    >>> import chainrule as cr
    >>> cr.sin([0.0, 1.0]).value
    array([0.      , 0.841471], dtype=float32)
    """

    formula = "sin({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sin(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.sin(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * cos(x),)


class Cos(Transcendental):
    """The cosine, of radians.

    >>> import chainrule as cr
    >>> cr.cos([0.0, 1.0]).value
    array([1.       , 0.5403023], dtype=float32)
    """

    formula = "cos({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.cos(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.cos(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (-ct * sin(x),)


class Tan(Transcendental):
    """The tangent, of radians.

    >>> import chainrule as cr
    >>> cr.tan([0.0, 1.0]).value
    array([0.       , 1.5574077], dtype=float32)
    """

    formula = "tan({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.tan(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (1 + out * out),)


class Sinh(Transcendental):
    """The hyperbolic sine.

    >>> import chainrule as cr
    >>> cr.sinh([0.0, 1.0]).value
    array([0.       , 1.1752012], dtype=float32)
    """

    formula = "sinh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.sinh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * cosh(x),)


class Cosh(Transcendental):
    """The hyperbolic cosine.

    >>> import chainrule as cr
    >>> cr.cosh([0.0, 1.0]).value
    array([1.       , 1.5430807], dtype=float32)
    """

    formula = "cosh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.cosh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * sinh(x),)


class Tanh(Transcendental):
    """The hyperbolic tangent ``(e²ˣ - 1) / (e²ˣ + 1)``, in (-1, 1); its derivative is 1 - tanh².

    >>> import chainrule as cr
    >>> cr.tanh([0.0, 1.0]).value
    array([0.       , 0.7615942], dtype=float32)
    """

    formula = "tanh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.tanh(x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.tanh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (1 - out * out),)


class Arcsin(Transcendental):
    """The inverse of the sine, in [-π/2, π/2]; NaN outside [-1, 1].

    >>> import chainrule as cr
    >>> cr.arcsin([0.0, 1.0]).value
    array([0.       , 1.5707964], dtype=float32)
    """

    formula = "arcsin({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.asin(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / call("sqrt", 1 - x * x),)


class Arccos(Transcendental):
    """The inverse of the cosine, in [0, π]; NaN outside [-1, 1].

    >>> import chainrule as cr
    >>> cr.arccos([0.0, 1.0]).value
    array([1.5707964, 0.       ], dtype=float32)
    """

    formula = "arccos({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.acos(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (-ct / call("sqrt", 1 - x * x),)


class Arctan(Transcendental):
    """The inverse of the tangent, in (-π/2, π/2).

    >>> import chainrule as cr
    >>> cr.arctan([0.0, 1.0]).value
    array([0.       , 0.7853982], dtype=float32)
    """

    formula = "arctan({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.atan(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / (1 + x * x),)


class Arcsinh(Transcendental):
    """The inverse of the hyperbolic sine.

    >>> import chainrule as cr
    >>> cr.arcsinh([0.0, 1.0]).value
    array([0.       , 0.8813736], dtype=float32)
    """

    formula = "arcsinh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.asinh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / call("sqrt", 1 + x * x),)


class Arccosh(Transcendental):
    """The inverse of the hyperbolic cosine; NaN below 1.

    >>> import chainrule as cr
    >>> cr.arccosh([1.0, 2.0]).value
    array([0.      , 1.316958], dtype=float32)
    """

    formula = "arccosh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.acosh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / call("sqrt", x * x - 1),)


class Arctanh(Transcendental):
    """The inverse of the hyperbolic tangent; NaN outside [-1, 1].

    >>> import chainrule as cr
    >>> cr.arctanh([0.0, 0.5]).value
    array([0.        , 0.54930615], dtype=float32)
    """

    formula = "arctanh({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return xp.atanh(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct / (1 - x * x),)


class Arctan2(Transcendental):
    """The angle of the point (y, x), in (-π, π]; the first operand is the ordinate.

    >>> import chainrule as cr
    >>> cr.arctan2([1.0, -1.0], [0.0, -1.0]).value
    array([ 1.5707964, -2.3561945], dtype=float32)
    """

    formula = "arctan2({x}, {y})"

    def forward(self, xp: Any, y: Any, x: Any) -> Any:
        return xp.atan2(y, x)

    def lower(self, loops: Any, y: Any, x: Any) -> Any:
        return loops.atan2(y, x)

    def vjp(self, ct: Node, out: Node, y: Node, x: Node) -> tuple[Node | None, ...]:
        share = ct / (x * x + y * y)
        return share * x, -share * y


class Erf(Transcendental):
    """The error function ``2/√π ∫₀ˣ exp(-t²) dt``.

    >>> import chainrule as cr
    >>> cr.erf([0.0, 1.0]).value
    array([0.       , 0.8427008], dtype=float32)
    """

    formula = "erf({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        return namespace.erf(xp, x)

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.erf(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (2 / math.sqrt(math.pi)) * exp(-x * x),)


class Sigmoid(Transcendental):
    """The logistic function ``σ(x) = 1 / (1 + e⁻ˣ)``, in (0, 1); its derivative is σ·(1 - σ).

    >>> import chainrule as cr
    >>> cr.sigmoid([0.0, 100.0, -1000.0]).value
    array([0.5, 1. , 0. ], dtype=float32)
    """

    formula = "σ({x})"

    def forward(self, xp: Any, x: Any) -> Any:
        small = xp.exp(-xp.abs(x))  # in (0, 1]: neither tail overflows
        return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))

    def lower(self, loops: Any, x: Any) -> Any:
        return loops.sigmoid(x)

    def vjp(self, ct: Node, out: Node, x: Node) -> tuple[Node | None, ...]:
        return (ct * (out * (1 - out)),)


exp = unary(Exp)
expm1 = unary(Expm1)
log = unary(Log)
log1p = unary(Log1p)
log2 = unary(Log2)
sin = unary(Sin)
cos = unary(Cos)
tan = unary(Tan)
sinh = unary(Sinh)
cosh = unary(Cosh)
tanh = unary(Tanh)
arcsin = unary(Arcsin)
arccos = unary(Arccos)
arctan = unary(Arctan)
arcsinh = unary(Arcsinh)
arccosh = unary(Arccosh)
arctanh = unary(Arctanh)
arctan2 = binary(Arctan2)
erf = unary(Erf)
sigmoid = unary(Sigmoid)
