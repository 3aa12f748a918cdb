"""Six workloads, the same in other frameworks, and what a training step of each costs.

May import: train, models, optim, nn, tasks' tables and below.
Start reading at ``workloads.py``, then ``measure.py``; the peers need none of this library.
"""

from .measure import PEERS, Figure, Plan, Way, measure, own
from .roofline import Machine, Work, probe, work
from .workloads import WORKLOADS, Workload, workload_named

__all__ = [
    "PEERS",
    "WORKLOADS",
    "Figure",
    "Machine",
    "Plan",
    "Way",
    "Work",
    "Workload",
    "measure",
    "own",
    "probe",
    "work",
    "workload_named",
]
