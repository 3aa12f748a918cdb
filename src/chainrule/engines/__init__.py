"""The engines: they give nodes their values.  One meaning, defined by the stepper.

May import: simplify, differentiate, functions, ops, graph and below.
Start reading at ``stepper.py``.
"""
