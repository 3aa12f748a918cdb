"""chainrule: backprop you can see, at speeds you can use.

>>> import chainrule as cr
>>> a, b, c = cr.variable(3.0), cr.variable(1.0), cr.variable(-2.0)
>>> loss = c * (a + 2 * b)
>>> loss.backward()
>>> float(loss), float(a.grad), float(b.grad), float(c.grad)
(-10.0, -2.0, -4.0, 5.0)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import differentiate, engines, errors, functions, graph, nn, ops, optim, rewrite, simplify
from .compile import Program, compile, evaluate
from .differentiate import gradients, why_no_gradient
from .dtypes import bool_, float32, float64, int32, int64, uint32
from .engines.trace import Trace, step_through
from .functions import *  # noqa: F403  # their __all__ says which
from .graph import Node, Op, Placeholder, Variable, constant, format_graph, placeholder, variable
from .ops import *  # noqa: F403  # their __all__ says which
from .transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .version import __version__

if TYPE_CHECKING:
    from . import data, diagnose, models, tasks, train, view
    from .diagnose import check_gradients

_ON_DEMAND = {
    "data": "data", "diagnose": "diagnose", "models": "models", "tasks": "tasks", "train": "train",
    "view": "view", "check_gradients": "diagnose",
}  # fmt: skip
"""By name, the room that is loaded when somebody first asks for it: a third of the time to import all."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = import_module(f".{_ON_DEMAND[name]}", __name__)
    found = globals()[name] = room if name == _ON_DEMAND[name] else getattr(room, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
