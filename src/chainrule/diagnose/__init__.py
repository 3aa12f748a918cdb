"""Diagnosis: the gradient check; where a NaN came from; why a gradient is None, zero or huge.

May import: every room below; nothing below imports it.
Start reading at ``gradient_check.py``, then ``blame.py``.
"""

from ..differentiate import why_no_gradient
from ..engines.nonfinite import Finding, first_nonfinite
from .compare import attainable
from .edges import Cause
from .gradient_check import check_gradients
from .nonfinite import NonFiniteReport, explain_nonfinite
from .report import Entry, GradientReport
from .shapes import draw_error
from .why import GradientRow, GradientTable, gradient_report
from .why_gradient import WhyGradient, why_gradient

__all__ = [
    "Cause",
    "Entry",
    "Finding",
    "GradientReport",
    "GradientRow",
    "GradientTable",
    "NonFiniteReport",
    "WhyGradient",
    "attainable",
    "check_gradients",
    "draw_error",
    "explain_nonfinite",
    "first_nonfinite",
    "gradient_report",
    "why_gradient",
    "why_no_gradient",
]
