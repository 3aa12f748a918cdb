"""What every training run is held to, cheaply: a healthy run hears nothing, another what is wrong.

May import: data, optim, nn, compile and below, and the training step.
Start reading at ``watch.py``, then ``alarm.py`` for the list of what is looked for.
"""

from .alarm import ALARMS, Alarm
from .watch import Invariants

__all__ = ["ALARMS", "Alarm", "Invariants"]
