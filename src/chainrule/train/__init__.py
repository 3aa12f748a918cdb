"""Training: the step as one program, the loop, metrics, early stopping, run folders, progress.

May import: data, optim, nn, compile and below.
Start reading at ``step.py``, then ``loop.py``.
"""

from .early_stopping import EarlyStopping, Monitor
from .epochs import EpochLoop, Gathered, Redrawn
from .invariants import ALARMS, Alarm
from .loop import Epochs, Training, Validate, fit
from .metrics import ClassScores, accuracy, confusion_matrix, perplexity
from .progress import Bar, Plain, Quiet, Reporter, Silent, default_reporter, describe
from .run_folder import RunFolder
from .settings import Result, Settings
from .spans import SpanScores
from .step import Batch, Evaluation, Loss, PerExample, TrainingStep

__all__ = [
    "ALARMS",
    "Alarm",
    "Bar",
    "Batch",
    "ClassScores",
    "EarlyStopping",
    "EpochLoop",
    "Epochs",
    "Evaluation",
    "Gathered",
    "Loss",
    "Monitor",
    "PerExample",
    "Plain",
    "Quiet",
    "Redrawn",
    "Reporter",
    "Result",
    "RunFolder",
    "Settings",
    "Silent",
    "SpanScores",
    "Training",
    "TrainingStep",
    "Validate",
    "accuracy",
    "confusion_matrix",
    "default_reporter",
    "describe",
    "fit",
    "perplexity",
]
