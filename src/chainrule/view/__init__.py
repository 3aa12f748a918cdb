"""Views: drawings of graphs, figures, tables for terminals, and the report of a training run.

May import: every room below; nothing below imports it.  matplotlib and igraph are imported when used.
Start reading at ``drawing.py`` (then ``layout.py`` and ``scene.py``).
"""

from .drawing import Drawing, draw

__all__ = ["Drawing", "draw"]
