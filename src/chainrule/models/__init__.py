"""Networks and baselines, each a file that a student can read from top to bottom.
May import: nn, data and everything below them.
Start reading at ``ngram.py``, the baseline that a neural language model has to beat.
"""
