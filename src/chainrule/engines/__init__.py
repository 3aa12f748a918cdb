"""The engines: they give nodes their values.  One meaning, defined by the stepper.

May import: simplify, differentiate, functions, ops, graph and below.
Start reading at ``stepper.py``.
"""

from .nonfinite import Finding, first_nonfinite
from .stepper import StepNotFinite, Stepper, evaluate
from .trace import Contribution, Step, Trace, step_through

__all__ = [
    "Contribution",
    "Finding",
    "Step",
    "StepNotFinite",
    "Stepper",
    "Trace",
    "evaluate",
    "first_nonfinite",
    "step_through",
]
