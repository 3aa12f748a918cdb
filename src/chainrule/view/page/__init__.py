"""The step-through page: both passes over a graph, recorded once and shown in one HTML file.

May import: the rest of view, and every room below it.
Start reading at ``explanation.py``, then ``record.py`` and ``rendering.py``.
"""

from .explanation import Explanation, explain
from .rendering import record_in
from .tensors import decode

__all__ = ["Explanation", "decode", "explain", "record_in"]
