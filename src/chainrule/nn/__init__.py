"""Networks: modules, layers, initialisers, and the functions they are made of, under one name.

May import: functions, differentiate, ops, graph and below.
Start reading at ``module.py``, then ``layers.py``.
"""

from ..functions import *  # noqa: F403  # cr.nn.relu is the function, cr.nn.ReLU the layer
from ..functions import __all__ as _functions
from . import initialisers
from .containers import Residual, Sequential
from .initialisers import Initialiser, Seeds
from .layers import BatchNorm, Conv1d, Conv2d, Dropout, Embedding, LayerNorm, Linear, RMSNorm
from .mode import EVALUATE, Mode, training
from .module import Module, in_training, observe_calls, watch_calls
from .plain import (
    ELU,
    GELU,
    SELU,
    AveragePool1d,
    AveragePool2d,
    Flatten,
    Function,
    HardTanh,
    Identity,
    LeakyReLU,
    MaxOverTime,
    MaxPool1d,
    MaxPool2d,
    ReLU,
    Sigmoid,
    Sign,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from .summary import Summary, summary

__all__ = [
    "AveragePool1d",
    "AveragePool2d",
    "BatchNorm",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "ELU",
    "EVALUATE",
    "Embedding",
    "Flatten",
    "Function",
    "GELU",
    "HardTanh",
    "Identity",
    "Initialiser",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxOverTime",
    "MaxPool1d",
    "MaxPool2d",
    "Mode",
    "Module",
    "RMSNorm",
    "ReLU",
    "Residual",
    "SELU",
    "Seeds",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Sign",
    "Softmax",
    "Softplus",
    "Summary",
    "Tanh",
    "in_training",
    "initialisers",
    "observe_calls",
    "summary",
    "training",
    "watch_calls",
    *_functions,
]
