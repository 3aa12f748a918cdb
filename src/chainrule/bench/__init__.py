"""Six workloads and a large one, the same in other frameworks, and what a training step of each costs.

May import: train, models, optim, nn, tasks' tables and below.
Start reading at ``workloads.py``, then ``measuring.py``; the peers need none of this library.
"""

from .hardware import cores, machine, processor
from .measuring import PEERS, Figure, Plan, Way, measure, own
from .results import Results, check_page, write_page
from .roofline import Machine, Work, at_least, probe, work
from .workloads import LARGE, ON_GPU, WORKLOADS, Workload, workload_named

__all__ = [
    "LARGE",
    "ON_GPU",
    "PEERS",
    "WORKLOADS",
    "Figure",
    "Machine",
    "Plan",
    "Results",
    "Way",
    "Work",
    "Workload",
    "at_least",
    "check_page",
    "cores",
    "machine",
    "measure",
    "own",
    "probe",
    "processor",
    "work",
    "workload_named",
    "write_page",
]
