"""The command line: one command a file, over the rooms below.

May import: every room; nothing imports it.
Start reading at ``main.py``, then ``train.py``.
"""
