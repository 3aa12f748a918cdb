"""Optimizers as graph: update rules, schedules, clipping, regularisers.

May import: differentiate, functions, ops, graph and the ground.
Start reading at ``optimizer.py`` (what all rules share), then ``descent.py`` (the rules themselves).
"""

from .adafactor import Adafactor
from .adam import Adam, AdamW
from .adaptive import Adadelta, Adagrad, RMSProp
from .clipping import Clip, clip_by_global_norm, clip_by_norm, clip_by_value, global_norm
from .constraints import Constraint, max_norm
from .descent import SGD, Momentum, Nesterov
from .groups import CommonOptions, Group, Parameters
from .optimizer import Optimizer
from .plateau import ReduceOnPlateau
from .regularisers import elastic_net, except_biases, l1, l2
from .schedules import (
    Schedule,
    constant,
    cosine,
    exponential,
    inverse_time,
    linear,
    polynomial,
    step_decay,
    warmup,
)

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Clip",
    "CommonOptions",
    "Constraint",
    "Group",
    "Momentum",
    "Nesterov",
    "Optimizer",
    "Parameters",
    "RMSProp",
    "ReduceOnPlateau",
    "Schedule",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "constant",
    "cosine",
    "elastic_net",
    "except_biases",
    "exponential",
    "global_norm",
    "inverse_time",
    "l1",
    "l2",
    "linear",
    "max_norm",
    "polynomial",
    "step_decay",
    "warmup",
]
