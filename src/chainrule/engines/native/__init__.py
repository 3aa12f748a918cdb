"""The native engine: a graph as machine code.

May import: what engines may import, and loops, rewrite, simplify.
Start reading at ``engine.py``, then ``assembly.py``, which names the passes in order, and ``lowering.py``.
"""

from .engine import Native
from .objects import default_folder
from .target import Target, host
from .team import available_threads

__all__ = ["Native", "Target", "available_threads", "default_folder", "host"]
