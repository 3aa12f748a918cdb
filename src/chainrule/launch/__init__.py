"""Starting a job of many processes on one or many hosts, watching it, and starting it again.

May import: errors, and of the engines what a process of many is told.
Start reading at ``supervise.py``, then ``coordinator.py`` and ``host.py``.
"""

from .clusters import Cluster, detect
from .job import Endpoint, Job, Outcome, Terminal, versions
from .screen import Screen
from .supervise import launch, supervise

__all__ = [
    "Cluster",
    "Endpoint",
    "Job",
    "Outcome",
    "Screen",
    "Terminal",
    "detect",
    "launch",
    "supervise",
    "versions",
]
