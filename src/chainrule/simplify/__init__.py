"""Simplifying: rewrite rules over the node graph, for algebra, numerical stability and structural sparsity.

May import: rewrite, differentiate, functions, ops, graph, dtypes, errors.
Start reading at ``passes.py`` (the steps), then ``algebra.py`` (rules) and ``rows.py`` (updates of tables).
"""

from .passes import GROUPS, Simplified, simplify

__all__ = ["GROUPS", "Simplified", "simplify"]
