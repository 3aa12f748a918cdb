"""Derivations: the matrix calculus of a gradient, step by step, each line held against the run.

May import: every room below ``view``, ``view/formulas``, ``view/report.py`` and ``view/text.py``.
Start reading at ``derivation.py``, then ``building.py``.
"""

from .derivation import Derivation, derive
from .lines import Line

__all__ = ["Derivation", "Line", "derive"]
