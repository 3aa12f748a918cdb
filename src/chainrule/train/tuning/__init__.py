"""Tuning: a search for settings that train well, by Optuna; each trial a run, studies shared and resumed.

May import: the rest of train and below.  Optuna is imported when a study is opened.
Start reading at ``space.py``, then ``study.py`` and ``worker.py``; ``ledger.py`` and ``claims.py`` on deaths.
"""

from .claims import HEARTBEAT
from .ledger import TrialRecord
from .locks import is_held
from .progress import BarDisplay, PlainDisplay, SilentDisplay, default_display, describe_trial
from .ranges import Choices, Interval, Range, Stack, read_range
from .space import Space, changed, default_ranges, make_space
from .storage import DEFAULT_PORT, PROXY, read_address, serve
from .study import Facts, Study, difference, open_study
from .worker import Display, Run, Tuner

__all__ = [
    "DEFAULT_PORT",
    "HEARTBEAT",
    "PROXY",
    "BarDisplay",
    "Choices",
    "Display",
    "Facts",
    "Interval",
    "PlainDisplay",
    "Range",
    "Run",
    "SilentDisplay",
    "Space",
    "Stack",
    "Study",
    "TrialRecord",
    "Tuner",
    "changed",
    "default_display",
    "default_ranges",
    "describe_trial",
    "difference",
    "is_held",
    "make_space",
    "open_study",
    "read_address",
    "read_range",
    "serve",
]
