"""Formulas: a small tree of mathematics that reads as text, MathML and LaTeX; the rules of nodes as such.

May import: every room below ``view``, and ``view/text.py``; knows nothing of pages and drawings.
Start reading at ``tree.py``, then ``printers.py`` (what each op looks like) and ``local.py``.
"""

from .evaluate import evaluate
from .local import local_rule
from .notation import Derivative
from .numbers import with_numbers
from .parse import parse
from .tree import (
    Convention,
    Fraction,
    Math,
    MatrixProduct,
    Number,
    Power,
    Product,
    Sum,
    Symbol,
    Transpose,
    Words,
    number,
    symbol,
)
from .writing import Writer, value_rule

__all__ = [
    "Convention",
    "Derivative",
    "Fraction",
    "Math",
    "MatrixProduct",
    "Number",
    "Power",
    "Product",
    "Sum",
    "Symbol",
    "Transpose",
    "Words",
    "Writer",
    "evaluate",
    "local_rule",
    "number",
    "parse",
    "symbol",
    "value_rule",
    "with_numbers",
]
