"""The native engine: a graph as machine code.

May import: what engines may import, and loops, rewrite, simplify.
Start reading at ``engine.py``, which names the passes in order, then ``lowering.py``.
"""

from .engine import Native

__all__ = ["Native"]
