"""Differentiation, from graph to graph: the backward sweep, pullbacks and pushforwards, reasons.

May import: ops, graph and below.  Evaluates nothing.
Start reading at ``sweep.py``.
"""

from .gradients import Missing, gradients, jacobian, jvp, vjp
from .reasons import Cut, cuts, why_no_gradient
from .sweep import Observer, sweep

__all__ = [
    "Cut",
    "Missing",
    "Observer",
    "cuts",
    "gradients",
    "jacobian",
    "jvp",
    "sweep",
    "vjp",
    "why_no_gradient",
]
