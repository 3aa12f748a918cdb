"""Networks broken in known ways, and healthy ones: what is said of each, by the tool that is the natural one.

``python benchmarks/diagnosis.py`` prints the table.
"""

from . import gradients, losses, nonfinite, optimizers, rules  # each enters its own into the table
from .healthy import HEALTHY
from .table import FAULTS, Fault, named, said

__all__ = [
    "FAULTS",
    "HEALTHY",
    "Fault",
    "gradients",
    "losses",
    "named",
    "nonfinite",
    "optimizers",
    "rules",
    "said",
]
