"""Rewriting: patterns as data, one engine that runs rules to a fixed point, a journal of every firing.

May import: errors.  Knows neither the node graph nor the loop program, only ``language.py``'s protocol.
Start reading at ``pattern.py``, then ``engine.py``.
"""

from .engine import Rule, RuleSet, rewrite
from .journal import Firing, Journal
from .language import Language
from .pattern import Pattern, anything, matches, node

__all__ = [
    "Firing",
    "Journal",
    "Language",
    "Pattern",
    "Rule",
    "RuleSet",
    "anything",
    "matches",
    "node",
    "rewrite",
]
