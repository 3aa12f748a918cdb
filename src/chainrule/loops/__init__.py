"""The loop program: buffers, loop nests over scalar expressions, and calls.  It knows no graph.

May import ``errors`` and ``dtypes``.  Start reading at ``ir.py``, then ``index.py``.
"""
