"""chainrule: backprop you can see, at speeds you can use.

>>> import chainrule as cr
>>> a, b, c = cr.variable(3.0), cr.variable(1.0), cr.variable(-2.0)
>>> loss = c * (a + 2 * b)
>>> loss.backward()
>>> float(loss), float(a.grad), float(b.grad), float(c.grad)
(-10.0, -2.0, -4.0, 5.0)
"""

from . import (
    data,
    diagnose,
    differentiate,
    engines,
    errors,
    functions,
    graph,
    models,
    nn,
    ops,
    optim,
    rewrite,
    simplify,
    tasks,
    train,
    view,
)
from .compile import Program, compile, evaluate
from .diagnose import check_gradients
from .differentiate import gradients, why_no_gradient
from .dtypes import bool_, float32, float64, int32, int64, uint32
from .engines.trace import Trace, step_through
from .functions import *  # noqa: F403  # their __all__ says which
from .graph import Node, Op, Placeholder, Variable, constant, format_graph, placeholder, variable
from .ops import *  # noqa: F403  # their __all__ says which
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .version import __version__
